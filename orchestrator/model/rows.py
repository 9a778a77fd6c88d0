"""Rows of the store: what applying the log gives. Mutable in the overlay, encoded at the spill.

Kept on disk: never reorder a field; new fields go last with a default and need a new level.
"""

from collections.abc import Sequence
from struct import Struct

import msgspec

from orchestrator.model.invoke import Invoke
from orchestrator.model.lanes import MINTED_FIRST, Lane
from orchestrator.model.records import (
    AttachTo,
    Cancel,
    Completion,
    Detach,
    Kill,
    PatchState,
    Signal,
)
from orchestrator.model.topic_records import DeadLetter, Produce, SlotFreed, SlotPaused
from orchestrator.model.topics import FeedTopic, ProduceRequest, RecordOrigin, Source
from orchestrator.model.values import LIVE_STATUSES, Attempted, Caller, Future, Outcome, OutputRules


class JournalChunk(
    msgspec.Struct, array_like=True, frozen=True, gc=False, forbid_unknown_fields=True
):
    """Journal entries stored by one record: original frames end to end."""

    at_ms: int
    frames: bytes


class Event(msgspec.Struct, array_like=True, frozen=True, gc=False, forbid_unknown_fields=True):
    """A life-cycle event of an invocation, for people: `kind` is one of the EVENT_ numbers.

    `why` is there for EVENT_FAILED; only the latest has a stack trace. Equal failures in a row are
    one event: `count` of them, the first at `at_ms`, the last at `why.at_ms`.
    """

    kind: int
    at_ms: int
    entries: int
    why: Attempted | None = None
    count: int = 1


EVENT_FAILED = 0
EVENT_PAUSED = 1
EVENT_PAUSED_BY_FAILURE = 2  # the failure is the EVENT_FAILED before it


class Row(msgspec.Struct, array_like=True, gc=False, forbid_unknown_fields=True):
    """One row."""


def latest_failure(events: Sequence[Event]) -> Attempted | None:
    """The latest failed attempt among them."""
    return next((e.why for e in reversed(events) if e.kind == EVENT_FAILED), None)


class Retries(msgspec.Struct, array_like=True, frozen=True, gc=False, forbid_unknown_fields=True):
    """The attempts of an invocation that failed: how many ever, how many since it last suspended
    or was resumed; and when and where the last of them began."""

    failed_count: int
    in_row: int
    started_at_ms: int = 0
    deployment: str = ""
    server: str = ""


class PartitionRow(Row):
    """The partition's own row. `applied` is the offset after the last message applied."""

    epoch: int = -1
    leader: str = ""
    nonce: int = 0
    level: int = 1
    applied: int = 0
    inbound: dict[int, int] = {}  # source partition -> last number of its lane applied here
    lanes: dict[int, Lane] = {}  # by number
    topic_lanes: dict[tuple[str, str], int] = {}  # (cluster, topic) -> number of its lane
    next_lane: int = MINTED_FIRST
    timers_armed_at_ms: int = 0  # the latest of all: later than now if the clock was set back
    live: list[int] = msgspec.field(default_factory=lambda: [0] * LIVE_STATUSES)  # by status
    events: FeedTopic | None = None  # None: the feed of life-cycle events is off
    state_feeds: dict[str, FeedTopic] = {}  # by service
    letter_feeds: dict[str, FeedTopic] = {}  # by broker cluster of the source
    stopped_feeds: dict[str, str] = {}  # why, by topic, until they are switched on again
    letter_bytes: dict[str, int] = {}  # of dead letters, by subscription; "" for those of sends
    feeds_version: int = 0  # of the metadata that events and state_feeds follow


class InvocationRow(Row):
    """A live invocation. Entry 0 of its journal is the input, built from `invoke`.

    `input_bytes` not 0: `invoke` has no body and headers, they are an InputRow of that size.
    What it keeps by number or name is None until there is something: a million may sleep.
    `paged` has a bit for each kind of detail that is in pages (DetailRow) and not here.
    `entries` and `commands` count it. Entries past JOURNAL_INLINE_BYTES are in `chunk_count`
    rows of their own, those in `tail` follow.
    """

    invoke: Invoke
    incarnation: int
    status: int
    modified_at_ms: int
    input_bytes: int = 0
    inbox_number: int = -1
    inboxed_at_ms: int = 0
    scheduled_at_ms: int = 0
    running_at_ms: int = 0
    deployment: str = ""
    protocol: int = 0
    server: str = ""
    chunk_count: int = 0
    tail: list[JournalChunk] = []
    tail_bytes: int = 0
    journal_bytes: int = 0  # of all its frames, wherever they are
    entries: int = 1
    commands: int = 1
    completions: dict[int, int] | None = None  # completion id -> SUCCESS | FAILURE
    signals: dict[int, int] | None = None  # signal index -> journal index << 2 | SUCCESS or FAILURE
    names: dict[str, int] | None = None  # the same by name
    children: dict[int, bytes] | None = None  # ids of calls and sends by their number, for kill
    child_count: int = 0
    awaits: dict[int, bytes] | None = (
        None  # completion id -> promise or invocation that is waited for
    )
    paged: int = 0
    sleeps: dict[int, int] | None = None  # completion id -> due_ms of timers not yet fired
    waiting: Future | None = None  # suspended; or backing off, since that was idle
    seen: int = 0  # signals below this journal index do not count for `waiting`
    waiters: tuple[Caller, ...] = ()  # others who attached, beside invoke.caller
    more_waiters: int = 0  # those that have a WaiterRow
    output: Outcome | None = None
    attempt: int = 1  # number of the attempt that runs or comes next
    retry_count: int = 0
    retry_at_ms: int = 0  # not 0: backing off
    failures_since_entry: int = 0
    trying_since_ms: int = 0  # what follows the last entry, by attempts that reached the handler
    is_failing: bool = False  # the last attempt failed, and why is the latest EVENT_FAILED
    pause_requested: bool = False
    events: tuple[Event, ...] = ()
    signal_count: int = 0  # that came since an attempt last said something
    signal_bytes: int = 0  # of their frames
    retries: Retries | None = None  # None: no attempt has failed
    open_runs: int = 0  # runs in its journal without a result
    open_calls: int = 0  # calls, attachments, outputs and promises whose Completion is to come

    @property
    def last_failure(self) -> Attempted | None:
        """Why the last attempt failed; None if it did not, or too much has happened since."""
        return latest_failure(self.events) if self.is_failing else None


class CompletedRow(Row):
    """A completed invocation, as long as it is retained.

    `input_bytes`, `result_bytes` not 0: body and headers, or the result, are a row of that size or,
    if `result_in_journal`, the result is the end of the last of its chunk rows.
    """

    invoke: Invoke
    incarnation: int
    outcome: Outcome
    completed_at_ms: int
    expires_at_ms: int  # from here on the id is free
    journal_expires_at_ms: int
    entries: int
    commands: int
    chunk_count: int
    tail: list[JournalChunk]
    deployment: str
    protocol: int
    server: str
    input_bytes: int = 0
    inboxed_at_ms: int = 0
    scheduled_at_ms: int = 0
    running_at_ms: int = 0
    retries: Retries | None = None
    events: tuple[Event, ...] = ()
    result_bytes: int = 0
    listed: int = -1  # number of its listing and its place there: see tables/listings.py
    output: OutputRules | None = None  # the content type of the result; None is that of most
    result_in_journal: bool = False

    @property
    def last_failure(self) -> Attempted | None:
        """Why the last attempt that failed did, unless too much has happened since."""
        return latest_failure(self.events)


class InputRow(Row):
    """Body and headers of an Invoke that are not small, written once; with it the whole record of
    a topic it came from, and the whole record it is to produce."""

    body: bytes
    headers: tuple[tuple[str, str], ...]
    origin: RecordOrigin | None = None
    produce: ProduceRequest | None = None


class ResultRow(Row):
    """The result of a completed invocation that is not small, written once."""

    value: bytes


class ChunkRow(Row):
    """Part of a long journal, written once."""

    chunks: list[JournalChunk]


class DetailRow(Row):
    """A page of what an invocation keeps by number: see machine/details.py."""

    values: dict[int, int | bytes]


class WaiterRow(Row):
    """One of many who wait for the result of an invocation or for a promise.

    Without a caller it is the record of a topic that wants a reply.
    """

    caller: Caller | None
    origin: RecordOrigin | None = None


class ObjectRow(Row):
    """An object or workflow key: lock, inbox ends, small state.

    `generation` is the position of the record that made the row: rows of state and promises
    carry it in their keys, so that a key that is dropped and made anew starts empty at once.
    """

    generation: int
    service: str
    key: str
    lock: bytes = b""
    inbox_head: int = 0  # number of the next to take
    inbox_tail: int = 0  # number the next to come will have
    state: dict[bytes, bytes] = {}
    state_bytes: int = 0  # keys and values, wherever they are
    state_generation: int = 0  # not 0: state is in rows of this generation, `state` is empty
    state_count: int = 0  # of these rows
    promise_count: int = 0
    expires_at_ms: int = 0  # of a workflow whose run is over: from here on it is all gone


class InboxRow(Row):
    """One entry of an object's inbox: an invocation, or a modification of state."""

    id: bytes
    incarnation: int
    created_at_ms: int
    patch: PatchState | None = None


class StateRow(Row):
    value: bytes


class PromiseRow(Row):
    """A durable promise: completed once; until then the completions that wait for it."""

    outcome: Outcome | None = None
    waiters: tuple[Caller, ...] = ()
    more_waiters: int = 0  # those that have a WaiterRow


class TimerRow(Row):
    """`kind` TIMER_SLEEP completes `completion_id`; TIMER_START starts a scheduled invocation."""

    kind: int
    id: bytes
    incarnation: int
    completion_id: int = 0
    armed_at_ms: int = 0


TIMER_SLEEP = 0
TIMER_START = 1


class OutboxRow(Row):
    """One row of a lane: lane and number are its key."""

    item: (
        Invoke
        | Completion
        | AttachTo
        | Detach
        | Signal
        | Cancel
        | Kill
        | SlotFreed
        | SlotPaused
        | DeadLetter
        | Produce
    )


class SourceRow(Row):
    """A source that is read by the leader of this partition, its home.

    `position` is the next offset to take. `live` are the offsets of records that hold a slot, in
    order: the offset committed for people is the first of them, else the position. `paused`: of
    these the invocations that are paused, by offset.
    """

    source: Source
    generation: int
    position: int
    opened_at_ms: int
    leader_epoch: int = -1  # of the record before the position, if known
    live: list[int] = []
    metadata_version: int = 0  # of the metadata by which it was opened
    paused: dict[int, bytes] = {}


class DeadLetterRow(Row):
    """A dead letter, in the order they came. `publish_error`: why the public topic lacks it."""

    letter: DeadLetter
    publish_error: str = ""


class RetentionRow(Row):
    """Invocations that expire in one bucket and completed in one message: (id, incarnation)."""

    items: list[tuple[bytes, int]]
    journal_only: bool = False


class ListingRow(Row):
    """Columns of up to LISTED_COUNT_MAX completed invocations whose retention ends in one bucket.

    `ids` end to end, `times` of LISTED_TIMES, `codes` of LISTED_CODES, object `keys` end to end.
    `names` are (service, handler, kind, deployment, protocol, server) by number. `gone` are the
    places of those that were purged before their time.
    """

    ids: bytearray = msgspec.field(default_factory=bytearray)
    times: bytearray = msgspec.field(default_factory=bytearray)
    codes: bytearray = msgspec.field(default_factory=bytearray)
    keys: bytearray = msgspec.field(default_factory=bytearray)
    names: dict[tuple[str, str, int, str, int, str], int] = {}
    gone: list[int] = []


LISTED_TIMES = Struct("<qqqq")
"""Created, began to run (0: never), completed, expires: Unix ms."""

LISTED_CODES = Struct("<HHH")
"""Bytes of the key, number of the names, flags."""

LISTED_FAILED = 1  # flag: the outcome is a failure
LISTED_TROUBLED = 2  # flag: an attempt failed, so that its row tells more
LISTED_BY_SHIFT = 2  # above the flags: `Invoke.by`


class ChoreRow(Row):
    """Work done by follow-up records: `kind` decides which fields count."""

    kind: int
    ids: list[bytes] = []  # children to kill
    service: str = ""
    key: str = ""
    generation: int = 0
    id: bytes = b""
    incarnation: int = 0
    kill: bool = False
    paged: int = 0  # not 0: there are pages to clear
    outcome: Outcome | None = None  # a large one is a ChunkRow, see outcome_key
    cursor: bytes = b""  # the last key that was dropped: what is before it need not be passed again


CHORE_END = 0
CHORE_DROP_STATE = 1
CHORE_DROP_PROMISES = 2
CHORE_DROP_CHUNKS = 3
CHORE_FREE_KEY = 4
CHORE_ANSWER = 5
CHORE_EMIT_STATE = 6
CHORE_CLOSE_LANE = 7
