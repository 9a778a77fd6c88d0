"""The states of a seat. Only the methods of `Seat` make or change one.

Each answers for `opened`, `partition`, `term` and `in_flight`, so that nobody asks which it is.

    Restoring ──restored──▶ Following ──begin──▶ Leading
        ▲                    │     ▲               │
        └────close_store─────┘     └──step_down────┘        stop: from any of them to Stopped

Whether the partition is assigned to this process is apart from them: a seat that is not assigned
comes to an end in whatever state it is.
"""

from typing import Final

from orchestrator.processor.in_flight import InFlightAppend
from orchestrator.processor.partition import Partition
from orchestrator.processor.progress import Progress
from orchestrator.processor.term import Term
from orchestrator.store.port import DurableStore


class Opened:
    """The partition's state and the store below it."""

    __slots__ = ("partition", "store")

    def __init__(self, partition: Partition, store: DurableStore) -> None:
        self.partition = partition
        self.store = store


class Restoring:
    """Nothing is open: a store that fits the log is looked for and filled."""

    __slots__ = ("failure", "leaderless_since_s", "progress")
    opened: Final = None
    partition: Final = None
    term: Final = None
    in_flight: Final = None

    def __init__(self, leaderless_since_s: float) -> None:
        self.leaderless_since_s = leaderless_since_s
        self.progress: Progress | None = None
        self.failure = ""  # of the store, the last time that one was to be opened or filled


class Following:
    """Open and read to some offset, but not leading."""

    __slots__ = ("leaderless_since_s", "opened", "partition")
    term: Final = None
    in_flight: Final = None

    def __init__(self, opened: Opened, leaderless_since_s: float) -> None:
        self.opened = opened
        self.partition = opened.partition
        self.leaderless_since_s = leaderless_since_s


class Leading:
    """The only state that appends: at most one append is in flight."""

    __slots__ = ("heard_to", "in_flight", "is_reading", "opened", "partition", "pauses", "term")

    def __init__(self, opened: Opened, term: Term) -> None:
        self.opened = opened
        self.partition = opened.partition
        self.term = term
        self.in_flight: InFlightAppend | None = None
        # Reasons to append nothing: the log refused an append a moment ago, what others wrote is
        # being read, or the store has much to put in order.
        self.pauses = 0
        self.is_reading = False
        self.heard_to = 0  # behind the last message that the log's tail has shown

    @property
    def is_behind(self) -> bool:
        """The log has more than is applied: others' messages, or the append in flight."""
        return self.heard_to > self.partition.next_offset

    def note_end(self, heard_to: int) -> bool:
        """True if messages of other writers below this offset are not applied. While an append
        is in flight its offsets are not known, so the answer is False."""
        self.heard_to = heard_to
        return self.is_behind and self.in_flight is None and not self.is_reading

    def start_reading(self) -> bool:
        """False if that is under way."""
        if self.is_reading:
            return False
        self.is_reading = True
        self.pauses += 1
        return True

    def end_reading(self) -> None:
        self.is_reading = False
        self.pauses -= 1


class Stopped:
    """It serves no more and keeps its data: an operator must look."""

    __slots__ = ("opened", "reason")
    term: Final = None
    in_flight: Final = None

    def __init__(self, reason: str, opened: Opened | None) -> None:
        self.reason = reason
        self.opened = opened

    @property
    def partition(self) -> Partition | None:
        return None if self.opened is None else self.opened.partition


SeatState = Restoring | Following | Leading | Stopped
