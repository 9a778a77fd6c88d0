"""Records of a partition's log. A message in the log is an array of records.

What is proposed by a leader carries its epoch and is dropped under another. What comes from
outside (Invoke, Signal, the operations, Transfer) carries none.
Kept in the log: never reuse a tag, never reorder a field; new fields need a new level.
"""

import msgspec

from orchestrator.model.effects import AnyEffect
from orchestrator.model.invoke import Invoke
from orchestrator.model.record import Record
from orchestrator.model.topic_records import (
    CloseLane,
    DeadLetter,
    DropDeadLetter,
    Intake,
    OutboxRefused,
    Produce,
    Produced,
    PurgeDeadLetters,
    RedriveDeadLetter,
    SlotFreed,
    SlotPaused,
    SourceClosed,
    SourceOpened,
    SwitchFeed,
)
from orchestrator.model.values import Attempted, Caller, Failure, Future, Outcome, OutputRules


class AnnounceLeader(Record, frozen=True, tag=2):
    """Alone in its message. Accepted only if `epoch_seen` is still the epoch."""

    node: str
    nonce: int
    epoch_seen: int


# --- how a flush of an attempt ends ---


class Ended(Record, frozen=True, tag=40):
    """The attempt ended the invocation: its result is the last output. `output` is the content
    type that its handler declared; None is that of most."""

    output: OutputRules | None = None


class Suspended(Record, frozen=True, tag=41):
    """`seen` counts the journal entries the attempt was given: signals below it are used up.
    The last one says when the attempt began (Unix time)."""

    waiting: Future
    seen: int = 0
    started_at_ms: int = 0


class Failed(Record, frozen=True, tag=42):
    """The attempt failed. `then` is THEN_RETRY at `retry_at_ms`, THEN_PAUSE or THEN_KILL.

    `retry_count` is the new count of retries of the policy. `reached`: the handler has been asked;
    else no step of it can have failed. The last three say when and where the attempt began.
    """

    why: Attempted
    then: int
    retry_count: int
    retry_at_ms: int = 0
    reached: bool = True
    started_at_ms: int = 0
    deployment: str = ""
    server: str = ""


class Pin(msgspec.Struct, array_like=True, frozen=True, gc=False, forbid_unknown_fields=True):
    """The deployment and protocol version an invocation stays on, from its first stored entry."""

    deployment: str
    protocol: int
    server: str = ""


class Journal(Record, frozen=True, tag=3):
    """One flush of an attempt: entries in order as original frames, what they ask for, the end.

    `frames` holds commands and, for run results, their notification frames. `commands` counts
    the commands among the `entries`, `runs` the commands of runs less the results of runs.
    """

    epoch: int
    id: bytes
    incarnation: int
    attempt: int
    now_ms: int
    pin: Pin | None
    frames: bytes
    entries: int
    commands: int
    effects: tuple[AnyEffect, ...]
    end: Ended | Suspended | Failed | None
    runs: int = 0


class TimersFired(Record, frozen=True, tag=4):
    """Timers that were due: keys of their rows."""

    epoch: int
    now_ms: int
    keys: tuple[bytes, ...]


class PurgeExpired(Record, frozen=True, tag=5):
    """Remove what expired: the retention rows with these keys."""

    epoch: int
    now_ms: int
    keys: tuple[bytes, ...]


class ChoreStep(Record, frozen=True, tag=6):
    """Go on with bounded work too large for one record: the key of the chore's row."""

    epoch: int
    now_ms: int
    key: bytes


class OutboxAdvanced(Record, frozen=True, tag=7):
    """Rows of the outbox up to (lane, number) have been taken at their destination."""

    epoch: int
    upto: tuple[tuple[int, int], ...]


class RaiseLevel(Record, frozen=True, tag=8):
    epoch: int
    level: int


# --- from outside ---


class Signal(Record, frozen=True, tag=20):
    """A signal or awakeable result for the current incarnation. `value` None is void."""

    target_id: bytes
    index: int  # 0: named
    name: str
    value: Outcome | None
    now_ms: int


class Cancel(Record, frozen=True, tag=21):
    target_id: bytes
    now_ms: int


class Kill(Record, frozen=True, tag=22):
    target_id: bytes
    now_ms: int


class Pause(Record, frozen=True, tag=23):
    target_id: bytes
    now_ms: int


class Resume(Record, frozen=True, tag=24):
    """`deployment` "" keeps the pinned one; `protocol` goes with it."""

    target_id: bytes
    now_ms: int
    deployment: str = ""
    protocol: int = 0


class Purge(Record, frozen=True, tag=25):
    target_id: bytes
    now_ms: int


class PurgeJournal(Record, frozen=True, tag=26):
    target_id: bytes
    now_ms: int


class PatchState(Record, frozen=True, tag=27):
    """Replace the whole state of a key; dropped if `version` is given and is not the state's."""

    service: str
    key: str
    workflow: bool
    version: str | None
    state: tuple[tuple[bytes, bytes], ...]
    now_ms: int


# --- between partitions: items of a Transfer, and rows of the outbox ---


class Completion(Record, frozen=True, tag=30):
    """The result of a call, attach or output for a caller. `outcome` None is void."""

    caller: Caller
    outcome: Outcome | None
    now_ms: int


class AttachTo(Record, frozen=True, tag=31):
    """Register `caller` for the result of `target_id`; `poll` asks for what there is now."""

    target_id: bytes
    caller: Caller
    poll: bool
    now_ms: int


class Detach(Record, frozen=True, tag=32):
    """`caller` is over: it waits for the result of `target_id` no longer."""

    target_id: bytes
    caller: Caller
    now_ms: int


ToInvocation = Invoke | Completion | AttachTo | Detach | Signal | Cancel | Kill
Item = ToInvocation | SlotFreed | SlotPaused | DeadLetter


OutboxItem = Item | Produce


class Transfer(Record, frozen=True, tag=9):
    """Outbox rows of the `source` partition, numbered `first` and up, without gaps.

    `lane` is the number of the lane over there: always that of the partition they are for.
    """

    source: int
    lane: int
    first: int
    items: tuple[Item, ...]


AnyRecord = (
    AnnounceLeader
    | Invoke
    | Journal
    | TimersFired
    | PurgeExpired
    | ChoreStep
    | OutboxAdvanced
    | RaiseLevel
    | Transfer
    | SourceOpened
    | Intake
    | SourceClosed
    | Produced
    | OutboxRefused
    | PurgeDeadLetters
    | SwitchFeed
    | CloseLane
    | Signal
    | Cancel
    | Kill
    | Pause
    | Resume
    | Purge
    | PurgeJournal
    | PatchState
    | DropDeadLetter
    | RedriveDeadLetter
)

__all__ = ["AnyRecord", "Failure", "Invoke", "Item", "Record"]
