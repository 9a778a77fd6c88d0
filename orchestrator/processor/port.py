"""What faces may ask of the engine: the only way in, wherever a partition is led.

An id decides which partition is asked, and the partition's leader answers, in this process or in
another. So nothing is answered by return: answers are values given to a callback, long ones are
streams that are pulled chunk by chunk, and what went wrong is a value too (`Unavailable`).

Callbacks run on the event loop, always after the call that asked for them has returned. Answers
to different questions come in any order.
"""

from collections.abc import Callable, Sequence
from typing import Final, Generic, Protocol, TypeVar

import msgspec

from orchestrator.model.answers import Answer
from orchestrator.model.invoke import Invoke
from orchestrator.model.records import (
    Cancel,
    Kill,
    PatchState,
    Pause,
    Purge,
    PurgeJournal,
    Resume,
    Signal,
)
from orchestrator.model.rows import CompletedRow, InvocationRow
from orchestrator.model.topic_records import DropDeadLetter, RedriveDeadLetter
from orchestrator.model.values import Outcome, OutputRules
from orchestrator.tables.port import Pair


class Accepted(msgspec.Struct, gc=False):
    """The invocation is in the log. `created`: by this very request; else `start_at_ms` says
    when it starts, 0 if it has."""

    created: bool
    start_at_ms: int = 0


class Result(msgspec.Struct, gc=False):
    """The outcome of an invocation; `expires_at_ms` says how long it can be read."""

    outcome: Outcome
    expires_at_ms: int
    replayed: bool  # it was there before the request came
    output: OutputRules | None = None  # the content type it was made with; None is that of most


class NotReady(msgspec.Struct, gc=False):
    """`output`: known, not completed."""


class Unknown(msgspec.Struct, gc=False):
    """`attach`, `output`: no such invocation."""


class Unavailable(msgspec.Struct, gc=False):
    """Not answered: no leader can be asked, it refuses, its log is slow or its store failed.

    `kept` False: certainly not in the log, and of a read: ask again (503, Retry-After). True: its
    fate is unknown (500 with the id, source `invocation`), so that nobody retries it blindly."""

    reason: str
    kept: bool


Reply = Accepted | Result | NotReady | Unknown | Unavailable
OnReply = Callable[[Reply], None]

Operation = Signal | Cancel | Kill | Pause | Resume | Purge | PurgeJournal | PatchState
LetterOperation = DropDeadLetter | RedriveDeadLetter
OnAnswer = Callable[[Answer | Unavailable], None]

Found = InvocationRow | CompletedRow | Unknown | Unavailable
OnFound = Callable[[Found], None]

CHUNK_BYTES_MAX: Final = 1 << 20
"""Of a stream's items in one chunk; one item alone may be larger."""

T = TypeVar("T")
JournalEntry = tuple[int, bytes]
"""(appended at, Unix ms; the frame as it came)."""


class Chunk(msgspec.Struct, Generic[T], gc=False):
    """Some items of a stream, in its order; `last`: no others follow."""

    items: list[T]
    last: bool


class Stream(Protocol[T]):
    """A long answer with flow control: nothing is read or sent that was not pulled."""

    def pull(self, on_chunk: Callable[[Chunk[T] | Unavailable], None]) -> None:
        """Ask for the next chunk, one at a time; CHUNK_BYTES_MAX bounds it.

        Unavailable ends the stream as `last` does: what was given before is no whole answer.
        """
        ...

    def cancel(self) -> None:
        """No more is wanted: a pull under way is not answered. Also allowed after the end."""
        ...


class PartitionEngine(Protocol):
    """The leader of one partition as it is asked, through whatever lies between."""

    def invoke(self, invoke: Invoke, wait: bool, on_reply: OnReply) -> Callable[[], None]:
        """Append. Accepted once it is in the log and, if `wait`, then Result; or Unavailable.

        Returns a function that forgets the callback (the client went away).
        """
        ...

    def attach(self, invocation_id: bytes, on_reply: OnReply) -> Callable[[], None]:
        """Result when there is one, Unknown, or Unavailable. Returns as `invoke` does."""
        ...

    def output(self, invocation_id: bytes, on_reply: OnReply) -> None:
        """Result, NotReady, Unknown or Unavailable, as of now."""
        ...

    def operate(self, operation: Operation | LetterOperation, on_answer: OnAnswer) -> None:
        """Append an operation (Signal too) and answer what became of it."""
        ...

    def find(self, invocation_id: bytes, on_found: OnFound) -> None:
        """The row of an invocation as of now; Unknown if there is none. Do not change it."""
        ...

    def journal(self, invocation_id: bytes, incarnation: int) -> Stream[JournalEntry]:
        """The entries of one incarnation as of this call, by index, the input first.

        Empty if it is not the current one or its journal is gone.
        """
        ...

    def export(self, kinds: Sequence[bytes], starts: Sequence[bytes]) -> Stream[Pair]:
        """Raw rows (key, value) of several tables, by their prefix bytes.

        Of those whose key goes on with one of `starts` (b"": all). The rows of one start are as
        of one moment, not before this call, and in the order of their keys without the prefix
        byte: what belongs to one id or object lies together, whatever its table.
        """
        ...


class Engine(Protocol):
    """All partitions behind one way in; see `PartitionEngine` for what each question answers."""

    partition_count: int

    def new_id(self) -> bytes:
        """A fresh invocation id (24 bytes), in a partition that is near."""
        ...

    def invoke(self, invoke: Invoke, wait: bool, on_reply: OnReply) -> Callable[[], None]: ...

    def attach(self, invocation_id: bytes, on_reply: OnReply) -> Callable[[], None]: ...

    def output(self, invocation_id: bytes, on_reply: OnReply) -> None: ...

    def operate(self, operation: Operation, on_answer: OnAnswer) -> None: ...

    def operate_letter(
        self, partition: int, operation: LetterOperation, on_answer: OnAnswer
    ) -> None:
        """Drop or redrive a dead letter of that partition, and answer what became of it."""
        ...

    def find(self, invocation_id: bytes, on_found: OnFound) -> None: ...

    def journal(self, invocation_id: bytes, incarnation: int) -> Stream[JournalEntry]: ...

    def export(
        self, partition: int, kinds: Sequence[bytes], starts: Sequence[bytes]
    ) -> Stream[Pair]: ...

    def unreadable(self) -> dict[int, str]:
        """Partitions whose leader cannot be asked now, as far as is known here, with the reason."""
        ...

    def writable(self) -> str:
        """ "" if new work is taken, else why not."""
        ...
