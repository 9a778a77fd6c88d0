"""Commands on other invocations: Call, OneWayCall, AttachInvocation, GetInvocationOutput.

From the parameter on, the fields of OneWayCall are numbered one higher than those of Call.
"""

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
from perdure.wire.spanned import Spanned
from perdure.wire.values import (
    IdempotentRequestTarget,
    Pairs,
    Span,
    WorkflowTarget,
    put_pairs,
    read_idempotent_target,
    read_pair,
    read_workflow_target,
    write_idempotent_target,
    write_workflow_target,
)
from perdure.wire.versions import VERSION_MAX

AttachTarget = str | IdempotentRequestTarget | WorkflowTarget
"""Which invocation: its id, or what its id follows from."""


class CallCommand(Spanned):
    """Call a handler and get its result."""

    service_name: str
    handler_name: str
    parameter: bytes
    invocation_id_notification_idx: int
    result_completion_id: int
    key: str = ""
    headers: Pairs = ()
    idempotency_key: str | None = None
    scope: str | None = None
    limit_key: str | None = None
    name: str = ""
    parameter_span: Span = (0, 0)


class OneWayCallCommand(Spanned):
    """Call a handler without waiting for its result, at once or at a time in Unix milliseconds."""

    service_name: str
    handler_name: str
    parameter: bytes
    invocation_id_notification_idx: int
    invoke_time: int = 0
    key: str = ""
    headers: Pairs = ()
    idempotency_key: str | None = None
    scope: str | None = None
    limit_key: str | None = None
    name: str = ""
    parameter_span: Span = (0, 0)


class AttachInvocationCommand(msgspec.Struct):
    """Wait for the result of an invocation."""

    target: AttachTarget | None
    result_completion_id: int
    name: str = ""


class GetInvocationOutputCommand(msgspec.Struct):
    """Look at the result of an invocation, if there is one already."""

    target: AttachTarget | None
    result_completion_id: int
    name: str = ""


def _usual_call(data: bytes, at: int, end: int) -> CallCommand | None:
    """Read a Call of a service as it nearly always is: names, a parameter and two numbers in this
    order, each of less than 128 bytes. None: it has to be walked."""
    spans = []
    for tag in (1 << 3 | 2, 2 << 3 | 2, 3 << 3 | 2):
        if at + 2 > end or data[at] != tag or data[at + 1] >= 0x80:
            return None
        first = at + 2
        at = first + data[at + 1]
        spans.append((first, at))
    if at + 4 != end or data[at] != 10 << 3 or data[at + 2] != 11 << 3:
        return None
    id_completion_id, completion_id = data[at + 1], data[at + 3]
    if id_completion_id >= 0x80 or completion_id >= 0x80:
        return None
    (a, b), (c, d), span = spans
    service, handler = read_text(data, a, b), read_text(data, c, d)
    parameter = data[span[0] : span[1]]
    return CallCommand(
        service, handler, parameter, id_completion_id, completion_id, parameter_span=span
    )


def decode_call(data: bytes, start: int = 0) -> CallCommand:
    """Read a Call command."""
    usual = _usual_call(data, start, len(data))
    if usual is not None:
        return usual
    headers, m = [], CallCommand("", "", b"", 0, 0)
    for tag, a, b in scan(data, start, len(data)):
        if tag == 1 << 3 | 2:
            m.service_name = read_text(data, a, b)
        elif tag == 2 << 3 | 2:
            m.handler_name = read_text(data, a, b)
        elif tag == 3 << 3 | 2:
            m.parameter, m.parameter_span = data[a:b], (a, b)
        elif tag == 10 << 3:
            m.invocation_id_notification_idx = a & U32_MAX
        elif tag == 11 << 3:
            m.result_completion_id = a & U32_MAX
        elif tag == 5 << 3 | 2:
            m.key = read_text(data, a, b)
        elif tag == 4 << 3 | 2:
            headers.append(read_pair(data, a, b))
        elif tag == 6 << 3 | 2:
            m.idempotency_key = read_text(data, a, b)
        elif tag == 7 << 3 | 2:
            m.scope = read_text(data, a, b)
        elif tag == 8 << 3 | 2:
            m.limit_key = read_text(data, a, b)
        elif tag == 12 << 3 | 2:
            m.name = read_text(data, a, b)
        else:
            skip(tag, (1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12))
    if headers:
        m.headers = tuple(headers)
    return m


def encode_call(m: CallCommand, version: int = VERSION_MAX) -> bytes:
    """Write a Call command."""
    return (
        put_text(1, m.service_name)
        + put_text(2, m.handler_name)
        + put_bytes(3, m.parameter)
        + put_pairs(4, m.headers)
        + put_text(5, m.key)
        + set_text(6, m.idempotency_key)
        + set_text(7, m.scope)
        + set_text(8, m.limit_key)
        + put_uint(10, m.invocation_id_notification_idx)
        + put_uint(11, m.result_completion_id)
        + put_text(12, m.name)
    )


def decode_one_way_call(data: bytes, start: int = 0) -> OneWayCallCommand:
    """Read a OneWayCall command."""
    headers, m = [], OneWayCallCommand("", "", b"", 0)
    for tag, a, b in scan(data, start, len(data)):
        if tag == 1 << 3 | 2:
            m.service_name = read_text(data, a, b)
        elif tag == 2 << 3 | 2:
            m.handler_name = read_text(data, a, b)
        elif tag == 3 << 3 | 2:
            m.parameter, m.parameter_span = data[a:b], (a, b)
        elif tag == 4 << 3:
            m.invoke_time = a
        elif tag == 10 << 3:
            m.invocation_id_notification_idx = a & U32_MAX
        elif tag == 6 << 3 | 2:
            m.key = read_text(data, a, b)
        elif tag == 5 << 3 | 2:
            headers.append(read_pair(data, a, b))
        elif tag == 7 << 3 | 2:
            m.idempotency_key = read_text(data, a, b)
        elif tag == 8 << 3 | 2:
            m.scope = read_text(data, a, b)
        elif tag == 9 << 3 | 2:
            m.limit_key = read_text(data, a, b)
        elif tag == 12 << 3 | 2:
            m.name = read_text(data, a, b)
        else:
            skip(tag, (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12))
    if headers:
        m.headers = tuple(headers)
    return m


def encode_one_way_call(m: OneWayCallCommand, version: int = VERSION_MAX) -> bytes:
    """Write a OneWayCall command."""
    return (
        put_text(1, m.service_name)
        + put_text(2, m.handler_name)
        + put_bytes(3, m.parameter)
        + put_uint(4, m.invoke_time)
        + put_pairs(5, m.headers)
        + put_text(6, m.key)
        + set_text(7, m.idempotency_key)
        + set_text(8, m.scope)
        + set_text(9, m.limit_key)
        + put_uint(10, m.invocation_id_notification_idx)
        + put_text(12, m.name)
    )


def _decode_lookup(data: bytes, start: int) -> tuple[AttachTarget | None, int, str]:
    target: AttachTarget | None = None
    completion_id, name = 0, ""
    for tag, a, b in scan(data, start, len(data)):
        if tag == 1 << 3 | 2:
            target = read_text(data, a, b)
        elif tag == 3 << 3 | 2:
            target = read_idempotent_target(data, a, b)
        elif tag == 4 << 3 | 2:
            target = read_workflow_target(data, a, b)
        elif tag == 11 << 3:
            completion_id = a & U32_MAX
        elif tag == 12 << 3 | 2:
            name = read_text(data, a, b)
        else:
            skip(tag, (1, 3, 4, 11, 12))
    return target, completion_id, name


def _encode_lookup(m: AttachInvocationCommand | GetInvocationOutputCommand) -> bytes:
    target = b""
    if isinstance(m.target, str):
        target = set_text(1, m.target)
    elif isinstance(m.target, IdempotentRequestTarget):
        target = set_bytes(3, write_idempotent_target(m.target))
    elif m.target is not None:
        target = set_bytes(4, write_workflow_target(m.target))
    return target + put_uint(11, m.result_completion_id) + put_text(12, m.name)


def decode_attach_invocation(data: bytes, start: int = 0) -> AttachInvocationCommand:
    """Read an AttachInvocation command."""
    return AttachInvocationCommand(*_decode_lookup(data, start))


def encode_attach_invocation(m: AttachInvocationCommand, version: int = VERSION_MAX) -> bytes:
    """Write an AttachInvocation command."""
    return _encode_lookup(m)


def decode_get_invocation_output(data: bytes, start: int = 0) -> GetInvocationOutputCommand:
    """Read a GetInvocationOutput command."""
    return GetInvocationOutputCommand(*_decode_lookup(data, start))


def encode_get_invocation_output(
    m: GetInvocationOutputCommand, version: int = VERSION_MAX
) -> bytes:
    """Write a GetInvocationOutput command."""
    return _encode_lookup(m)
