"""A page of the documentation as what it shows: its fenced blocks, in order."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Block:
    language: str
    text: str
    line: int  # of the page, where the text begins


@dataclass(frozen=True)
class Command:
    """A line of a shell, and the lines after it that say what it prints."""

    words: str
    prints: tuple[str, ...]
    line: int


def blocks_of(page: Path) -> list[Block]:
    text = page.read_text()
    return [
        Block(found[1], found[2], text.count("\n", 0, found.start()) + 2)
        for found in _BLOCK.finditer(text)
    ]


def commands_of(block: Block) -> list[Command]:
    commands: list[Command] = []
    for number, line in enumerate(block.text.splitlines(), block.line):
        if line.startswith("# "):
            last = commands.pop()
            commands.append(Command(last.words, (*last.prints, line[2:]), last.line))
        elif line:
            commands.append(Command(line, (), number))
    return commands


def same_form(text: str) -> str:
    """Without what differs each time: ids and the places of records, and how wide columns are."""
    text = re.sub(r"\b(sub|inv)_\w+", r"\1_", text)
    text = re.sub(r'"(partition|offset)":\s*\d+', r'"\1":0', text)
    return re.sub(r"\s+", " ", text).strip()
