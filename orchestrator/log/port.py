"""The port every log stands behind: ordered partitions, offsets, durable before acknowledged.

Rules that every adapter keeps (``tests/contracts/test_log.py`` holds them to it):

- Offsets of a partition rise; they need not be dense, but the messages of one append to one
  partition have consecutive offsets from ``first_offset`` on.
- ``done`` is called on the event loop, never from inside ``append``, once for each partition of
  the batch, and for one partition in the order of the appends.
- ``done`` and ``deliver`` must not raise, and are cheap; ``done`` may append again.
- After an append of unknown fate to a partition every later append to it is refused until
  ``restart``; so nothing can be written behind a gap that the writer has not looked at.
- What was acknowledged survives ``kill -9`` of the process, and is read again in the same order.
"""

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

from orchestrator.model.operating import OperatingError
from orchestrator.model.refusal import LogRefused as LogRefused

META: Final = -1
"""The partition number of the metadata topic; it is read and appended to like any other."""

STALLED_MS: Final = 2000
"""An append that waits this long says: let no new work in. What was handed over goes on waiting."""


class LogMessage(NamedTuple):
    """One message of a partition, as read back."""

    offset: int
    value: bytes


class AppendError(Exception):
    """An append that was not acknowledged.

    ``refused``: True when the log certainly never got it and never will; False when its fate is
    unknown, and reading to the end after ``restart`` tells.
    """

    def __init__(self, reason: str, *, refused: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.refused = refused


class LogCorrupt(OperatingError):
    """Bytes that were durable are not what was written: the log stops and keeps its data."""

    def __init__(self, found: str) -> None:
        super().__init__("PD0108", f"The embedded log is damaged: {found}.")


class LogUnavailable(Exception):
    """A read that could not be finished now; asking again later may succeed."""


class OffsetOutOfRange(Exception):
    """A read that starts before the first or after the next offset of its partition."""

    def __init__(self, start: int, end: int) -> None:
        super().__init__(f"the partition holds offsets from {start} up to, not including, {end}")
        self.start = start
        self.end = end


Batch = Sequence[tuple[int, Sequence[bytes]]]
"""(partition, messages in order), at least one message each, each partition at most once."""

Done = Callable[[int, int, int, AppendError | None], None]
"""(partition, first offset, count of messages, error); offset and count are as asked on success,
the offset is -1 on error."""

Deliver = Callable[[list[LogMessage]], None]
Rest = Callable[[], Awaitable[None]]
FollowEnd = OffsetOutOfRange | LogUnavailable | LogCorrupt | LogRefused
FollowEnded = Callable[[FollowEnd], None]
ClockMs = Callable[[], int]
"""Milliseconds that never go back."""


def monotonic_ms() -> int:
    return time.monotonic_ns() // 1_000_000


@dataclass(frozen=True, slots=True)
class Health:
    """What a node needs to know to open or close its door."""

    writable: bool
    reason: str = ""
    oldest_unacknowledged_ms: int = 0
    assigned: bool = False
    refused: LogRefused | None = None
    """Set when the log learned after its start that this node must end (its name is taken)."""


async def no_rest() -> None:
    """Of a reader that always takes more."""


class Subscription(Protocol):
    """A partition that is being followed."""

    def cancel(self) -> None:
        """No callback is called after this; may be called more than once."""
        ...


class Log(Protocol):
    """Ordered partitions of messages; an acknowledged append is durable.

    Partitions are numbered from 0; META is that of the metadata. Every method is called on the
    event loop, and none blocks it.
    """

    @property
    def partition_count(self) -> int:
        """Without META. Known once opened."""
        ...

    @property
    def identity(self) -> bytes:
        """Which log this is; another one after it was made anew. Known once opened."""
        ...

    @property
    def message_bytes_max(self) -> int:
        """The largest message that can be appended, in bytes."""
        ...

    @property
    def may_lose_its_tail(self) -> bool:
        """Whether acknowledged messages may go with a broker that dies: state that is ahead of the
        log is then made anew from it. False: state that is ahead proves that the log is damaged."""
        ...

    async def open(self) -> None:
        """Create or verify the log; keeps trying while it cannot be reached (see `health`).

        Raises `LogRefused` for what an operator must mend, `LogCorrupt` for damaged data.
        """
        ...

    async def close(self) -> None:
        """Answer every append in flight, then close every file, thread and connection."""
        ...

    def append(self, batch: Batch, done: Done) -> None:
        """Hand over a batch. Never blocks, and raises for no state of the log: errors come by
        `done`."""
        ...

    async def read(
        self, partition: int, offset: int, deliver: Deliver, rest: Rest = no_rest
    ) -> int:
        """Deliver all messages from `offset` up to the end seen when asked, in chunks.

        `rest` is awaited after each chunk, and nothing is delivered meanwhile: reads of other
        partitions go on.

        `deliver` is called on the event loop, in order of offsets. Returns the offset to go on
        from. Raises `OffsetOutOfRange`; `LogUnavailable` if trying again may succeed; `LogCorrupt`,
        `LogRefused` (the log is gone).
        """
        ...

    def follow(
        self, partition: int, offset: int, deliver: Deliver, ended: FollowEnded
    ) -> Subscription:
        """Deliver every message from `offset` on, whoever appends it, soon after it is durable.

        `deliver` is called on the event loop, never from inside `follow`: each message once, in
        order of offsets, in chunks. An append of this process may be delivered before or after its
        `done`. While the log is out of reach nothing is delivered. `ended` is called at most once,
        and nothing is delivered after it: `OffsetOutOfRange` (the log no longer has `offset`, or
        not yet), `LogUnavailable` (the log was closed), `LogCorrupt`, `LogRefused`. At most one
        follower of a partition at a time.
        """
        ...

    async def bounds(self, partition: int) -> tuple[int, int]:
        """The first offset that can be read and the next one to be written. Raises
        `LogUnavailable`, `LogRefused`."""
        ...

    def trim(self, partition: int, below_offset: int) -> None:
        """Allow the log to forget messages below an offset, now or later."""
        ...

    def lead(
        self,
        assigned: Callable[[int], None],
        revoked: Callable[[int], None],
        gone: Callable[[LogRefused], None],
    ) -> None:
        """Ask for partitions to lead; the callbacks come on the event loop, one by partition.

        `gone` is called once if the log is found gone, or another one in its place: nothing of it
        can be led or read any more, and neither `assigned` nor `revoked` is called after it.
        """
        ...

    def restart(self, partition: int) -> None:
        """After an append of unknown fate: let later appends to the partition through again."""
        ...

    def health(self) -> Health:
        """As known now; nothing is asked."""
        ...
