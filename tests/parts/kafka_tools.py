"""Kafka's own tools for people, as its distribution has them in `bin`."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Final

from tests.parts.kafka import java
from tests.parts.maven import jars

_GROUPS: Final = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand"


def kafka_tools() -> Path:
    """The directory of the jars that tools need beside those of a broker."""
    return jars("kafka-tools", Path(__file__).with_name("kafka_tools.txt"))


def described_group(bootstrap: str, group: str) -> list[dict[str, str]]:
    """The lines of `kafka-consumer-groups.sh --describe --group`, by the names of its columns."""
    asked = ["--bootstrap-server", bootstrap, "--describe", "--group", group]
    command = [*java(f"{kafka_tools()}/*"), _GROUPS, *asked]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    lines = [line.split() for line in done.stdout.splitlines() if line.strip()]
    head = next((n for n, line in enumerate(lines) if line[0] == "GROUP"), None)
    if head is None:
        return []
    return [dict(zip(lines[head], line, strict=False)) for line in lines[head + 1 :]]
