"""Notifications: one message for all of them, told apart by the code of their frame."""

from perdure.wire.codes import SIGNAL_NOTIFICATION
from perdure.wire.errors import WireError
from perdure.wire.proto3 import (
    U32_MAX,
    put_uint,
    read_text,
    scan,
    set_bytes,
    set_text,
    set_uint,
    skip,
)
from perdure.wire.spanned import Spanned
from perdure.wire.values import (
    Span,
    WireFailure,
    read_failure,
    read_state_keys,
    read_value_span,
    read_void,
    set_failure,
    set_state_keys,
    set_value,
)
from perdure.wire.versions import VERSION_MAX


class Notification(Spanned):
    """A completion, by its id, or a signal, by number or name; exactly one result is there."""

    code: int
    completion_id: int = 0
    """Zero for a signal."""
    signal: int | str | None = None
    void: bool = False
    value: bytes | None = None
    failure: WireFailure | None = None
    invocation_id: str | None = None
    state_keys: tuple[bytes, ...] | None = None
    value_span: Span = (0, 0)


_RESULT_TAGS = frozenset(number << 3 | 2 for number in (4, 5, 6, 16, 17))


def decode_notification(code: int, data: bytes, start: int = 0) -> Notification:
    """Read a notification of any kind; one without an id or a result is refused."""
    m = Notification(code)
    result = (0, 0, 0)
    for tag, a, b in scan(data, start, len(data)):
        if tag == 1 << 3:
            m.completion_id, m.signal = a & U32_MAX, None
        elif tag in _RESULT_TAGS:
            result = (tag, a, b)
        elif tag == 2 << 3:
            m.completion_id, m.signal = 0, a & U32_MAX
        elif tag == 3 << 3 | 2:
            m.completion_id, m.signal = 0, read_text(data, a, b)
        else:
            skip(tag, (1, 2, 3, 4, 5, 6, 16, 17))
    if m.signal is None if code == SIGNAL_NOTIFICATION else not m.completion_id:
        raise WireError(f"notification {code:#06x} does not say what it is for")
    _read_result(m, data, *result)
    return m


def _read_result(m: Notification, data: bytes, tag: int, a: int, b: int) -> None:
    if tag == 5 << 3 | 2:
        m.value_span = span = read_value_span(data, a, b)
        m.value = data[span[0] : span[1]]
    elif tag == 4 << 3 | 2:
        read_void(data, a, b)
        m.void = True
    elif tag == 6 << 3 | 2:
        m.failure = read_failure(data, a, b)
    elif tag == 16 << 3 | 2:
        m.invocation_id = read_text(data, a, b)
    elif tag == 17 << 3 | 2:
        m.state_keys = read_state_keys(data, a, b)
    else:
        raise WireError(f"notification {m.code:#06x} has no result")


def encode_notification(m: Notification, version: int = VERSION_MAX) -> bytes:
    """Write a notification of any kind."""
    signal = set_text(3, m.signal) if isinstance(m.signal, str) else set_uint(2, m.signal)
    return (
        put_uint(1, m.completion_id)
        + signal
        + (set_bytes(4, b"") if m.void else b"")
        + set_value(5, m.value)
        + set_failure(6, m.failure, version)
        + set_text(16, m.invocation_id)
        + set_state_keys(17, m.state_keys)
    )
