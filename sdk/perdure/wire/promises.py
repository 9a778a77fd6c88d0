"""Commands on the durable promises of a workflow."""

import msgspec

from perdure.wire.proto3 import U32_MAX, put_text, put_uint, read_text, scan, skip
from perdure.wire.spanned import Spanned
from perdure.wire.values import (
    Span,
    WireFailure,
    read_failure,
    read_value_span,
    set_failure,
    set_value,
)
from perdure.wire.versions import VERSION_MAX


class GetPromiseCommand(msgspec.Struct):
    """Wait for a promise."""

    key: str
    result_completion_id: int
    name: str = ""


class PeekPromiseCommand(msgspec.Struct):
    """Look whether a promise is completed."""

    key: str
    result_completion_id: int
    name: str = ""


class CompletePromiseCommand(Spanned):
    """Complete a promise with a value or a failure; the first to do so wins."""

    key: str
    result_completion_id: int
    value: bytes | None = None
    failure: WireFailure | None = None
    name: str = ""
    value_span: Span = (0, 0)


def _decode_read(data: bytes, start: int) -> tuple[str, int, str]:
    key, completion_id, name = "", 0, ""
    for tag, a, b in scan(data, start, len(data)):
        if tag == 1 << 3 | 2:
            key = read_text(data, a, b)
        elif tag == 11 << 3:
            completion_id = a & U32_MAX
        elif tag == 12 << 3 | 2:
            name = read_text(data, a, b)
        else:
            skip(tag, (1, 11, 12))
    return key, completion_id, name


def _encode_read(m: GetPromiseCommand | PeekPromiseCommand) -> bytes:
    return put_text(1, m.key) + put_uint(11, m.result_completion_id) + put_text(12, m.name)


def decode_get_promise(data: bytes, start: int = 0) -> GetPromiseCommand:
    """Read a GetPromise command."""
    return GetPromiseCommand(*_decode_read(data, start))


def encode_get_promise(m: GetPromiseCommand, version: int = VERSION_MAX) -> bytes:
    """Write a GetPromise command."""
    return _encode_read(m)


def decode_peek_promise(data: bytes, start: int = 0) -> PeekPromiseCommand:
    """Read a PeekPromise command."""
    return PeekPromiseCommand(*_decode_read(data, start))


def encode_peek_promise(m: PeekPromiseCommand, version: int = VERSION_MAX) -> bytes:
    """Write a PeekPromise command."""
    return _encode_read(m)


def decode_complete_promise(data: bytes, start: int = 0) -> CompletePromiseCommand:
    """Read a CompletePromise command."""
    m = CompletePromiseCommand("", 0)
    for tag, a, b in scan(data, start, len(data)):
        if tag == 1 << 3 | 2:
            m.key = read_text(data, a, b)
        elif tag == 2 << 3 | 2:
            m.value_span = read_value_span(data, a, b)
            m.value, m.failure = data[m.value_span[0] : m.value_span[1]], None
        elif tag == 3 << 3 | 2:
            m.value, m.failure = None, read_failure(data, a, b)
        elif tag == 11 << 3:
            m.result_completion_id = a & U32_MAX
        elif tag == 12 << 3 | 2:
            m.name = read_text(data, a, b)
        else:
            skip(tag, (1, 2, 3, 11, 12))
    return m


def encode_complete_promise(m: CompletePromiseCommand, version: int = VERSION_MAX) -> bytes:
    """Write a CompletePromise command."""
    result = set_value(2, m.value) + set_failure(3, m.failure, version)
    tail = put_uint(11, m.result_completion_id) + put_text(12, m.name)
    return put_text(1, m.key) + result + tail
