"""Records of topics in and out, and the items that go with them.

Kept in the log and in rows: the rules of model/records.py hold.
"""

from orchestrator.model.invoke import Invoke
from orchestrator.model.record import Record
from orchestrator.model.topics import FeedTopic, ProduceRequest, RecordHeaders, RecordOrigin, Source

# --- items between partitions, and rows of lanes to topics ---


class SlotFreed(Record, frozen=True, tag=33):
    """For the home of a source: its record at `offset` holds a slot no longer. Idempotent."""

    source: Source
    generation: int
    offset: int
    home: int
    now_ms: int


class SlotPaused(Record, frozen=True, tag=36):
    """For the home of a source: who holds the slot of its record at `offset` is paused, and is
    named by `invocation`; b"" if it goes on. Ignored if that slot is free."""

    source: Source
    generation: int
    offset: int
    home: int
    now_ms: int
    invocation: bytes


class DeadLetter(Record, frozen=True, tag=34):
    """What could not be used, for the home of its source; or, of a send, kept where it was to go.

    `kind` is one of the DEAD_ numbers. `origin` is there for the first two kinds, `produce` (with
    its value) for DEAD_SEND. `value` is that of the consumed record; None with `value_bytes` not 0
    means that it was too large to be kept: the topic has it.
    """

    kind: int
    reason: str
    message: str
    now_ms: int
    origin: RecordOrigin | None = None
    value: bytes | None = None
    value_bytes: int = 0
    produce: ProduceRequest | None = None
    invocation_id: bytes = b""
    service: str = ""
    handler: str = ""
    key: str = ""
    attempts: int = 0


class Produce(Record, frozen=True, tag=35):
    """A record for a topic: a row of the lane to it, never in the log.

    `kind` is SEND, REPLY, LETTER, EVENT or STATE. `sender` and `incarnation` name the invocation
    it comes from; with `awaited` that one is completed once this is committed. `letter` is the key
    of the dead letter that a LETTER publishes. `now_ms` is when it was asked for.
    """

    kind: int
    partition: int | None
    key: bytes | None
    headers: RecordHeaders
    value: bytes | None
    now_ms: int
    sender: bytes = b""
    incarnation: int = 0
    awaited: bool = False
    letter: bytes = b""


# --- topics in: proposed by the leader of a source's home ---


class SourceOpened(Record, frozen=True, tag=10):
    """Records of a source are taken from `start` on. A higher generation replaces a lower one, in
    this one record; for the generation that is open nothing changes: the position stays. It stays,
    too, if that generation is at least `goes_on_from` (0: never); else `start` counts.
    `metadata_version` is that of the metadata that have its subscription."""

    epoch: int
    now_ms: int
    source: Source
    generation: int
    start: int
    metadata_version: int = 0
    goes_on_from: int = 0


class Intake(Record, frozen=True, tag=11):
    """What was read of a source from offset `first` up to (not including) `upto`, in order.

    Gaps (of compaction, of transactions) lie inside; without items only the position moves.
    Applied only if `first` is the position in state, and `upto` is past it. `leader_epoch` is
    that of the last record read, -1 if unknown.
    """

    epoch: int
    now_ms: int
    source: Source
    generation: int
    first: int
    upto: int
    leader_epoch: int
    items: tuple[Invoke | DeadLetter, ...]


class SourceClosed(Record, frozen=True, tag=12):
    """The source is forgotten. Only if it can never be opened with this generation again: its
    subscription is deleted, or the topic of this id is."""

    epoch: int
    now_ms: int
    source: Source
    generation: int


# --- topics out: proposed by the leader of a lane's partition ---


class Produced(Record, frozen=True, tag=13):
    """Rows of a topic's lane up to number `upto` are committed there, or were before.

    `answers` are (number, partition, offset) of rows somebody waits for; what is not among them
    is answered without partition and offset. At most a transaction's rows in one record.
    """

    epoch: int
    now_ms: int
    lane: int
    upto: int
    answers: tuple[tuple[int, int, int], ...] = ()


class OutboxRefused(Record, frozen=True, tag=14):
    """The first row left in a topic's lane can never be sent. `reason` is that of a dead letter.

    All before it has been trimmed by earlier records; nothing after it is sent before this one is
    applied. Rows of feeds are never refused.
    """

    epoch: int
    now_ms: int
    lane: int
    number: int
    reason: str
    message: str


class PurgeDeadLetters(Record, frozen=True, tag=15):
    """Forget the oldest dead letters, as far as they are from before `before_ms`; a bounded part.

    Answered ACCEPTED if there may be more.
    """

    epoch: int
    now_ms: int
    before_ms: int


class SwitchFeed(Record, frozen=True, tag=16):
    """Turn a feed on or off in this partition. `feed` is FEED_EVENTS, FEED_STATE or FEED_LETTERS.

    `service` is that of a FEED_STATE, else "". `to` None is off (for FEED_LETTERS: of `cluster`).
    A FEED_LETTERS is that of the broker cluster `cluster`, whose sources' letters it gets.
    `version` is that of the metadata it comes from: what older ones said is dropped, so that a
    leader whose metadata come late switches nothing back.
    """

    epoch: int
    now_ms: int
    feed: int
    service: str
    cluster: str
    to: FeedTopic | None
    version: int = 0


class CloseLane(Record, frozen=True, tag=17):
    """The broker cluster of a topic's lane is deleted: what is left in it becomes dead letters."""

    epoch: int
    now_ms: int
    lane: int


# --- from outside ---


class DropDeadLetter(Record, frozen=True, tag=28):
    """Forget a dead letter: the key of its row."""

    letter: bytes
    now_ms: int


class RedriveDeadLetter(Record, frozen=True, tag=29):
    """Do again what failed, and forget the dead letter: an invocation, resolved by the proposer
    and perhaps edited. It may belong to another partition. Of a send it is one of `Kafka/send`."""

    letter: bytes
    now_ms: int
    invoke: Invoke
