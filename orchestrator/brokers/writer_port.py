"""The port to topics of users as they are written: exactly once.

Methods are called on the event loop and return at once; callbacks run on it too, after the call
that asked for them has returned. Nothing is raised: what goes wrong is a value.
"""

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Protocol

import msgspec

from orchestrator.model.topics import RecordHeaders

BY_KEY = -1
"""Partition of a record that its key decides, as Java's producers do; at random without a key."""

NOWHERE = (-1, -1)
"""Place of a record that is there, where the broker no longer says where."""


class OutRecord(msgspec.Struct, frozen=True, gc=False):
    """A record to produce. `partition` may be BY_KEY; `value` None is a tombstone."""

    partition: int
    key: bytes | None
    value: bytes | None
    headers: RecordHeaders = ()


class TopicRows(msgspec.Struct, frozen=True, gc=False):
    """Rows `first` and up of one lane, in order, for one topic."""

    lane: int
    topic: str
    first: int
    records: tuple[OutRecord, ...]

    @property
    def last(self) -> int:
        return self.first + len(self.records) - 1


class WriterReady(msgspec.Struct, frozen=True, gc=False):
    """Earlier writers of this id are fenced; up to where each lane has been committed by them."""

    last: Mapping[int, int]


class Committed(msgspec.Struct, frozen=True, gc=False):
    """All rows are there. By lane, in the order of its rows: (partition, offset)."""

    places: Mapping[int, tuple[tuple[int, int], ...]]


class ProblemCode(StrEnum):
    """What is wrong with a lane's topic or rows. Kept in dead letters: never rename one."""

    NO_TOPIC = "no_topic"
    NO_PARTITION = "no_partition"
    NO_RIGHT = "no_right"
    TOO_LARGE = "too_large"
    BAD_RECORD = "bad_record"
    NOT_NOW = "not_now"  # no leader, or an error that may pass


class Problem(msgspec.Struct, frozen=True, gc=False):
    """Why a lane could not be written. In a transaction of one row it is about that row."""

    code: ProblemCode
    message: str


class NotCommitted(msgspec.Struct, frozen=True, gc=False):
    """Certainly nothing of this transaction is there; the writer can go on.

    `problems` by lane: each may be the reason; none if it is the brokers.
    """

    reason: str
    problems: Mapping[int, Problem]


class Lost(msgspec.Struct, frozen=True, gc=False):
    """The writer is over and its last transaction of unknown fate: close it, open another one,
    whose `WriterReady` tells. `is_fenced`: another one was opened, perhaps by another leader."""

    reason: str
    is_fenced: bool


class ForeignLedger(msgspec.Struct, frozen=True, gc=False):
    """The ledger belongs to another log: the two may not share a cluster name here, unless an
    operator takes it over from one that is gone for ever."""

    message: str


class TopicWriter(Protocol):
    """Writes the lanes of one engine partition to one broker cluster, in transactions.

    One is made for each time of leadership at least. It is opened once, then one transaction at a
    time; after `Lost`, or an opening that failed, it is of no more use but to be closed.
    """

    def open(self, done: Callable[[WriterReady | ForeignLedger | Lost], None]) -> None:
        """Fence all earlier writers of this partition and log, and read the ledger.

        It takes a second or so, and fences another candidate: only who leads may ask. `Lost` is
        fenced if another writer was opened while this one was.
        """
        ...

    def write(
        self, rows: Sequence[TopicRows], done: Callable[[Committed | NotCommitted | Lost], None]
    ) -> None:
        """One transaction: all these rows, each lane at most once, and their ledger records."""
        ...

    def close(self) -> None:
        """No callback comes after it. What is under way ends one way or the other."""
        ...
