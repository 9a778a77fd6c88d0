"""Keys of rows: a table's prefix byte and fields whose byte order is their order."""

import struct
from functools import lru_cache
from typing import Final

from orchestrator.model.topics import RecordOrigin, Source

PARTITION = b"m"
INVOCATION = b"i"
COMPLETED = b"c"
INPUT = b"n"
RESULT = b"u"
CHUNK = b"j"
OBJECT = b"o"
INBOX = b"q"
STATE = b"s"
PROMISE = b"p"
TIMER = b"t"
OUTBOX = b"x"
RETENTION = b"r"
CHORE = b"k"
DETAIL = b"d"
WAITER = b"w"
SOURCE = b"a"
LETTER = b"l"
LISTING = b"y"

_timer = struct.Struct(">Q24sI").pack
_pair = struct.Struct(">QQ").pack
_u64 = struct.Struct(">Q").pack
_outbox = struct.Struct(">IQ").pack
_retention = struct.Struct(">QQB").pack
_input = struct.Struct(">24sQ").pack
_chunk = struct.Struct(">24sQI").pack
_chore = struct.Struct(">QI").pack
_detail = struct.Struct(">24sQBI").pack
_owner = struct.Struct(">24sQ").pack
_caller = struct.Struct(">24sQI").pack
_u32 = struct.Struct(">I").pack
_listing = struct.Struct(">QI").pack


_REMEMBERED_COUNT: Final = 256  # of 8 KiB at most


@lru_cache(_REMEMBERED_COUNT)  # each record of an object asks for it several times
def object_key(service: str, key: str) -> bytes:
    """Service names hold no NUL; the key's length delimits it from what follows."""
    raw = key.encode()
    return service.encode() + b"\0" + _u32(len(raw)) + raw


def parse_object_key(raw: bytes) -> tuple[str, str, bytes]:
    """(service, key, the rest)."""
    service, _, tail = raw.partition(b"\0")
    size = int.from_bytes(tail[:4], "big")
    return service.decode(), tail[4 : 4 + size].decode(), tail[4 + size :]


def inbox_key(object_key: bytes, number: int) -> bytes:
    return object_key + _u64(number)


def state_prefix(object_key: bytes, generation: int) -> bytes:
    return object_key + _u64(generation)


def input_key(invocation_id: bytes, incarnation: int) -> bytes:
    return _input(invocation_id, incarnation)


def result_key(invocation_id: bytes, incarnation: int) -> bytes:
    return _input(invocation_id, incarnation)


def chunk_key(invocation_id: bytes, incarnation: int, number: int) -> bytes:
    return _chunk(invocation_id, incarnation, number)


def outcome_key(position: int, number: int) -> bytes:
    """Of the chunk row that holds what a chore answers many with; no invocation has such an id."""
    return _chunk(b"\xff" * 24, position, number)


def timer_key(due_ms: int, invocation_id: bytes, completion_id: int) -> bytes:
    return _timer(due_ms, invocation_id, completion_id)


def timer_due_ms(key: bytes) -> int:
    """Of a timer's or retention row's key, without its table prefix."""
    return int.from_bytes(key[:8], "big")


def outbox_key(lane: int, number: int) -> bytes:
    """Lanes one after the other, the rows of each in order."""
    return _outbox(lane, number)


def retention_key(bucket_ms: int, offset: int, journal_only: bool) -> bytes:
    return _retention(bucket_ms, offset, journal_only)


def chore_key(position: int, number: int) -> bytes:
    return _chore(position, number)


def source_key(source: Source) -> bytes:
    """The sources of a subscription one after the other. Its id holds no NUL."""
    return source.subscription.encode() + b"\0" + source.topic_id + _u32(source.partition)


def letter_key(position: int, number: int) -> bytes:
    """Of a dead letter: in the order of the records that made them."""
    return _chore(position, number)


def listing_key(bucket_ms: int, number: int) -> bytes:
    """Of the listings of one bucket in the order they were begun."""
    return _listing(bucket_ms, number)


def listing_bucket_ms(key: bytes) -> int:
    return int.from_bytes(key[:8], "big")


def listing_number(key: bytes) -> int:
    return int.from_bytes(key[8:], "big")


def detail_key(invocation_id: bytes, incarnation: int, kind: int, page: int) -> bytes:
    return _detail(invocation_id, incarnation, kind, page)


def detail_prefix(invocation_id: bytes, incarnation: int) -> bytes:
    return _owner(invocation_id, incarnation)


def detail_kind(key: bytes) -> int:
    return key[32]


def awaited_invocation(invocation_id: bytes, incarnation: int) -> bytes:
    """The prefix of the rows of those who wait for its result."""
    return b"i" + _owner(invocation_id, incarnation)


def parse_awaited(prefix: bytes) -> tuple[bytes, int]:
    """(invocation id, incarnation) of such a prefix."""
    return prefix[1:25], int.from_bytes(prefix[25:33], "big")


def awaited_promise(promise_key: bytes) -> bytes:
    """The same for a promise; its length keeps it apart from longer names."""
    return b"p" + _u32(len(promise_key)) + promise_key


def record_key(origin: RecordOrigin) -> bytes:
    """Of the record of a topic among those who wait: no caller has so long a key."""
    at = _pair(origin.generation, origin.offset)
    return source_key(origin.source) + at


def caller_key(invocation_id: bytes, incarnation: int, completion_id: int) -> bytes:
    return _caller(invocation_id, incarnation, completion_id)


def prefix_end(prefix: bytes) -> bytes:
    """The first key past all that start with `prefix`."""
    stripped = prefix.rstrip(b"\xff")
    return stripped[:-1] + bytes([stripped[-1] + 1])
