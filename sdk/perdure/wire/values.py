"""The small messages inside others: values, failures, headers, state keys, targets."""

from collections.abc import Iterable

import msgspec

from perdure.wire.errors import WireError
from perdure.wire.proto3 import (
    U32_MAX,
    put_text,
    put_uint,
    read_text,
    read_varint,
    scan,
    set_bytes,
    set_text,
    skip,
)
from perdure.wire.versions import V6, VERSION_MAX

Span = tuple[int, int]
"""Where bytes lie in the data handed to a decoder: first, and one past the last."""
Pairs = tuple[tuple[str, str], ...]


class WireFailure(msgspec.Struct):
    """A failure users see: the code is any HTTP status or one of the protocol's own."""

    code: int
    message: str = ""
    metadata: Pairs = ()


class WorkflowTarget(msgspec.Struct):
    """The run of a workflow, by its key."""

    workflow_name: str
    workflow_key: str
    scope: str | None = None


class IdempotentRequestTarget(msgspec.Struct):
    """An invocation, by its idempotency key."""

    service_name: str
    handler_name: str
    idempotency_key: str
    service_key: str | None = None
    scope: str | None = None


def read_value_span(data: bytes, start: int, stop: int) -> Span:
    """Say where the content of the Value message between `start` and `stop` lies."""
    if start == stop:
        return stop, stop
    if data[start] == 0x0A and start + 1 < stop:
        size, first = data[start + 1], start + 2
        if size >= 0x80:
            try:
                size, first = read_varint(data, start + 1)
            except IndexError:
                raise WireError("truncated value") from None
        if first + size == stop:
            return first, stop
    span = (stop, stop)
    for tag, a, b in scan(data, start, stop):
        if tag == 1 << 3 | 2:
            span = (a, b)
        else:
            skip(tag, (1,))
    return span


def read_value(data: bytes, start: int, stop: int) -> bytes:
    """Read the content of a Value message."""
    first, last = read_value_span(data, start, stop)
    return data[first:last]


def write_value(content: bytes) -> bytes:
    """Write a Value message: no bytes at all for an empty content."""
    return set_bytes(1, content) if content else b""


def set_value(number: int, content: bytes | None) -> bytes:
    """Write a field that holds a Value; an empty content is present, None is absent."""
    return b"" if content is None else set_bytes(number, write_value(content))


def read_pair(data: bytes, start: int, stop: int) -> tuple[str, str]:
    """Read a key and a value: a header, or an item of the metadata of a failure."""
    key = value = ""
    for tag, a, b in scan(data, start, stop):
        if tag == 1 << 3 | 2:
            key = read_text(data, a, b)
        elif tag == 2 << 3 | 2:
            value = read_text(data, a, b)
        else:
            skip(tag, (1, 2))
    return key, value


def put_pairs(number: int, pairs: Iterable[tuple[str, str]]) -> bytes:
    """Write a repeated field of pairs."""
    return b"".join([set_bytes(number, put_text(1, k) + put_text(2, v)) for k, v in pairs])


def read_failure(data: bytes, start: int, stop: int) -> WireFailure:
    """Read a Failure message."""
    code, message, metadata = 0, "", []
    for tag, a, b in scan(data, start, stop):
        if tag == 1 << 3:
            code = a & U32_MAX
        elif tag == 2 << 3 | 2:
            message = read_text(data, a, b)
        elif tag == 3 << 3 | 2:
            metadata.append(read_pair(data, a, b))
        else:
            skip(tag, (1, 2, 3))
    return WireFailure(code, message, tuple(metadata))


def set_failure(number: int, failure: WireFailure | None, version: int = VERSION_MAX) -> bytes:
    """Write a field that holds a Failure; V5 knows no metadata."""
    if failure is None:
        return b""
    metadata = failure.metadata if version >= V6 else ()
    body = put_uint(1, failure.code) + put_text(2, failure.message) + put_pairs(3, metadata)
    return set_bytes(number, body)


def read_void(data: bytes, start: int, stop: int) -> None:
    """Check a Void message, which has no fields."""
    for _ in scan(data, start, stop):
        pass


def read_state_keys(data: bytes, start: int, stop: int) -> tuple[bytes, ...]:
    """Read a StateKeys message."""
    keys = []
    for tag, a, b in scan(data, start, stop):
        if tag == 1 << 3 | 2:
            keys.append(data[a:b])
        else:
            skip(tag, (1,))
    return tuple(keys)


def set_state_keys(number: int, keys: Iterable[bytes] | None) -> bytes:
    """Write a field that holds StateKeys; no keys are present, None is absent."""
    return b"" if keys is None else set_bytes(number, b"".join(set_bytes(1, k) for k in keys))


def read_workflow_target(data: bytes, start: int, stop: int) -> WorkflowTarget:
    """Read a WorkflowTarget message."""
    target = WorkflowTarget("", "")
    for tag, a, b in scan(data, start, stop):
        if tag == 1 << 3 | 2:
            target.workflow_name = read_text(data, a, b)
        elif tag == 2 << 3 | 2:
            target.workflow_key = read_text(data, a, b)
        elif tag == 3 << 3 | 2:
            target.scope = read_text(data, a, b)
        else:
            skip(tag, (1, 2, 3))
    return target


def write_workflow_target(target: WorkflowTarget) -> bytes:
    """Write a WorkflowTarget message."""
    return (
        put_text(1, target.workflow_name)
        + put_text(2, target.workflow_key)
        + set_text(3, target.scope)
    )


def read_idempotent_target(data: bytes, start: int, stop: int) -> IdempotentRequestTarget:
    """Read an IdempotentRequestTarget message."""
    target = IdempotentRequestTarget("", "", "")
    for tag, a, b in scan(data, start, stop):
        if tag == 1 << 3 | 2:
            target.service_name = read_text(data, a, b)
        elif tag == 2 << 3 | 2:
            target.service_key = read_text(data, a, b)
        elif tag == 3 << 3 | 2:
            target.handler_name = read_text(data, a, b)
        elif tag == 4 << 3 | 2:
            target.idempotency_key = read_text(data, a, b)
        elif tag == 5 << 3 | 2:
            target.scope = read_text(data, a, b)
        else:
            skip(tag, (1, 2, 3, 4, 5))
    return target


def write_idempotent_target(target: IdempotentRequestTarget) -> bytes:
    """Write an IdempotentRequestTarget message."""
    return (
        put_text(1, target.service_name)
        + set_text(2, target.service_key)
        + put_text(3, target.handler_name)
        + put_text(4, target.idempotency_key)
        + set_text(5, target.scope)
    )
