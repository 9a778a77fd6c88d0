"""Whole frames of the messages a server makes: start, input, notifications, acknowledgements."""

from collections.abc import Iterable
from functools import lru_cache
from struct import Struct
from typing import Final

from perdure.wire.codes import (
    CALL_INVOCATION_ID_COMPLETION,
    COMMAND_ACK,
    GET_LAZY_STATE_KEYS_COMPLETION,
    INPUT,
    PROPOSE_RUN_COMPLETION_ACK,
    SIGNAL_NOTIFICATION,
    START,
)
from perdure.wire.frames import frame
from perdure.wire.proto3 import put_uint, set_bytes, set_text, set_uint, varint
from perdure.wire.start import Start, encode_start
from perdure.wire.values import WireFailure, put_pairs, set_failure, set_state_keys, set_value
from perdure.wire.versions import VERSION_MAX

_SMALL_BYTES_MAX: Final = 0x7D  # with the two bytes before it, its length is one byte
_small = Struct(">HHI6B").pack


def start_message(
    version: int,
    invocation_id: bytes,
    debug_id: str,
    known_entries: int,
    *,
    state: Iterable[tuple[bytes, bytes]] = (),
    partial_state: bool,
    key: str = "",
    retry_count: int = 0,
    retry_duration_ms: int = 0,
    random_seed: int = 0,
    scope: str | None = None,
    limit_key: str | None = None,
    idempotency_key: str | None = None,
) -> bytes:
    """Frame a Start with the fields its version knows."""
    start = Start(
        invocation_id,
        debug_id,
        known_entries,
        tuple(state),
        partial_state,
        key,
        retry_count,
        retry_duration_ms,
        random_seed,
        scope,
        limit_key,
        idempotency_key,
    )
    return frame(START, encode_start(start, version))


def input_command(headers: Iterable[tuple[str, str]], body: bytes) -> bytes:
    """Frame an Input; a body of no bytes is a value all the same."""
    return frame(INPUT, put_pairs(1, headers) + set_value(14, body))


def completion_void(code: int, completion_id: int) -> bytes:
    """Frame a completion without a value: slept, nothing there, done."""
    return frame(code, put_uint(1, completion_id) + b"\x22\x00")


def completion_value(code: int, completion_id: int, value: bytes) -> bytes:
    """Frame a completion with a value."""
    size = len(value)
    if 0 < size <= _SMALL_BYTES_MAX and completion_id < 0x80:
        head = _small(
            code, 0, size + 6, 1 << 3, completion_id, 5 << 3 | 2, size + 2, 1 << 3 | 2, size
        )
        return head + value
    return frame(code, b"\x08" + varint(completion_id) + set_value(5, value))


def completion_failure(
    code: int, completion_id: int, failure: WireFailure, version: int = VERSION_MAX
) -> bytes:
    """Frame a completion with a failure; V5 is told no metadata."""
    return frame(code, put_uint(1, completion_id) + set_failure(6, failure, version))


def completion_invocation_id(completion_id: int, invocation_id: str) -> bytes:
    """Frame the answer to Call and OneWayCall that names the invocation."""
    payload = put_uint(1, completion_id) + set_text(16, invocation_id)
    return frame(CALL_INVOCATION_ID_COMPLETION, payload)


def completion_state_keys(completion_id: int, keys: Iterable[bytes]) -> bytes:
    """Frame the keys of the state."""
    payload = put_uint(1, completion_id) + set_state_keys(17, keys)
    return frame(GET_LAZY_STATE_KEYS_COMPLETION, payload)


def signal_notification(
    signal: int | str,
    *,
    value: bytes | None = None,
    failure: WireFailure | None = None,
    version: int = VERSION_MAX,
) -> bytes:
    """Frame a signal by number or name; void unless it has a value or a failure."""
    who = set_text(3, signal) if isinstance(signal, str) else set_uint(2, signal)
    if failure is not None:
        result = set_failure(6, failure, version)
    elif value is not None:
        result = set_value(5, value)
    else:
        result = set_bytes(4, b"")
    return frame(SIGNAL_NOTIFICATION, who + result)


def command_ack(command_index: int) -> bytes:
    """Frame a CommandAck; only for a command whose frame has REQUESTED_ACK."""
    return frame(COMMAND_ACK, put_uint(1, command_index))


@lru_cache(maxsize=1024)
def run_ack(completion_id: int) -> bytes:
    """Frame a ProposeRunCompletionAck (V7)."""
    return frame(PROPOSE_RUN_COMPLETION_ACK, put_uint(1, completion_id))
