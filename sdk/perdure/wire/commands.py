"""Commands of a handler's own course: Input, Output, Run, Sleep, signals and awakeables."""

import msgspec

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
from perdure.wire.values import (
    Pairs,
    Span,
    WireFailure,
    put_pairs,
    read_failure,
    read_pair,
    read_value_span,
    read_void,
    set_failure,
    set_value,
)
from perdure.wire.versions import VERSION_MAX


class InputCommand(Spanned):
    """What the handler was called with: the first entry of every journal."""

    headers: Pairs = ()
    value: bytes | None = None
    name: str = ""
    value_span: Span = (0, 0)


class OutputCommand(Spanned):
    """The result of the invocation."""

    value: bytes | None = None
    failure: WireFailure | None = None
    name: str = ""
    value_span: Span = (0, 0)


class RunCommand(msgspec.Struct):
    """A side effect that the service is about to execute."""

    result_completion_id: int
    name: str = ""


class SleepCommand(msgspec.Struct):
    """Wake up at a time, in Unix milliseconds."""

    wake_up_time: int
    result_completion_id: int
    name: str = ""


class SendSignalCommand(Spanned):
    """Send a signal, by number or by name; void unless there is a value or a failure."""

    target_invocation_id: str
    signal: int | str | None
    value: bytes | None = None
    failure: WireFailure | None = None
    void: bool = False
    entry_name: str = ""
    value_span: Span = (0, 0)


class CompleteAwakeableCommand(Spanned):
    """Complete an awakeable by its id."""

    awakeable_id: str
    value: bytes | None = None
    failure: WireFailure | None = None
    name: str = ""
    value_span: Span = (0, 0)


def decode_input(data: bytes, start: int = 0) -> InputCommand:
    """Read an Input command."""
    headers, m = [], InputCommand()
    for tag, a, b in scan(data, start, len(data)):
        if tag == 1 << 3 | 2:
            headers.append(read_pair(data, a, b))
        elif tag == 14 << 3 | 2:
            m.value_span = read_value_span(data, a, b)
            m.value = data[m.value_span[0] : m.value_span[1]]
        elif tag == 12 << 3 | 2:
            m.name = read_text(data, a, b)
        else:
            skip(tag, (1, 12, 14))
    m.headers = tuple(headers)
    return m


def encode_input(m: InputCommand, version: int = VERSION_MAX) -> bytes:
    """Write an Input command."""
    return put_pairs(1, m.headers) + put_text(12, m.name) + set_value(14, m.value)


def decode_output(data: bytes, start: int = 0) -> OutputCommand:
    """Read an Output command."""
    value, failure, name, span = None, None, "", (0, 0)
    for tag, a, b in scan(data, start, len(data)):
        if tag == 14 << 3 | 2:
            span = read_value_span(data, a, b)
            value, failure = data[span[0] : span[1]], None
        elif tag == 15 << 3 | 2:
            value, failure, span = None, read_failure(data, a, b), (0, 0)
        elif tag == 12 << 3 | 2:
            name = read_text(data, a, b)
        else:
            skip(tag, (12, 14, 15))
    return OutputCommand(value, failure, name, span)


def read_output(data: bytes, start: int = 0) -> Span | WireFailure:
    """Read an Output command as where its value lies, or the failure: a server copies no value."""
    end = len(data)
    if end - start >= 4:
        # A short value, and nothing else.
        tag, size, value_tag, value_size = data[start : start + 4]
        if (
            tag == 14 << 3 | 2
            and value_tag == 1 << 3 | 2
            and value_size < 0x80
            and size == value_size + 2
            and start + 4 + value_size == end
        ):
            return start + 4, end
        if tag == 14 << 3 | 2:
            first = fills(data, start + 1, end)
            if first >= 0:
                return read_value_span(data, first, end)
    m = decode_output(data, start)
    return m.value_span if m.failure is None else m.failure


def encode_output(m: OutputCommand, version: int = VERSION_MAX) -> bytes:
    """Write an Output command."""
    return put_text(12, m.name) + set_value(14, m.value) + set_failure(15, m.failure, version)


def read_run(data: bytes, start: int = 0) -> tuple[int, str]:
    """Read a Run command as its completion id and name: a server reads one for each step."""
    end = len(data)
    if end - start >= 4:
        # A small id and a short name, and nothing else.
        tag, completion_id, name_tag, size = data[start : start + 4]
        if (
            tag == 11 << 3
            and completion_id < 0x80
            and name_tag == 12 << 3 | 2
            and size < 0x80
            and start + 4 + size == end
        ):
            return completion_id, read_text(data, start + 4, end)
    completion_id, name = 0, ""
    for tag, a, b in scan(data, start, end):
        if tag == 11 << 3:
            completion_id = a & U32_MAX
        elif tag == 12 << 3 | 2:
            name = read_text(data, a, b)
        else:
            skip(tag, (11, 12))
    return completion_id, name


def decode_run(data: bytes, start: int = 0) -> RunCommand:
    """Read a Run command."""
    return RunCommand(*read_run(data, start))


def encode_run(m: RunCommand, version: int = VERSION_MAX) -> bytes:
    """Write a Run command."""
    return put_uint(11, m.result_completion_id) + put_text(12, m.name)


def decode_sleep(data: bytes, start: int = 0) -> SleepCommand:
    """Read a Sleep command."""
    wake_up_time, completion_id, name = 0, 0, ""
    for tag, a, b in scan(data, start, len(data)):
        if tag == 1 << 3:
            wake_up_time = a
        elif tag == 11 << 3:
            completion_id = a & U32_MAX
        elif tag == 12 << 3 | 2:
            name = read_text(data, a, b)
        else:
            skip(tag, (1, 11, 12))
    return SleepCommand(wake_up_time, completion_id, name)


def encode_sleep(m: SleepCommand, version: int = VERSION_MAX) -> bytes:
    """Write a Sleep command."""
    ids = put_uint(1, m.wake_up_time) + put_uint(11, m.result_completion_id)
    return ids + put_text(12, m.name)


def decode_send_signal(data: bytes, start: int = 0) -> SendSignalCommand:
    """Read a SendSignal command."""
    m = SendSignalCommand("", None)
    for tag, a, b in scan(data, start, len(data)):
        if tag == 1 << 3 | 2:
            m.target_invocation_id = read_text(data, a, b)
        elif tag == 2 << 3:
            m.signal = a & U32_MAX
        elif tag == 3 << 3 | 2:
            m.signal = read_text(data, a, b)
        elif tag == 4 << 3 | 2:
            read_void(data, a, b)
            m.void, m.value, m.failure = True, None, None
        elif tag == 5 << 3 | 2:
            m.value_span = read_value_span(data, a, b)
            m.void, m.value, m.failure = False, data[m.value_span[0] : m.value_span[1]], None
        elif tag == 6 << 3 | 2:
            m.void, m.value, m.failure = False, None, read_failure(data, a, b)
        elif tag == 12 << 3 | 2:
            m.entry_name = read_text(data, a, b)
        else:
            skip(tag, (1, 2, 3, 4, 5, 6, 12))
    return m


def encode_send_signal(m: SendSignalCommand, version: int = VERSION_MAX) -> bytes:
    """Write a SendSignal command."""
    signal = set_text(3, m.signal) if isinstance(m.signal, str) else set_uint(2, m.signal)
    return (
        put_text(1, m.target_invocation_id)
        + signal
        + (set_bytes(4, b"") if m.void else b"")
        + set_value(5, m.value)
        + set_failure(6, m.failure, version)
        + put_text(12, m.entry_name)
    )


def decode_complete_awakeable(data: bytes, start: int = 0) -> CompleteAwakeableCommand:
    """Read a CompleteAwakeable command."""
    m = CompleteAwakeableCommand("")
    for tag, a, b in scan(data, start, len(data)):
        if tag == 1 << 3 | 2:
            m.awakeable_id = read_text(data, a, b)
        elif tag == 2 << 3 | 2:
            m.value_span = read_value_span(data, a, b)
            m.value, m.failure = data[m.value_span[0] : m.value_span[1]], None
        elif tag == 3 << 3 | 2:
            m.value, m.failure = None, read_failure(data, a, b)
        elif tag == 12 << 3 | 2:
            m.name = read_text(data, a, b)
        else:
            skip(tag, (1, 2, 3, 12))
    return m


def encode_complete_awakeable(m: CompleteAwakeableCommand, version: int = VERSION_MAX) -> bytes:
    """Write a CompleteAwakeable command."""
    result = set_value(2, m.value) + set_failure(3, m.failure, version)
    return put_text(1, m.awakeable_id) + result + put_text(12, m.name)
