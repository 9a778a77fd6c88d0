"""Request headers and query: what the door itself reads, and what goes on to the handler."""

from itertools import chain
from urllib.parse import parse_qsl

import msgspec

from orchestrator.door.delays import read_delay_ms
from orchestrator.door.headers import NO_TRACE, trace_of
from orchestrator.door.refusals import RefusalCode, Refused
from orchestrator.door.targets import check_scope

AROUND_BYTES = 4
"""Of a header line beside name and value: the colon, a space, the end of the line."""

RawHeaders = list[tuple[bytes, bytes]]
"""Name and value of each header line, names in lower case."""

# Hop by hop, or meant for the ingress; all other headers go to the handler.
_KEPT_BACK = frozenset((b"connection", b"host", b"idempotency-key", b"idempotency-expires"))
# Set by the server alone: a handler may trust them.
_RESERVED = (b"x-restate-", b"x-perdure-", b"perdure-")
_LIMIT_KEY = b"x-restate-limit-key"

# These go to the handler, too, but mean something here.
_MEANT = frozenset(("content-type", "traceparent", "tracestate"))


class CallHeaders(msgspec.Struct, gc=False):
    """Headers of a call: the handler's, and those that mean something here."""

    forwarded: tuple[tuple[str, str], ...]
    content_type: str | None
    idempotency_key: str | None
    trace: tuple[str, str]


# A client sends the same headers with each of its requests: what they mean is kept, of this many.
_KNOWN_MAX = 256
_KNOWN_BYTES_MAX = 1024  # of one request; larger ones are read each time
_known: dict[tuple[tuple[bytes, bytes], ...], CallHeaders] = {}


def read_headers(headers: RawHeaders, path: bytes) -> CallHeaders:
    """Sort the headers of a call; names come in lower case."""
    raw = tuple(headers)
    found = _known.get(raw)
    if found is None:
        found = _sort(headers)
        # What names one request comes once.
        if found.idempotency_key is None and found.trace is NO_TRACE:
            _keep(raw, found)
    forwarded = (*found.forwarded, ("x-restate-ingress-path", _text(path)))
    return CallHeaders(forwarded, found.content_type, found.idempotency_key, found.trace)


def _keep(raw: tuple[tuple[bytes, bytes], ...], found: CallHeaders) -> None:
    if sum(map(len, chain.from_iterable(raw))) <= _KNOWN_BYTES_MAX:
        if len(_known) >= _KNOWN_MAX:
            _known.clear()
        _known[raw] = found


def _sort(headers: RawHeaders) -> CallHeaders:
    forwarded: list[tuple[str, str]] = []
    content_type = idempotency_key = None
    traceparent = tracestate = ""
    for raw_name, raw_value in headers:
        value = _text(raw_value)
        if raw_name in _KEPT_BACK:
            if raw_name == b"idempotency-key":
                idempotency_key = value
            continue
        if raw_name.startswith(_RESERVED):
            if raw_name == _LIMIT_KEY:
                check_scope(None, value)
            continue
        name = raw_name.decode("latin-1")
        forwarded.append((name, value))
        if name not in _MEANT:
            continue
        if name == "content-type":
            content_type = value
        elif name == "traceparent":
            traceparent = value
        elif name == "tracestate":
            tracestate = value
    trace = trace_of(traceparent, tracestate) if traceparent else NO_TRACE
    return CallHeaders(tuple(forwarded), content_type, idempotency_key, trace)


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


def query_delay_ms(query: bytes, send: bool) -> int:
    """The `delay` of a query in ms, 0 without one. Other parameters mean nothing here."""
    delay_ms = 0
    # What cannot be decoded is replaced: a delay does not parse then, and the rest is not ours.
    for raw_name, value in parse_qsl(query.decode("utf-8", "replace"), keep_blank_values=True):
        name = raw_name.lower()
        if name == "limit-key":
            check_scope(None, value)
        elif name == "delay":
            if not send:
                message = "a delay is only for sends: add /send to the path"
                raise Refused(RefusalCode.BAD_DELAY, message)
            delay_ms = read_delay_ms(value)
    return delay_ms
