"""The Start message: what an attempt is, and the state it begins with."""

import msgspec

from perdure.wire.proto3 import (
    U32_MAX,
    put_bytes,
    put_text,
    put_uint,
    read_text,
    scan,
    set_bytes,
    set_text,
    skip,
)
from perdure.wire.versions import V6, V7, VERSION_MAX


class Start(msgspec.Struct):
    """The first message of an attempt, with the state of the object as far as it was sent."""

    id: bytes
    debug_id: str
    known_entries: int
    state_map: tuple[tuple[bytes, bytes], ...] = ()
    partial_state: bool = False
    key: str = ""
    retry_count_since_last_stored_entry: int = 0
    duration_since_last_stored_entry: int = 0
    """Milliseconds."""
    random_seed: int = 0
    scope: str | None = None
    limit_key: str | None = None
    idempotency_key: str | None = None


def _read_state_entry(data: bytes, start: int, stop: int) -> tuple[bytes, bytes]:
    key = value = b""
    for tag, a, b in scan(data, start, stop):
        if tag == 1 << 3 | 2:
            key = data[a:b]
        elif tag == 2 << 3 | 2:
            value = data[a:b]
        else:
            skip(tag, (1, 2))
    return key, value


def decode_start(data: bytes, start: int = 0) -> Start:
    """Read a Start message."""
    m = Start(b"", "", 0)
    state = []
    for tag, a, b in scan(data, start, len(data)):
        if tag == 4 << 3 | 2:
            state.append(_read_state_entry(data, a, b))
        elif tag == 1 << 3 | 2:
            m.id = data[a:b]
        elif tag == 2 << 3 | 2:
            m.debug_id = read_text(data, a, b)
        elif tag == 3 << 3:
            m.known_entries = a & U32_MAX
        elif tag == 5 << 3:
            m.partial_state = a != 0
        elif tag == 6 << 3 | 2:
            m.key = read_text(data, a, b)
        elif tag == 7 << 3:
            m.retry_count_since_last_stored_entry = a & U32_MAX
        elif tag == 8 << 3:
            m.duration_since_last_stored_entry = a
        elif tag == 9 << 3:
            m.random_seed = a
        elif tag == 10 << 3 | 2:
            m.scope = read_text(data, a, b)
        elif tag == 11 << 3 | 2:
            m.limit_key = read_text(data, a, b)
        elif tag == 12 << 3 | 2:
            m.idempotency_key = read_text(data, a, b)
        else:
            skip(tag, range(1, 13))
    m.state_map = tuple(state)
    return m


def encode_start(m: Start, version: int = VERSION_MAX) -> bytes:
    """Write a Start message with the fields its version knows."""
    out = put_bytes(1, m.id) + put_text(2, m.debug_id) + put_uint(3, m.known_entries)
    if m.state_map:
        out += b"".join(set_bytes(4, put_bytes(1, k) + put_bytes(2, v)) for k, v in m.state_map)
    if m.partial_state:
        out += b"\x28\x01"
    if m.key:
        out += put_text(6, m.key)
    if m.retry_count_since_last_stored_entry:
        out += put_uint(7, m.retry_count_since_last_stored_entry)
    if m.duration_since_last_stored_entry:
        out += put_uint(8, m.duration_since_last_stored_entry)
    if version >= V6:
        out += put_uint(9, m.random_seed)
    if version >= V7:
        out += set_text(10, m.scope) + set_text(11, m.limit_key) + set_text(12, m.idempotency_key)
    return out
