"""The writer to users' topics, over a producer that is played."""

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from orchestrator.brokers.kafka import writer as writers
from orchestrator.brokers.kafka.configs import WriterOptions
from orchestrator.brokers.kafka.undecided import Undecided
from orchestrator.brokers.kafka.writer import KafkaTopicWriter
from orchestrator.brokers.writer_port import (
    Committed,
    ForeignLedger,
    Lost,
    OutRecord,
    TopicRows,
    WriterReady,
)


class PlayedProducer:
    """One that has every topic, and whose connection breaks before each transaction."""

    asked: list[str]

    def __init__(self, config: dict[str, Any], on_error: Callable[[KafkaError], None]) -> None:
        self.asked = []
        self._on_error = on_error

    def init_transactions(self, timeout_s: float) -> None:
        self._on_error(KafkaError(KafkaError._TRANSPORT))

    def poll(self, timeout_s: float) -> None:
        self._on_error(KafkaError(KafkaError._TRANSPORT))

    def list_topics(self, topic: str, timeout: float) -> Any:
        self.asked.append(topic)
        partition = SimpleNamespace(leader=1)
        return SimpleNamespace(
            topics={topic: SimpleNamespace(error=None, partitions={0: partition})}
        )

    def begin_transaction(self) -> None: ...

    def produce(self, *record: Any, **more: Any) -> None: ...

    def commit_transaction(self, timeout_s: float) -> None: ...

    def purge(self, **how: Any) -> None: ...


def test_topics_are_looked_at_again_after_a_connection_broke(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The leader of a partition may have gone away before the end of a transaction came there."""
    looked: list[set[tuple[str, int]]] = []
    producers: list[PlayedProducer] = []

    def make(config: dict[str, Any], on_error: Callable[[KafkaError], None]) -> PlayedProducer:
        producers.append(PlayedProducer(config, on_error))
        return producers[0]

    def look(undecided: Undecided, places: list[tuple[str, int]]) -> dict[str, str]:
        looked.append(set(places))
        return {}

    monkeypatch.setattr(writers, "ensure_ledger", lambda options, on_error: None)
    monkeypatch.setattr(writers, "read_ledger", lambda options, undecided: {})
    monkeypatch.setattr(writers, "make_producer", make)
    monkeypatch.setattr(Undecided, "look", look)

    async def run() -> None:
        writer = KafkaTopicWriter(WriterOptions(dict, "c", b"log", 0, 1))
        opened: asyncio.Future[object] = asyncio.Future()
        writer.open(opened.set_result)
        assert isinstance(await opened, WriterReady)
        for number in (1, 2):
            written: asyncio.Future[object] = asyncio.Future()
            rows = TopicRows(70000, "out", number, (OutRecord(0, b"k", b"v"),))
            writer.write([rows], written.set_result)
            assert isinstance(await written, Committed)
        writer.close()

    asyncio.run(run())
    assert sorted(producers[0].asked) == ["c.ledger", "c.ledger", "out", "out"]
    assert looked == [{("c.ledger", 0), ("out", 0)}] * 2


class FailingProducer:
    """One whose id cannot be taken."""

    def __init__(self, code: int) -> None:
        self._code = code

    def init_transactions(self, timeout_s: float) -> None:
        raise KafkaException(KafkaError(self._code, "played", True))

    def purge(self, **how: Any) -> None: ...


@pytest.mark.parametrize(
    ("code", "is_fenced"),
    [
        (KafkaError._FENCED, True),
        (KafkaError.PRODUCER_FENCED, True),
        (KafkaError.INVALID_PRODUCER_EPOCH, True),
        (KafkaError._TIMED_OUT, False),
        (KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED, False),
    ],
)
def test_who_is_fenced_while_it_opens_is_told(
    monkeypatch: pytest.MonkeyPatch, code: int, is_fenced: bool
) -> None:
    monkeypatch.setattr(writers, "ensure_ledger", lambda options, on_error: None)
    monkeypatch.setattr(writers, "make_producer", lambda config, on_error: FailingProducer(code))

    async def run() -> WriterReady | ForeignLedger | Lost:
        answered: asyncio.Future[WriterReady | ForeignLedger | Lost] = asyncio.Future()
        writer = KafkaTopicWriter(WriterOptions(dict, "c", b"log", 0, 1))
        writer.open(answered.set_result)
        found = await answered
        writer.close()
        return found

    found = asyncio.run(run())
    assert isinstance(found, Lost) and found.is_fenced == is_fenced, found
