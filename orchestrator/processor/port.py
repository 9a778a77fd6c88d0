"""What faces and actuators may ask of the engine: the only way in.

One object per process implements `Engine`. It never assumes that the caller's process leads
the partition: an id decides where a record goes.
"""

from collections.abc import Callable, Iterator
from typing import Protocol

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
from orchestrator.model.values import Outcome


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


class NotReady(msgspec.Struct, gc=False):
    """`output`: known, not completed."""


class Unknown(msgspec.Struct, gc=False):
    """`attach`, `output`: no such invocation."""


class Unavailable(msgspec.Struct, gc=False):
    """Not accepted. `kept` False: certainly not in the log (503, Retry-After). True: its fate is
    unknown (500 with the id, source `invocation`), so that nobody retries it blindly."""

    reason: str
    kept: bool


Reply = Accepted | Result | NotReady | Unknown | Unavailable
OnReply = Callable[[Reply], None]

Operation = Signal | Cancel | Kill | Pause | Resume | Purge | PurgeJournal | PatchState


class Engine(Protocol):
    """The way in. Callbacks run on the event loop, later, at most a few times each:
    `invoke` gives Accepted and, if `wait`, then Result; or Unavailable. `find`, `journal` and
    `export` raise `StoreError` when the store fails; it is restored: they may be asked again."""

    partition_count: int

    def new_id(self) -> bytes:
        """A fresh invocation id in a partition led here."""
        ...

    def invoke(self, invoke: Invoke, wait: bool, on_reply: OnReply) -> Callable[[], None]:
        """Append; returns a function that forgets the callback (the client went away)."""
        ...

    def attach(self, invocation_id: bytes, on_reply: OnReply) -> Callable[[], None]:
        """Result when there is one, or Unknown."""
        ...

    def output(self, invocation_id: bytes, on_reply: OnReply) -> None:
        """Result, NotReady or Unknown: a read."""
        ...

    def operate(
        self, operation: Operation, on_answer: Callable[[Answer | Unavailable], None]
    ) -> None:
        """Append an operation (Signal too) and answer what became of it."""
        ...

    def find(self, invocation_id: bytes) -> InvocationRow | CompletedRow | None:
        """The row of an invocation, if its partition is led here. Do not change it."""
        ...

    def journal(self, invocation_id: bytes) -> list[tuple[int, bytes]]:
        """(appended at ms, frame) of every journal entry, the input first; empty if unknown."""
        ...

    def writable(self) -> str:
        """ "" if new work is taken, else why not."""
        ...

    def export(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Raw rows (key, value) under a table prefix in every partition led here, as of this call.

        They may be taken later, and a few at a time.
        """
        ...
