"""What a client asks and what it reads from answers; knows no sockets."""

import re
import sys
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import Any, Final, Generic, Literal, TypeAlias, TypedDict, TypeVar
from urllib.parse import quote

import msgspec

from perdure.definitions import HandlerRef, target_of
from perdure.durations import delta_ms
from perdure.errors import BadValue, NotReady, RequestRefused, Terminal
from perdure.misuse import misuse
from perdure.serde import ANY, BYTES, BYTES_TYPE, JSON_TYPE, Serde, serde_for

T = TypeVar("T")

Status = Literal["unknown", "running", "succeeded", "failed"]
Named: TypeAlias = Mapping[str, str]
"""What names an invocation in the body of a request."""

_HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_LINE_END: Final = re.compile(r"[\r\n\0]")
_SOURCE: Final = "x-restate-error-source"
LIMIT_KEY: Final = "x-restate-limit-key"
_NOT_READY: Final = 470
_JSON_KINDS: Final = (JSON_TYPE, "+json")


class CallFields(TypedDict, total=False):
    """The keywords of calls. `timeout`, a timedelta or seconds, ends the waiting, not the work;
    `scope` and `limit_key` are for servers with flow control."""

    key: str
    idempotency_key: str
    headers: Mapping[str, str]
    timeout: timedelta | float | None
    scope: str
    limit_key: str


class SendFields(CallFields, total=False):
    """The keywords of sends; the work begins after `delay`."""

    delay: timedelta


@dataclass(slots=True)
class Request:
    """A request to a server. `is_safe`: to make it twice is as good as once."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes = b""
    is_safe: bool = True
    to_admin: bool = False


@dataclass(slots=True)
class Response:
    """An answer; names of headers are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(slots=True)
class Asked(Generic[T]):
    """A request with what its result is read by."""

    request: Request
    serde: Serde[T] | None

    def read(self, response: Response) -> T:
        return read_result(response, self.serde)


def call_request(
    target: Any,
    arg: Any,
    fields: CallFields,
    returns: Any,
    retries: bool,
    send: bool = False,
    delay: timedelta | None = None,
) -> Asked[Any]:
    """Return the request of a call, or of a send."""
    found = target_of(target)
    ref = found if isinstance(found, HandlerRef) else None
    unknown = fields.keys() - SendFields.__annotations__.keys()
    if unknown:
        raise TypeError(f"a call takes no {', '.join(map(repr, sorted(unknown)))}")
    path = path_of(_place(found, fields.get("key")), send, fields.get("scope"), delay)
    headers = dict(fields.get("headers") or {})
    for name, value in headers.items():
        _check_header(name, value)
    body = _body(ref, arg, headers)
    is_run = ref is not None and ref.kind == "workflow"
    key = fields.get("idempotency_key")
    if key is not None:
        _check_text(key, "an idempotency key")
    if is_run and key is not None:
        raise misuse("a workflow runs once for its key: it takes no idempotency key")
    if key is None and retries and ref is not None and not is_run:
        key = str(uuid.uuid4())  # a request that is made again finds the first one's work
    if key is not None:
        headers["idempotency-key"] = key
    if "limit_key" in fields:
        headers[LIMIT_KEY] = fields["limit_key"]
    carry_trace(headers)
    request = Request("POST", path, headers, body, is_safe=key is not None)
    return Asked(request, serde_of(target, returns))


def send_request(
    target: Any, arg: Any, fields: SendFields, returns: Any, retries: bool
) -> Asked[Any]:
    """Return the request of a send; it answers with an id, its result is read by the serde."""
    delay = fields.get("delay")
    asked = call_request(target, arg, fields, returns, retries, send=True, delay=delay)
    ref = target_of(target)
    if isinstance(ref, HandlerRef) and ref.kind == "workflow":
        asked.request.is_safe = True  # sent again it is accepted as the same
    return asked


def submit_request(run: Any, arg: Any, fields: SendFields) -> Asked[Any]:
    """Return the request that starts a workflow; made again it is accepted as the same."""
    asked = send_request(run, arg, fields, None, False)
    asked.request.is_safe = True
    return asked


def _check_text(value: Any, what: str) -> None:
    if not isinstance(value, str):
        raise misuse(f"{what} is text, not {value!r}")
    if not value:
        raise misuse(f"{what} is not empty")


def _check_header(name: Any, value: Any) -> None:
    if not isinstance(name, str) or not isinstance(value, str):
        raise misuse(f"headers are text, not {name!r}: {value!r}")
    if not _HEADER_NAME.fullmatch(name) or _LINE_END.search(value):
        raise misuse(f"HTTP has no header {name!r}: {value!r:.100}")


def seconds(timeout: timedelta | float | None) -> float | None:
    """Return a time limit in seconds."""
    if isinstance(timeout, timedelta):
        return timeout.total_seconds()
    if timeout is not None and (isinstance(timeout, bool) or not isinstance(timeout, int | float)):
        raise misuse(f"{timeout!r} is no duration: give a datetime.timedelta, or seconds")
    return timeout


def path_of(place: str, send: bool, scope: str | None, delay: timedelta | None) -> str:
    """Return the path of a call, or of a send, from the segments that name its handler."""
    if scope is not None:
        path = f"/restate/scope/{quote(scope, safe='')}/{'send' if send else 'call'}{place}"
    else:
        path = f"{place}/send" if send else place
    if send and delay is not None:
        path += f"?delay={delta_ms(delay)}ms"
    return path


@lru_cache(1024)
def segments(*parts: str | None) -> str:
    """Return a path of the parts that there are, each escaped."""
    return "".join("/" + quote(one, safe="") for one in parts if one is not None)


def _place(found: HandlerRef | tuple[str, str], key: str | None, last: str | None = None) -> str:
    """The segments that name a handler, and what is behind it."""
    if isinstance(found, HandlerRef):
        service, name = found.service, found.name
        if found.needs_key and key is None:
            raise misuse(f"{service}/{name} is a handler of a key: give key=")
        if not found.needs_key and key is not None:
            raise misuse(f"{service}/{name} is a handler of a service, which has no keys")
    else:
        service, name = found
    if key is not None:
        _check_text(key, "a key")
    return segments(service, key, name, last)


def _body(ref: HandlerRef | None, arg: Any, headers: dict[str, str]) -> bytes:
    if ref is not None:
        if not ref.takes_input:
            if arg is not None:
                raise misuse(f"{ref.service}/{ref.name} takes no argument")
            return b""
        serde: Serde[Any] = ref.input
    elif isinstance(arg, bytes):
        serde = BYTES
    else:
        serde = ANY
    body = serde.encode(arg)
    if serde.content_type is not None and (body or serde is not ANY):
        headers.setdefault("content-type", serde.content_type)
    return body


def carry_trace(headers: dict[str, str]) -> None:
    """Add the context of a trace, where the program traces by OpenTelemetry."""
    if "opentelemetry" not in sys.modules:
        return
    try:
        from opentelemetry.propagate import inject
    except ImportError:
        return
    inject(headers)


def read_request(place: str, what: Literal["attach", "output"]) -> Request:
    """Return the request for the result of an invocation, by what `place_of_id` or
    `place_of_key` says of it."""
    return Request("GET", f"/restate/invocation{place}/{what}", {})


def place_of_id(invocation_id: str) -> str:
    """Return where the invocation of an id is."""
    _check_text(invocation_id, "an invocation id")
    return f"/{quote(invocation_id, safe='')}"


def place_of_key(target: Any, key: str | None, idempotency_key: str) -> str:
    """Return where the invocation of a handler with an idempotency key is."""
    _check_text(idempotency_key, "an idempotency key")
    return _place(target_of(target), key, idempotency_key)


def named_by_key(target: Any, key: str | None, idempotency_key: str) -> Named:
    """Return what names the invocation of a handler with an idempotency key."""
    found = target_of(target)
    service, handler = (found.service, found.name) if isinstance(found, HandlerRef) else found
    named = {"target": "idempotentInvocation", "service": service, "handler": handler}
    named["idempotencyKey"] = idempotency_key
    return named if key is None else {**named, "key": key}


def workflow_named(name: str, key: str) -> Named:
    """Return what names the run of a workflow."""
    return {"target": "workflow", "workflowName": name, "workflowKey": key}


def lookup_request(named: Named) -> Request:
    """Return the request for the id of an invocation."""
    headers = {"content-type": JSON_TYPE}
    return Request("POST", "/restate/lookup", headers, msgspec.json.encode(named))


def serde_of(target: Any, returns: Any) -> Serde[Any] | None:
    """Return the serde of a handler's results; None where nothing says it."""
    if returns is not None:
        return serde_for(returns)
    ref = target_of(target)
    return ref.output if isinstance(ref, HandlerRef) else None


def workflow_request(name: str, key: str, what: Literal["attach", "output"]) -> Request:
    """Return the request for the result of a workflow."""
    path = f"/restate/workflow/{quote(name, safe='')}/{quote(key, safe='')}/{what}"
    return Request("GET", path, {})


def cancel_request(invocation_id: str) -> Request:
    """Return the request to cancel an invocation; it goes to the admin API."""
    path = f"/invocations/{quote(invocation_id, safe='')}/cancel"
    return Request("PATCH", path, {}, to_admin=True)


def resolve_request(awakeable_id: str, value: Any) -> Request:
    """Return the request that resolves an awakeable."""
    headers: dict[str, str] = {}
    body = _body(None, value, headers)
    path = f"/restate/awakeables/{quote(awakeable_id, safe='')}/resolve"
    return Request("POST", path, headers, body)


def reject_request(awakeable_id: str, reason: str) -> Request:
    """Return the request that rejects an awakeable."""
    path = f"/restate/awakeables/{quote(awakeable_id, safe='')}/reject"
    return Request("POST", path, {"content-type": "text/plain"}, reason.encode())


def read_result(response: Response, serde: Serde[T] | None) -> T:
    """Return the value of an answer; raises Terminal for an invocation that failed, NotReady, and
    RequestRefused for a request that was not taken."""
    if response.status != 200:
        raise error_of(response)
    if serde is None:
        kind = response.headers.get("content-type", "").partition(";")[0].strip()
        raw = kind == BYTES_TYPE or not kind.endswith(_JSON_KINDS)
        found: Serde[Any] = BYTES if raw and response.body else ANY
        return found.decode(response.body)  # type: ignore[no-any-return]
    try:
        return serde.decode(response.body)
    except BadValue as error:
        raise BadValue(f"the result does not fit: {error}", error.path) from None


def read_sent(response: Response) -> tuple[str, bool]:
    """Return the id in the answer to a send, and whether there was no such invocation before."""
    if response.status not in (200, 202):
        raise error_of(response)
    sent = msgspec.json.decode(response.body)
    return str(sent["invocationId"]), sent.get("status") == "Accepted"


def read_invocation_id(response: Response) -> str:
    """Return the id in the answer to a lookup."""
    return read_sent(response)[0]


def read_status(response: Response) -> Status:
    """Return what the answer for an output says about an invocation."""
    if response.status == 200:
        return "succeeded"
    if response.status == _NOT_READY:
        return "running"
    if response.headers.get(_SOURCE) == "invocation":
        return "failed"
    if response.status == 404:
        return "unknown"
    raise error_of(response)


def read_nothing(response: Response) -> None:
    """Raise what an answer without content reports."""
    if not 200 <= response.status < 300:
        raise error_of(response)


def error_of(response: Response) -> Exception:
    """Return what an answer that is none reports."""
    try:
        said: Any = msgspec.json.decode(response.body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        said = None
    if not isinstance(said, dict):
        said = {"message": response.body[:1000].decode("utf-8", "replace")}
    message = str(said.get("message", ""))
    if response.headers.get(_SOURCE) == "invocation":
        code = said.get("code")
        metadata = said.get("metadata")
        return Terminal(
            message,
            code if isinstance(code, int) else response.status,
            metadata if isinstance(metadata, dict) else None,
        )
    if response.status == _NOT_READY:
        return NotReady(message or "there is no result yet")
    return RequestRefused(response.status, message)
