"""Rows of one lane to a topic that its carrier is to send."""

from collections.abc import Callable
from typing import Final, cast

from orchestrator.brokers.writer_port import BY_KEY, OutRecord, TopicRows
from orchestrator.model.lanes import Lane
from orchestrator.model.topic_records import Produce
from orchestrator.outbox.port import Rows

MISSING_S: Final = 30.0  # how long a topic that does not exist is tried
NO_PARTITION_S: Final = 5.0
"""The same for a partition of a topic that exists: brokers soon tell of one that was added."""
FORGET_MISSING_S: Final = 60.0  # after this time without a try, that time begins anew


class Given:
    """Rows of one lane that are to be sent."""

    __slots__ = (
        "failures",
        "first",
        "is_alone",
        "is_held",
        "items",
        "lane",
        "missed_s",
        "missing_s",
        "number",
        "reason",
        "rows",
        "settled",
        "topic",
    )

    def __init__(self, number: int, topic: str) -> None:
        self.number = number
        self.topic = topic
        self.first = 0
        self.rows: Rows = tuple  # what there is from `first` on
        self.items: tuple[Produce, ...] = ()  # as it was read last
        self.lane: Lane | None = None
        self.settled: Callable[[int], None] | None = None  # None: nothing is to be sent
        self.is_held = False  # waits for a time, or for its row to be set aside
        self.is_alone = False  # its first row in a transaction of its own
        self.failures = 0
        self.reason = ""  # why its first row is not sent, for people
        self.missing_s: float | None = None  # when its topic was missing first
        self.missed_s = 0.0  # when its topic was missing last

    def read(self) -> bool:
        """Take what there is now. False if it cannot be read: its term ends, or gives it anew."""
        self.items = cast(tuple[Produce, ...], self.rows())
        if not self.items:
            self.settled = None
        return bool(self.items)

    def is_missing(self, now_s: float, is_whole: bool) -> bool:
        """The topic is missing now, or (not `is_whole`) a partition of it: whether it has been for
        so long that it counts as one that does not exist."""
        if self.missing_s is None or now_s - self.missed_s > FORGET_MISSING_S:
            self.missing_s = now_s
        self.missed_s = now_s
        return now_s - self.missing_s >= (MISSING_S if is_whole else NO_PARTITION_S)


def rows_of(given: Given) -> TopicRows:
    items = given.items[:1] if given.is_alone else given.items
    return TopicRows(given.number, given.topic, given.first, tuple(map(_record_of, items)))


def _record_of(item: Produce) -> OutRecord:
    partition = BY_KEY if item.partition is None else item.partition
    return OutRecord(partition, item.key, item.value, item.headers)
