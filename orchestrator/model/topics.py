"""Values of topics in and out: where a record came from, where one goes, what cannot be used.

Kept in the log and in rows: never reorder a field; new fields go last with a default.
"""

import re

import msgspec
from msgspec.structs import replace

TOPIC_NAME = re.compile(r"[A-Za-z0-9._-]{1,249}")
"""As Kafka's own rule, but for the names "." and ".."."""

RecordHeaders = tuple[tuple[str, bytes | None], ...]
"""Headers of a record: raw, in order, names may come again; a value may be null."""


def header_bytes(headers: RecordHeaders) -> int:
    """What names and values hold."""
    held = 0
    for name, value in headers:
        held += len(name) + (len(value) if value else 0)
    return held


class Source(msgspec.Struct, array_like=True, frozen=True, gc=False, forbid_unknown_fields=True):
    """One partition of one topic of one subscription.

    `subscription` is its minted id, `topic_id` the 16 bytes of Kafka's topic id: a topic that is
    made anew is another source. `topic` and `cluster` (the broker cluster by name) are for people
    and for replies: they do not tell sources apart.
    """

    subscription: str
    topic: str
    topic_id: bytes
    partition: int
    cluster: str


class ReplyTo(msgspec.Struct, array_like=True, frozen=True, gc=False, forbid_unknown_fields=True):
    """Where the result of a consumed record goes. `partition` -1: by its key.

    `headers` are given back as they came: correlation ids.
    """

    cluster: str
    topic: str
    partition: int = -1
    headers: RecordHeaders = ()


class RecordOrigin(
    msgspec.Struct, array_like=True, frozen=True, gc=False, forbid_unknown_fields=True
):
    """The record of a topic that an invocation came from, whole but for its value.

    `home` is the engine partition of its source. `holds_slot`: it counts against `max_in_flight`
    until it ends, waits for its start time, or suspends; then the flag goes. `dead_letter`: if it
    fails for good it becomes a dead letter.
    """

    source: Source
    generation: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    headers: RecordHeaders
    home: int
    reply: ReplyTo | None = None
    holds_slot: bool = False
    dead_letter: bool = False


class ProduceRequest(
    msgspec.Struct, array_like=True, frozen=True, gc=False, forbid_unknown_fields=True
):
    """What an invocation of `Kafka/send` asks for, parsed at the door.

    `partition` None: by the key, as Java's producer chooses. `awaited`: whoever asked wants to
    know partition and offset, so the invocation lives until the record is committed; else it is
    done when the record is a row of its lane. `refusal` is why the request cannot be used (of the
    other fields nothing counts then), "" if it can.
    """

    cluster: str
    topic: str
    partition: int | None
    key: bytes | None
    headers: RecordHeaders
    value: bytes | None
    awaited: bool
    refusal: str = ""


def thin_origin(origin: RecordOrigin | None) -> RecordOrigin | None:
    """Without what may be large."""
    if origin is None:
        return None
    to = origin.reply
    thin = None if to is None else replace(to, headers=())
    return replace(origin, key=None, headers=(), reply=thin)


def thin_request(request: ProduceRequest | None) -> ProduceRequest | None:
    return None if request is None else replace(request, key=None, headers=(), value=None)


def origin_bytes(origin: RecordOrigin) -> int:
    """Of what may be large in it."""
    held = len(origin.key or b"") + header_bytes(origin.headers)
    return held if origin.reply is None else held + header_bytes(origin.reply.headers)


def request_bytes(request: ProduceRequest) -> int:
    """Of what may be large in it."""
    held = len(request.key or b"") + len(request.value or b"")
    return held + header_bytes(request.headers)


# What a row of a topic's lane is. Kept in rows: never reuse a number.
SEND = 0  # asked for by `Kafka/send`
REPLY = 1
LETTER = 2  # a dead letter that is published
EVENT = 3  # of the life-cycle feed
STATE = 4  # of a state feed

FEED_KINDS = (EVENT, STATE)  # never dead letters: their lane stops, with its reason

# Kinds of dead letters. Kept in rows: never reuse a number.
DEAD_RECORD = 0  # a consumed record that cannot be used
DEAD_INVOCATION = 1  # an invocation from a topic that failed for good
DEAD_SEND = 2  # a record that cannot be produced

# Reasons of dead letters: the header `perdure-dlq-reason`, SQL and the CLI show them.
NO_KEY = "no_key"
KEY_NOT_TEXT = "key_not_utf8"
KEY_TOO_LONG = "key_too_long"
UNKNOWN_HANDLER = "unknown_handler"
PRIVATE_HANDLER = "private_handler"
BAD_HEADER = "bad_header"
BAD_INPUT = "bad_input"
TOO_LARGE = "too_large"  # a consumed value is kept by size only; or one that a broker refuses
FAILED = "failed"
KILLED = "killed"
CANCELLED = "cancelled"
BAD_REQUEST = "bad_request"  # of `Kafka/send`
NO_TOPIC = "no_topic"
NO_PARTITION = "no_partition"
NO_RIGHT = "no_right"
BAD_RECORD = "bad_record"  # of which the broker says so
LANE_CLOSED = "lane_closed"  # its broker cluster was deleted

# Feeds a switch turns on and off. Kept in the log: never reuse a number.
FEED_EVENTS = 0
FEED_STATE = 1
FEED_LETTERS = 2


class FeedTopic(msgspec.Struct, array_like=True, frozen=True, gc=False, forbid_unknown_fields=True):
    """A public topic that is written to: by broker cluster and name.

    `source` is the `source` of its CloudEvents: `/perdure/<cluster>`.
    """

    cluster: str
    topic: str
    source: str = ""
