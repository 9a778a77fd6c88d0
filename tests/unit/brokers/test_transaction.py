"""Which records of a transaction are reported one by one, over a producer that is played."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from confluent_kafka import KafkaError, KafkaException

from orchestrator.brokers.kafka.configs import WriterOptions
from orchestrator.brokers.kafka.transaction import Transactions
from orchestrator.brokers.writer_port import (
    NOWHERE,
    Committed,
    NotCommitted,
    OutRecord,
    ProblemCode,
    TopicRows,
)


class PlayedProducer:
    """`bad` are topics whose records the brokers refuse, each when it is committed."""

    def __init__(self, *bad: str) -> None:
        self.bad = set(bad)
        self.sent: list[tuple[str, Callable[..., None] | None]] = []
        self.reports_count = 0

    def list_topics(self, topic: str, timeout: float) -> Any:
        partitions = {0: SimpleNamespace(leader=1)}
        return SimpleNamespace(topics={topic: SimpleNamespace(error=None, partitions=partitions)})

    def begin_transaction(self) -> None:
        self.sent.clear()

    def produce(
        self,
        topic: str,
        value: bytes | None = None,
        key: bytes | None = None,
        partition: int = -1,
        on_delivery: Callable[..., None] | None = None,
        headers: Any = None,
    ) -> None:
        self.sent.append((topic, on_delivery))

    def commit_transaction(self, timeout: float) -> None:
        place = SimpleNamespace(partition=lambda: 2, offset=lambda: 9)
        error = KafkaError(KafkaError.MSG_SIZE_TOO_LARGE, "played", False, False, True)
        for topic, report in self.sent:
            if report is not None:
                self.reports_count += 1
                report(error if topic in self.bad else None, place)
        if self.bad & {topic for topic, _ in self.sent}:
            raise KafkaException(error)

    def abort_transaction(self, timeout: float) -> None: ...


def played(*bad: str) -> tuple[Transactions, PlayedProducer]:
    producer = PlayedProducer(*bad)
    return Transactions(producer, WriterOptions(dict, "c", b"log", 0, 1)), producer  # type: ignore[arg-type]


def rows(lane: int, *has_place: bool) -> TopicRows:
    records = tuple(OutRecord(0, b"k", b"v", (), each) for each in has_place)
    return TopicRows(lane, f"t{lane}", 1, records)


def test_only_records_whose_place_is_asked_for_are_reported() -> None:
    """A report takes the interpreter from the loop, and gives it back."""
    transactions, producer = played()
    end = transactions.run([rows(1, *[False] * 10), rows(2, False, True)])
    assert end == Committed({1: (NOWHERE,) * 10, 2: (NOWHERE, (2, 9))})
    assert producer.reports_count == 1


def test_after_a_failure_all_are_reported_so_that_the_lane_is_known() -> None:
    transactions, producer = played("t2")
    lanes = [rows(1, False, False), rows(2, False), rows(3, False)]
    end = transactions.run(lanes)
    assert isinstance(end, NotCommitted) and not end.problems
    end = transactions.run(lanes)
    assert isinstance(end, NotCommitted)
    assert {lane: one.code for lane, one in end.problems.items()} == {2: ProblemCode.TOO_LARGE}
    assert isinstance(transactions.run([lanes[0], lanes[2]]), Committed)
    producer.reports_count = 0
    assert isinstance(transactions.run([lanes[0], lanes[2]]), Committed)
    assert producer.reports_count == 0


def test_the_fault_of_one_lane_alone_is_known_at_once() -> None:
    transactions, _ = played("t1")
    end = transactions.run([rows(1, False)])
    assert isinstance(end, NotCommitted)
    assert end.problems[1].code is ProblemCode.TOO_LARGE
