"""Between the processor that owns the state and the invoker that talks to services."""

from typing import Final, NamedTuple, Protocol

import msgspec

from orchestrator.model.invoke import Invoke
from orchestrator.model.records import Journal


class JournalPlace(NamedTuple):
    """A place in the stored journal after the input: before this chunk, in the chunk row of this
    number or in the tail that will become it. It stays valid while the journal grows."""

    row: int
    chunk: int


JOURNAL_BEGIN: Final = JournalPlace(0, 0)


class AttemptInput(msgspec.Struct, gc=False):
    """What an attempt replays, read from state at the moment it gets its slot.

    The stored entries after the input end at `replay_end`; `entries` and `commands` count the
    input too. `deployment` "" means not pinned yet.
    """

    invoke: Invoke
    incarnation: int
    epoch: int
    attempt: int
    deployment: str
    protocol: int
    replay_end: JournalPlace
    replay_bytes: int  # of the frames up to there
    entries: int
    commands: int
    retry_count: int
    failures_since_entry: int
    trying_since_ms: int
    pause_requested: bool
    is_recovered: bool = False
    """It was called before this term of its partition began: there may be very many of them."""


class LedPartition(Protocol):
    """A partition led here, as its attempts see it."""

    def attempt_input(self, invocation_id: bytes, incarnation: int) -> AttemptInput | None:
        """What the attempt replays. None: the invocation is over, or this attempt may not start
        yet. Raises nothing: a store that fails ends the term."""
        ...

    def begins(self, invocation_id: bytes, attempt: int) -> None:
        """The attempt of this number begins, or fails before it could: it is not given again."""
        ...

    def state_of(
        self, invocation_id: bytes, bytes_max: int
    ) -> tuple[list[tuple[bytes, bytes]], bool]:
        """State of the invocation's key, up to a budget in bytes; True if that is all of it."""
        ...

    def entries_from(
        self,
        invocation_id: bytes,
        incarnation: int,
        place: JournalPlace,
        end: JournalPlace | None,
        bytes_max: int,
    ) -> tuple[list[bytes], JournalPlace] | None:
        """Stored entries from `place` on, in order, several to an element, and the place after
        them. No more than `bytes_max`, but one element at least if there is any; nothing past
        `end`. An empty list: that is all there is now. None: the invocation is over, or the
        partition is not led here any more."""
        ...

    def propose(self, record: Journal) -> None:
        """Hand a proposal to the next turn; never raises, never blocks."""
        ...


class AttemptView(msgspec.Struct, gc=False):
    """What people see of an attempt that runs or waits for its slot (sys_invocation_state)."""

    id: bytes
    in_flight: bool
    started_at_ms: int
    deployment: str
    server: str


class InvokerPort(Protocol):
    """What the processor asks of the invoker; every call is idempotent."""

    @property
    def running_count(self) -> int: ...

    def start(self, source: LedPartition, invocation_id: bytes, incarnation: int) -> None:
        """Start an attempt as soon as a slot is free, unless one of this incarnation runs."""
        ...

    def notify(
        self, invocation_id: bytes, incarnation: int, index: int, frame: bytes, completion_id: int
    ) -> None:
        """Entry `index` of the journal for the running attempt; ignored below what it replayed."""
        ...

    def acknowledge(self, invocation_id: bytes, incarnation: int, command_index: int) -> None:
        """A command that asked for it is durable; ignored if another attempt sent it."""
        ...

    def stop(self, invocation_id: bytes, incarnation: int, abort: bool) -> None:
        """Drop the attempt without a proposal, or half-close it so that it suspends."""
        ...

    def forget(self, source: LedPartition) -> None:
        """The partition is not led here any more: drop its attempts without proposals."""
        ...

    def hold_back(self, source: LedPartition, held_back: bool) -> None:
        """While proposals of a partition pile up: read at most a window more of each attempt."""
        ...

    def views(self) -> list[AttemptView]: ...
