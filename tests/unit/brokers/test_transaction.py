"""The pace of transactions, with a producer that only notes what is asked of it."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any, cast

from confluent_kafka import Producer

from orchestrator.brokers.kafka.configs import WriterOptions
from orchestrator.brokers.kafka.transaction import REST_S, Transactions
from orchestrator.brokers.writer_port import Committed, OutRecord, TopicRows


class _Noted:
    """Everything succeeds at once."""

    def __init__(self) -> None:
        self.begun_s: list[float] = []
        self.committed_s: list[float] = []

    def poll(self, timeout_s: float) -> int:
        return 0

    def list_topics(self, topic: str, timeout: float) -> Any:
        found = SimpleNamespace(error=None, partitions={0: SimpleNamespace(leader=1)})
        return SimpleNamespace(topics={topic: found})

    def begin_transaction(self) -> None:
        self.begun_s.append(time.monotonic())

    def produce(self, *_: object, **__: object) -> None: ...

    def commit_transaction(self, timeout_s: float) -> None:
        self.committed_s.append(time.monotonic())


def test_a_transaction_begins_only_when_the_brokers_have_ended_the_one_before() -> None:
    noted = _Noted()
    options = WriterOptions(dict, "e", b"i" * 16, 0, 1)
    transactions = Transactions(cast(Producer, noted), options)
    for number in range(5):
        rows = TopicRows(1, "t", number, (OutRecord(-1, b"k", b"v"),))
        assert isinstance(transactions.run([rows]), Committed)
    ends, begins = noted.committed_s[:-1], noted.begun_s[1:]
    assert all(begun - ended >= REST_S for ended, begun in zip(ends, begins, strict=True))
