"""Headers that travel with an invocation: their limits, and the trace context among them."""

import re

from orchestrator.door.refusals import RefusalCode, Refused
from orchestrator.model.limits import HEADER_COUNT_MAX, HEADERS_BYTES_MAX, TRACESTATE_BYTES_MAX

Headers = tuple[tuple[str, str], ...]

NO_TRACE = ("", "")
_TRACEPARENT = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
)
_PRINTABLE = re.compile(r"[\x20-\x7e]*")


def check_headers(headers: Headers) -> None:
    """Raises Refused for more or longer ones than are kept with an invocation."""
    if len(headers) > HEADER_COUNT_MAX:
        message = f"there may be at most {HEADER_COUNT_MAX} headers"
        raise Refused(RefusalCode.BAD_HEADERS, message)
    chars = sum([len(name) + len(value) for name, value in headers])
    if chars <= HEADERS_BYTES_MAX // 4:
        return
    if sum(len(name.encode()) + len(value.encode()) for name, value in headers) > HEADERS_BYTES_MAX:
        message = f"the headers may have at most {HEADERS_BYTES_MAX} bytes"
        raise Refused(RefusalCode.BAD_HEADERS, message)


def trace_of(traceparent: str, tracestate: str) -> tuple[str, str]:
    """The trace context to go on with. It goes out as headers of every request below, so that one
    a service could refuse is dropped: a malformed parent, a state beyond what the standard
    promises to carry."""
    if not _TRACEPARENT.fullmatch(traceparent):
        return NO_TRACE
    if len(tracestate) > TRACESTATE_BYTES_MAX or not _PRINTABLE.fullmatch(tracestate):
        return (traceparent, "")
    return (traceparent, tracestate)
