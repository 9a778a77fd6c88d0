"""The port to topics of users as they are read: in order, each record once, gaps included.

Methods are called on the event loop and return at once; callbacks run on it too, after the call
that asked for them has returned. Nothing is raised: what goes wrong is a value.
"""

from collections.abc import Callable
from enum import StrEnum
from typing import Protocol

import msgspec

from orchestrator.model.topics import RecordHeaders


class ReadPlace(msgspec.Struct, frozen=True):
    """One partition of a topic; `topic_id` is Kafka's, 16 bytes: another topic of that name is
    never read in its place."""

    topic: str
    topic_id: bytes
    partition: int


class InRecord(msgspec.Struct, frozen=True, gc=False):
    """A record as it was read. `value` None is a tombstone; `timestamp_ms` -1: there is none.

    `lacks_headers`: it has some, which could not be read.
    """

    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: RecordHeaders
    lacks_headers: bool = False


class ReadBatch(msgspec.Struct, frozen=True, gc=False):
    """All there is from offset `first` up to (not including) `upto`: what is not among the records
    was compacted away, or was never committed. `first` is where the last batch ended.

    `leader_epoch` is that of whatever is right before `upto`, -1 if unknown.
    """

    first: int
    upto: int
    leader_epoch: int
    records: tuple[InRecord, ...]


class ReadTrouble(StrEnum):
    """What keeps a place from being read."""

    OUT_OF_RANGE = "out_of_range"  # retention took the position, or the topic ends before it
    TOPIC_GONE = "topic_gone"  # deleted, or another one has its name
    NOT_TAKEN = "not_taken"  # what was read could not be handed on: a fault of this program
    NO_RIGHT = "no_right"
    NO_ANSWER = "no_answer"  # the brokers are out of reach, or cannot say


class ReadProblem(msgspec.Struct, frozen=True, gc=False):
    """Of the first three kinds nothing more is read before a `seek`; of the others reading goes
    on by itself once it can. `low` and `high`: what there is now, -1 if not known."""

    trouble: ReadTrouble
    message: str
    low: int = -1
    high: int = -1


OnBatch = Callable[[ReadBatch], None]
OnProblem = Callable[[ReadProblem | None], None]
"""None: what was told last is over, though nothing has been read since."""


class TopicReading(Protocol):
    """One place that is read, until `close`."""

    def pause(self) -> None:
        """No batch comes until `resume`."""
        ...

    def resume(self) -> None: ...

    def seek(self, offset: int, leader_epoch: int) -> None:
        """The next batch begins at this offset, whatever was on its way."""
        ...

    def close(self) -> None:
        """No callback comes after it."""
        ...


class TopicReader(Protocol):
    """Reads places of one broker cluster; only what has been committed."""

    def open(
        self,
        place: ReadPlace,
        offset: int,
        leader_epoch: int,
        on_batch: OnBatch,
        on_problem: OnProblem,
    ) -> TopicReading:
        """Read from an offset on. `leader_epoch` of what is before it, -1 if unknown: with it a
        topic that lost its tail is noticed. One place may be opened more than once."""
        ...

    def close(self) -> None: ...
