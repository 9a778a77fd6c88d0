"""Control messages: how an attempt waits and ends, and what is acknowledged."""

import msgspec

from perdure.wire.codes import BEHAVIOR_FAIL, BEHAVIOR_RETRY
from perdure.wire.errors import WireError
from perdure.wire.futures import WireFuture, read_future, read_leaf, write_future, write_leaves
from perdure.wire.proto3 import (
    U32_MAX,
    fills,
    put_text,
    put_uint,
    read_text,
    scan,
    set_bytes,
    set_text,
    set_uint,
    skip,
)
from perdure.wire.spanned import Spanned
from perdure.wire.values import Span, WireFailure, read_failure, set_failure
from perdure.wire.versions import V7, VERSION_MAX


class Suspension(msgspec.Struct):
    """The attempt ends until what it awaits is there; V5 and V6 wait for any of a flat future."""

    awaiting_on: WireFuture


class Error(msgspec.Struct):
    """The attempt failed; to be retried unless `behavior` (V7) says pause or fail."""

    code: int
    message: str = ""
    stacktrace: str = ""
    related_command_index: int | None = None
    related_command_name: str | None = None
    related_command_type: int | None = None
    next_retry_delay: int | None = None
    """Milliseconds."""
    behavior: int = BEHAVIOR_RETRY


class End(msgspec.Struct):
    """The invocation ends; its result is its last Output."""


class CommandAck(msgspec.Struct):
    """A command that asked for it is durable."""

    command_index: int


class ProposeRunCompletion(Spanned):
    """The result of a Run, to be made durable; exactly one of value and failure."""

    result_completion_id: int
    value: bytes | None = None
    failure: WireFailure | None = None
    value_span: Span = (0, 0)


class AwaitingOn(msgspec.Struct):
    """What the code waits for while the stream stays open (V7); for people to look at."""

    awaiting_on: WireFuture
    executing_side_effects: bool = False


class ProposeRunCompletionAck(msgspec.Struct):
    """The result of a Run is durable (V7)."""

    completion_id: int


def decode_suspension(data: bytes, start: int = 0) -> Suspension:
    """Read a Suspension message of any version; the lists of V5 and V6 become a flat future."""
    flat, tree = WireFuture(), None
    for tag, a, b in scan(data, start, len(data)):
        if tag == 4 << 3 | 2:
            tree = read_future(data, a, b)
        elif not read_leaf(flat, data, tag, a, b):
            skip(tag, (1, 2, 3, 4))
    return Suspension(flat if tree is None else tree)


def encode_suspension(m: Suspension, version: int = VERSION_MAX) -> bytes:
    """Write a Suspension message; below V7 all that is awaited becomes one flat list."""
    if version >= V7:
        return set_bytes(4, write_future(m.awaiting_on))
    return write_leaves(m.awaiting_on.flat())


def decode_error(data: bytes, start: int = 0) -> Error:
    """Read an Error message."""
    m = Error(0)
    for tag, a, b in scan(data, start, len(data)):
        if tag == 1 << 3:
            m.code = a & U32_MAX
        elif tag == 2 << 3 | 2:
            m.message = read_text(data, a, b)
        elif tag == 3 << 3 | 2:
            m.stacktrace = read_text(data, a, b)
        elif tag == 4 << 3:
            m.related_command_index = a & U32_MAX
        elif tag == 5 << 3 | 2:
            m.related_command_name = read_text(data, a, b)
        elif tag == 6 << 3:
            m.related_command_type = a & U32_MAX
        elif tag == 8 << 3:
            m.next_retry_delay = a
        elif tag == 9 << 3:
            m.behavior = a if a <= BEHAVIOR_FAIL else BEHAVIOR_RETRY
        else:
            skip(tag, (1, 2, 3, 4, 5, 6, 8, 9))
    return m


def encode_error(m: Error, version: int = VERSION_MAX) -> bytes:
    """Write an Error message; `behavior` is told from V7 on."""
    return (
        put_uint(1, m.code)
        + put_text(2, m.message)
        + put_text(3, m.stacktrace)
        + set_uint(4, m.related_command_index)
        + set_text(5, m.related_command_name)
        + set_uint(6, m.related_command_type)
        + set_uint(8, m.next_retry_delay)
        + (put_uint(9, m.behavior) if version >= V7 else b"")
    )


def decode_end(data: bytes, start: int = 0) -> End:
    """Read an End message, which has no fields."""
    if start == len(data):
        return End()
    for _ in scan(data, start, len(data)):
        pass
    return End()


def encode_end(m: End, version: int = VERSION_MAX) -> bytes:
    """Write an End message."""
    return b""


def _decode_only_uint(data: bytes, start: int) -> int:
    value = 0
    for tag, a, _ in scan(data, start, len(data)):
        if tag == 1 << 3:
            value = a & U32_MAX
        else:
            skip(tag, (1,))
    return value


def decode_command_ack(data: bytes, start: int = 0) -> CommandAck:
    """Read a CommandAck message."""
    return CommandAck(_decode_only_uint(data, start))


def encode_command_ack(m: CommandAck, version: int = VERSION_MAX) -> bytes:
    """Write a CommandAck message."""
    return put_uint(1, m.command_index)


def read_run_result(data: bytes, start: int = 0) -> tuple[int, bytes, WireFailure | None]:
    """Read a ProposeRunCompletion message as its completion id, value and failure.

    The value is b"" beside a failure. For a server, which reads one for each step.
    """
    end = len(data)
    first = start + 4
    if first <= end:
        # A small id and a short value, and nothing else.
        tag, completion_id, value_tag, size = data[start:first]
        if tag == 1 << 3 and completion_id < 0x80 and value_tag == 14 << 3 | 2:
            if size >= 0x80:
                first = fills(data, start + 3, end)
            elif first + size != end:
                first = -1
            if first >= 0:
                return completion_id, data[first:end], None
    m = decode_propose_run_completion(data, start)
    return m.result_completion_id, m.value or b"", m.failure


def decode_propose_run_completion(data: bytes, start: int = 0) -> ProposeRunCompletion:
    """Read a ProposeRunCompletion message; its value is raw bytes, in no Value message."""
    end = len(data)
    completion_id, value, failure, span = 0, None, None, (0, 0)
    for tag, a, b in scan(data, start, end):
        if tag == 1 << 3:
            completion_id = a & U32_MAX
        elif tag == 14 << 3 | 2:
            value, failure, span = data[a:b], None, (a, b)
        elif tag == 15 << 3 | 2:
            value, failure, span = None, read_failure(data, a, b), (0, 0)
        else:
            skip(tag, (1, 14, 15))
    if value is None and failure is None:
        raise WireError("a proposed run completion has no result")
    return ProposeRunCompletion(completion_id, value, failure, span)


def encode_propose_run_completion(m: ProposeRunCompletion, version: int = VERSION_MAX) -> bytes:
    """Write a ProposeRunCompletion message."""
    result = set_bytes(14, m.value) + set_failure(15, m.failure, version)
    return put_uint(1, m.result_completion_id) + result


def decode_awaiting_on(data: bytes, start: int = 0) -> AwaitingOn:
    """Read an AwaitingOn message."""
    future, executing = WireFuture(), False
    for tag, a, b in scan(data, start, len(data)):
        if tag == 1 << 3 | 2:
            future = read_future(data, a, b)
        elif tag == 2 << 3:
            executing = a != 0
        else:
            skip(tag, (1, 2))
    return AwaitingOn(future, executing)


def encode_awaiting_on(m: AwaitingOn, version: int = VERSION_MAX) -> bytes:
    """Write an AwaitingOn message."""
    return set_bytes(1, write_future(m.awaiting_on)) + put_uint(2, m.executing_side_effects)


def decode_propose_run_completion_ack(data: bytes, start: int = 0) -> ProposeRunCompletionAck:
    """Read a ProposeRunCompletionAck message."""
    return ProposeRunCompletionAck(_decode_only_uint(data, start))


def encode_propose_run_completion_ack(
    m: ProposeRunCompletionAck, version: int = VERSION_MAX
) -> bytes:
    """Write a ProposeRunCompletionAck message."""
    return put_uint(1, m.completion_id)
