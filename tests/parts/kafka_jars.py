"""Apache Kafka's own jars."""

from __future__ import annotations

from pathlib import Path

from orchestrator.cli.dev.kafka_jars import PINS
from tests.parts.maven import jars


def kafka_jars() -> Path:
    """The directory that holds every jar of a broker."""
    return jars("kafka", PINS)
