"""The first messages of an attempt, Start and Input: as bytes, put together with few steps, and
as objects for an app of this process.

Each attempt needs them, and most of their fields are nearly always absent: what is common is
written here at once, the rest is left to `perdure.wire`, whose bytes these are (a test holds it).
"""

from struct import Struct
from typing import Final

from orchestrator.invoker.port import AttemptInput
from orchestrator.model.ids import random_seed
from orchestrator.model.invoke import Invoke
from perdure import wire
from perdure.wire import codes as code
from perdure.wire.ids import INVOCATION_ID_CHARS
from perdure.wire.proto3 import put_bytes, set_bytes, varint
from perdure.wire.values import put_pairs

_header: Final = Struct(">HHI").pack
_DEBUG_ID: Final = b"\x12" + varint(INVOCATION_ID_CHARS)
_PATH: Final = "x-restate-ingress-path"
_COPIED_BYTES_MAX: Final = 64 * 1024
_PAIRS_MAX: Final = 4096
_pairs: Final[dict[tuple[str, str], bytes]] = {}
_FIELDS_MAX: Final = 512
_fields: Final[dict[tuple[tuple[str, str], ...], bytes]] = {}


def _input(start: bytes, invoke: Invoke) -> list[bytes]:
    """The Input command after `start`. A large body is not copied."""
    body, headers = invoke.body, invoke.headers
    fields = _fields.get(headers)
    if fields is None:
        fields = _header_fields(headers, bool(invoke.key))
    length = len(body)
    value = b"\x0a" + varint(length) if length else b""
    wrapped = b"\x72" + varint(len(value) + length) + value
    header = _header(code.INPUT, 0, len(fields) + len(wrapped) + length)
    if length > _COPIED_BYTES_MAX:
        return [b"".join((start, header, fields, wrapped)), body]
    return [b"".join((start, header, fields, wrapped, body))]


def _header_fields(headers: tuple[tuple[str, str], ...], keyed: bool) -> bytes:
    """Headers repeat from request to request: the bytes of each are kept, but for a path with the
    key of an object in it, and those of all together if each was known."""
    parts = []
    repeat = not keyed
    for pair in headers:
        part = _pairs.get(pair)
        if part is None:
            repeat = False
            part = put_pairs(1, (pair,))
            if len(part) <= 128 and not (keyed and pair[0] == _PATH):
                if len(_pairs) >= _PAIRS_MAX:
                    _pairs.clear()
                _pairs[pair] = part
        parts.append(part)
    fields = b"".join(parts)
    if repeat and len(fields) <= 1024:
        if len(_fields) >= _FIELDS_MAX:
            _fields.clear()
        _fields[headers] = fields
    return fields


def _failing_ms(given: AttemptInput, now_ms: int) -> int:
    """How long what follows the last entry has been tried without success."""
    return max(0, now_ms - given.trying_since_ms) if given.failures_since_entry else 0


def opening(
    given: AttemptInput,
    protocol: int,
    debug_id: str,
    state: list[tuple[bytes, bytes]],
    partial: bool,
    now_ms: int,
) -> list[bytes]:
    """Start and Input of an attempt, as bytes to send one after the other."""
    invoke = given.invoke
    seed = invoke.seed or random_seed(invoke.id)
    failing_ms = _failing_ms(given, now_ms)
    if given.failures_since_entry or invoke.idempotency_key is not None:
        start = wire.start_message(
            protocol,
            invoke.id,
            debug_id,
            given.entries,
            state=state,
            partial_state=partial,
            key=invoke.key,
            retry_count=given.failures_since_entry,
            retry_duration_ms=failing_ms,
            random_seed=seed,
            idempotency_key=invoke.idempotency_key,
        )
        return _input(start, invoke)
    entries = given.entries
    key = invoke.key.encode()
    payload = b"".join(
        (
            b"\x0a\x18",
            invoke.id,
            _DEBUG_ID,
            debug_id.encode(),
            b"\x18\x01" if entries == 1 else b"\x18" + varint(entries),
            b"".join([set_bytes(4, put_bytes(1, k) + put_bytes(2, v)) for k, v in state])
            if state
            else b"",
            b"\x28\x01" if partial else b"",
            b"\x32" + varint(len(key)) + key if key else b"",
            b"\x48" + varint(seed) if protocol >= 6 else b"",
        )
    )
    start = _header(code.START, 0, len(payload)) + payload
    return _input(start, invoke)


def opening_objects(
    given: AttemptInput,
    protocol: int,
    state: list[tuple[bytes, bytes]],
    partial: bool,
    now_ms: int,
) -> tuple[wire.Start, wire.InputCommand]:
    """What `opening` writes, as it is read on the other side, but for the id as a text: who wants
    it makes it."""
    invoke = given.invoke
    start = wire.Start(
        invoke.id,
        "",
        given.entries,
        tuple(state),
        partial,
        invoke.key,
        given.failures_since_entry,
        _failing_ms(given, now_ms),
        invoke.seed or random_seed(invoke.id) if protocol >= 6 else 0,
        None,
        None,
        invoke.idempotency_key if protocol >= 7 else None,
    )
    return start, wire.InputCommand(invoke.headers, invoke.body)
