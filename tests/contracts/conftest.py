"""The adapters of a port that its contract tests run over."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.log.kafka.options import KafkaOptions
from tests.contracts.embedded import append_in
from tests.contracts.places import Place, embedded_place, kafka_options, kafka_place, memory_place
from tests.parts.kafka import KafkaBroker


@pytest.fixture(params=["memory", "embedded", "embedded, by a thread", "kafka"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "memory":
        return memory_place(tmp_path)
    if request.param == "embedded":
        return embedded_place(tmp_path)
    if request.param == "embedded, by a thread":
        return embedded_place(tmp_path, lambda: None)
    return kafka_place(tmp_path, request.getfixturevalue("broker").bootstrap)


@pytest.fixture
def options(tmp_path: Path, broker: KafkaBroker) -> KafkaOptions:
    return kafka_options(tmp_path / "a", broker.bootstrap)


@pytest.fixture(params=["by a thread", "beside the loop"])
def both_ways(request: pytest.FixtureRequest) -> Iterator[str]:
    """Every test of a disk that fails runs with both ways of an append."""
    append_in(request.param)
    yield request.param
    append_in("by a thread")
