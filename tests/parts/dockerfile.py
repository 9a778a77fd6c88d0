"""Reads a Dockerfile: stages, each with its instructions."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple


class Instruction(NamedTuple):
    word: str
    rest: str


class Stage(NamedTuple):
    """`source` is what FROM names, with arguments put in."""

    source: str
    instructions: list[Instruction]

    def all(self, word: str) -> list[str]:
        return [one.rest for one in self.instructions if one.word == word]

    def one(self, word: str) -> str:
        (found,) = self.all(word)
        return found

    def pairs(self, word: str) -> dict[str, str]:
        """NAME=VALUE of all instructions of this word."""
        text = " ".join(self.all(word))
        return {name: value.strip('"') for name, value in re.findall(r'(\S+?)=("[^"]*"|\S+)', text)}


def stages(path: Path) -> list[Stage]:
    text = re.sub(r"(?m)^\s*#.*\n", "", path.read_text())
    lines = re.sub(r"\\\n\s*", " ", text).splitlines()
    arguments: dict[str, str] = {}
    found: list[Stage] = []
    for line in filter(None, map(str.strip, lines)):
        word, rest = line.split(None, 1)
        if word == "FROM":
            source = rest.split()[0]
            for name, value in arguments.items():
                source = source.replace(f"${{{name}}}", value)
            found.append(Stage(source, []))
        elif not found:
            assert word == "ARG"
            name, _, value = rest.partition("=")
            arguments[name] = value
        else:
            found[-1].instructions.append(Instruction(word, rest))
    return found
