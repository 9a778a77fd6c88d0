"""Apache Kafka's own jars."""

from __future__ import annotations

from pathlib import Path

from tests.parts.maven import jars


def kafka_jars() -> Path:
    """The directory that holds every jar of a broker."""
    return jars("kafka", Path(__file__).with_name("kafka_jars.txt"))
