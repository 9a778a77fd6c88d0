"""Commands on the state of an object: lazy and eager reads, set, clear."""

import msgspec

from perdure.wire.proto3 import (
    U32_MAX,
    fills,
    put_bytes,
    put_text,
    put_uint,
    read_text,
    scan,
    set_bytes,
    skip,
)
from perdure.wire.spanned import Spanned
from perdure.wire.values import (
    Span,
    read_state_keys,
    read_value,
    read_value_span,
    read_void,
    set_state_keys,
    set_value,
)
from perdure.wire.versions import VERSION_MAX


class GetLazyStateCommand(msgspec.Struct):
    """Ask the server for the value of a key."""

    key: bytes
    result_completion_id: int
    name: str = ""


class SetStateCommand(Spanned):
    """Set a key; a value of no bytes is a value."""

    key: bytes
    value: bytes | None
    name: str = ""
    value_span: Span = (0, 0)


class ClearStateCommand(msgspec.Struct):
    """Remove a key."""

    key: bytes
    name: str = ""


class ClearAllStateCommand(msgspec.Struct):
    """Remove all keys."""

    name: str = ""


class GetLazyStateKeysCommand(msgspec.Struct):
    """Ask the server for the keys."""

    result_completion_id: int
    name: str = ""


class GetEagerStateCommand(msgspec.Struct):
    """A read answered from the state in Start: a value, or void for a key that is not there."""

    key: bytes
    value: bytes | None = None
    void: bool = False
    name: str = ""


class GetEagerStateKeysCommand(msgspec.Struct):
    """The keys as read from the state in Start."""

    keys: tuple[bytes, ...] | None
    name: str = ""


def decode_get_lazy_state(data: bytes, start: int = 0) -> GetLazyStateCommand:
    """Read a GetLazyState command."""
    m = GetLazyStateCommand(b"", 0)
    for tag, a, b in scan(data, start, len(data)):
        if tag == 1 << 3 | 2:
            m.key = data[a:b]
        elif tag == 11 << 3:
            m.result_completion_id = a & U32_MAX
        elif tag == 12 << 3 | 2:
            m.name = read_text(data, a, b)
        else:
            skip(tag, (1, 11, 12))
    return m


def encode_get_lazy_state(m: GetLazyStateCommand, version: int = VERSION_MAX) -> bytes:
    """Write a GetLazyState command."""
    return put_bytes(1, m.key) + put_uint(11, m.result_completion_id) + put_text(12, m.name)


def decode_set_state(data: bytes, start: int = 0) -> SetStateCommand:
    """Read a SetState command."""
    end = len(data)
    if end - start >= 4 and data[start] == 1 << 3 | 2 and data[start + 1] < 0x80:
        # A short key and a value, and nothing else.
        first, key_end = start + 2, start + 2 + data[start + 1]
        if key_end + 2 <= end and data[key_end] == 3 << 3 | 2:
            at = fills(data, key_end + 1, end)
            if at >= 0:
                span = read_value_span(data, at, end)
                return SetStateCommand(data[first:key_end], data[span[0] : span[1]], "", span)
    key, value, name, span = b"", None, "", (0, 0)
    for tag, a, b in scan(data, start, len(data)):
        if tag == 1 << 3 | 2:
            key = data[a:b]
        elif tag == 3 << 3 | 2:
            span = read_value_span(data, a, b)
            value = data[span[0] : span[1]]
        elif tag == 12 << 3 | 2:
            name = read_text(data, a, b)
        else:
            skip(tag, (1, 3, 12))
    return SetStateCommand(key, value, name, span)


def encode_set_state(m: SetStateCommand, version: int = VERSION_MAX) -> bytes:
    """Write a SetState command."""
    return put_bytes(1, m.key) + set_value(3, m.value) + put_text(12, m.name)


def decode_clear_state(data: bytes, start: int = 0) -> ClearStateCommand:
    """Read a ClearState command."""
    m = ClearStateCommand(b"")
    for tag, a, b in scan(data, start, len(data)):
        if tag == 1 << 3 | 2:
            m.key = data[a:b]
        elif tag == 12 << 3 | 2:
            m.name = read_text(data, a, b)
        else:
            skip(tag, (1, 12))
    return m


def encode_clear_state(m: ClearStateCommand, version: int = VERSION_MAX) -> bytes:
    """Write a ClearState command."""
    return put_bytes(1, m.key) + put_text(12, m.name)


def decode_clear_all_state(data: bytes, start: int = 0) -> ClearAllStateCommand:
    """Read a ClearAllState command."""
    m = ClearAllStateCommand()
    for tag, a, b in scan(data, start, len(data)):
        if tag == 12 << 3 | 2:
            m.name = read_text(data, a, b)
        else:
            skip(tag, (12,))
    return m


def encode_clear_all_state(m: ClearAllStateCommand, version: int = VERSION_MAX) -> bytes:
    """Write a ClearAllState command."""
    return put_text(12, m.name)


def decode_get_lazy_state_keys(data: bytes, start: int = 0) -> GetLazyStateKeysCommand:
    """Read a GetLazyStateKeys command."""
    m = GetLazyStateKeysCommand(0)
    for tag, a, b in scan(data, start, len(data)):
        if tag == 11 << 3:
            m.result_completion_id = a & U32_MAX
        elif tag == 12 << 3 | 2:
            m.name = read_text(data, a, b)
        else:
            skip(tag, (11, 12))
    return m


def encode_get_lazy_state_keys(m: GetLazyStateKeysCommand, version: int = VERSION_MAX) -> bytes:
    """Write a GetLazyStateKeys command."""
    return put_uint(11, m.result_completion_id) + put_text(12, m.name)


def decode_get_eager_state(data: bytes, start: int = 0) -> GetEagerStateCommand:
    """Read a GetEagerState command."""
    end = len(data)
    if end - start >= 4 and data[start] == 1 << 3 | 2 and data[start + 1] < 0x80:
        # A short key, then void or a value, and nothing else.
        first, key_end = start + 2, start + 2 + data[start + 1]
        if key_end + 2 <= end:
            if data[key_end] == 14 << 3 | 2:
                at = fills(data, key_end + 1, end)
                if at >= 0:
                    return GetEagerStateCommand(data[first:key_end], read_value(data, at, end))
            elif data[key_end] == 13 << 3 | 2 and data[key_end + 1] == 0 and key_end + 2 == end:
                return GetEagerStateCommand(data[first:key_end], None, True)
    m = GetEagerStateCommand(b"")
    for tag, a, b in scan(data, start, len(data)):
        if tag == 1 << 3 | 2:
            m.key = data[a:b]
        elif tag == 13 << 3 | 2:
            read_void(data, a, b)
            m.value, m.void = None, True
        elif tag == 14 << 3 | 2:
            m.value, m.void = read_value(data, a, b), False
        elif tag == 12 << 3 | 2:
            m.name = read_text(data, a, b)
        else:
            skip(tag, (1, 12, 13, 14))
    return m


def encode_get_eager_state(m: GetEagerStateCommand, version: int = VERSION_MAX) -> bytes:
    """Write a GetEagerState command."""
    result = set_bytes(13, b"") if m.void else set_value(14, m.value)
    return put_bytes(1, m.key) + put_text(12, m.name) + result


def decode_get_eager_state_keys(data: bytes, start: int = 0) -> GetEagerStateKeysCommand:
    """Read a GetEagerStateKeys command."""
    m = GetEagerStateKeysCommand(None)
    for tag, a, b in scan(data, start, len(data)):
        if tag == 14 << 3 | 2:
            m.keys = read_state_keys(data, a, b)
        elif tag == 12 << 3 | 2:
            m.name = read_text(data, a, b)
        else:
            skip(tag, (12, 14))
    return m


def encode_get_eager_state_keys(m: GetEagerStateKeysCommand, version: int = VERSION_MAX) -> bytes:
    """Write a GetEagerStateKeys command."""
    return put_text(12, m.name) + set_state_keys(14, m.keys)
