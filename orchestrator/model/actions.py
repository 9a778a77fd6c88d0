"""Actions: what the machine asks of the shell, after the log has acknowledged the record.

Each may be lost or repeated: each is idempotent at its target and derived again by `recover`.
"""

import msgspec

from orchestrator.model.values import Outcome, OutputRules


class Action(msgspec.Struct, gc=False):
    """One thing to do, as leader, in order."""


class StartAttempt(Action):
    """Start the next attempt, unless one of this incarnation runs."""

    id: bytes
    incarnation: int


class ArmRetry(Action):
    """Start the next attempt at `at_ms` (Unix time), or after `delay_ms` if that is earlier: the
    clock may have been set back since."""

    id: bytes
    incarnation: int
    at_ms: int
    delay_ms: int


class Notify(Action):
    """Give a running attempt a notification: entry `index` of the journal, as a frame.

    `completion_id` is that of a run result (the protocol may want an ack in its place), else 0.
    """

    id: bytes
    incarnation: int
    index: int
    frame: bytes
    completion_id: int = 0


class AckCommand(Action):
    """Acknowledge a command to the attempt that sent it: it is durable."""

    id: bytes
    incarnation: int
    command_index: int


class StopAttempt(Action):
    """The invocation is over or was taken away: drop its attempt (`abort`) or half-close it."""

    id: bytes
    incarnation: int
    abort: bool


class ArmTimer(Action):
    """Fire the timer at `due_ms` (Unix time), or after `delay_ms` if that is earlier."""

    due_ms: int
    key: bytes
    delay_ms: int


class SendOutbox(Action):
    """There are rows in this lane."""

    lane: int


class ReadSource(Action):
    """A source was opened, freed a slot, or is closed: the key of its row."""

    key: bytes


class DoChore(Action):
    key: bytes


class Complete(Action):
    """An invocation has its result: answer the clients that wait for it."""

    id: bytes
    incarnation: int
    outcome: Outcome
    expires_at_ms: int
    output: OutputRules | None = None  # the content type of the result; None is that of most


AnyAction = (
    StartAttempt
    | ArmRetry
    | Notify
    | AckCommand
    | StopAttempt
    | ArmTimer
    | SendOutbox
    | ReadSource
    | DoChore
    | Complete
)
