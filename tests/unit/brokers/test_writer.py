"""The writer to users' topics, over a producer that is played."""

import asyncio
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from orchestrator.brokers.kafka import writer as writers
from orchestrator.brokers.kafka.configs import WriterOptions
from orchestrator.brokers.kafka.writer import KafkaTopicWriter
from orchestrator.brokers.writer_port import ForeignLedger, Lost, WriterReady


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
