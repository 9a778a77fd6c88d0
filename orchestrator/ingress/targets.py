"""From method and path to a route: what is asked of which target, or a refusal. Pure.

The path comes raw, so that an escaped slash stays within its key.
"""

import re
from urllib.parse import unquote_to_bytes

import msgspec

from orchestrator.door.keys import check_key
from orchestrator.door.refusals import Refusal, Refused
from orchestrator.door.targets import (
    NOT_SERVED,
    check_scope,
    find_public_handler,
    find_run,
    find_service,
    gone_call_id,
    idempotent_call_id,
    read_invocation_id,
    run_id,
)
from orchestrator.ingress.refusals import HttpRefused, allow
from orchestrator.model.ids import workflow_id
from orchestrator.registry.schema import Handler, Registry, ServiceType


class CallRoute(msgspec.Struct, frozen=True, gc=False):
    """Call a handler, or with `send` leave the work behind."""

    handler: Handler
    key: str
    send: bool


class ReadRoute(msgspec.Struct, frozen=True, gc=False):
    """Read a result, with `wait` as soon as there is one. `not_served`: what to say if there is
    none, since nobody serves the handler."""

    invocation_id: bytes
    wait: bool
    not_served: Refusal | None = None


class TargetRoute(msgspec.Struct, frozen=True, gc=False):
    """The target is in the body; `what` is attach, output or lookup."""

    what: str


class AwakeableRoute(msgspec.Struct, frozen=True, gc=False):
    """Resolve or reject an awakeable."""

    awakeable_id: str
    resolve: bool


class HealthRoute(msgspec.Struct, frozen=True, gc=False):
    """Whether the next call is answered."""


Route = CallRoute | ReadRoute | TargetRoute | AwakeableRoute | HealthRoute

_BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_GET_POST = (b"GET", b"POST")  # a HEAD must not call anything
_READ = (b"HEAD", b"GET")
_BELOW_RESTATE = "call, send, attach, output, lookup, invocation, workflow, awakeables and health"
_SHAPES = (
    "use /{service}/{handler}, /{service}/{key}/{handler}, and /send after either, "
    "or /restate/call/… and /restate/send/…"
)


class Routes:
    """Finds the route of a request, and remembers those of handlers without keys, four paths each,
    and the handlers with keys: as many as there are handlers."""

    __slots__ = ("_keyed", "_known", "_registry")

    def __init__(self) -> None:
        self._registry: Registry | None = None
        self._known: dict[bytes, CallRoute] = {}
        self._keyed: dict[tuple[bytes, bytes], Handler] = {}  # by service and handler

    def find(self, method: bytes, path: bytes, registry: Registry) -> Route:
        """The route of a request; raises Refused or HttpRefused."""
        if registry is not self._registry:
            self._registry = registry
            self._known, self._keyed = {}, {}
        if method not in _GET_POST or b"%" in path:
            return route_request(method, path, registry)
        known = self._known.get(path) or self._find_keyed(path)
        if known is not None:
            return known
        if path.startswith(b"//"):
            return self.find(method, _one_slash(path), registry)
        found = route_request(method, path, registry)
        if isinstance(found, CallRoute) and not path.endswith(b"/"):
            self._remember(path, found)
        return found

    def _find_keyed(self, path: bytes) -> CallRoute | None:
        """`/{service}/{key}/{handler}`, with or without `/send`, of a handler that was called."""
        parts = path.split(b"/")
        count = len(parts)
        if count != 4 and (count != 5 or parts[4] != b"send"):
            return None
        handler = self._keyed.get((parts[1], parts[3]))
        if handler is None or not parts[2]:
            return None
        try:
            key = parts[2].decode()
        except UnicodeDecodeError:
            return None
        return CallRoute(handler, check_key(key), count == 5)

    def _remember(self, path: bytes, found: CallRoute) -> None:
        handler = found.handler
        if not handler.keyed:
            self._known[path] = found
            return
        names = (handler.service.encode(), handler.name.encode())
        parts = path.split(b"/")
        if len(parts) == 4 and (parts[1], parts[3]) == names and names[0] != b"restate":
            self._keyed[names] = handler


def route_request(method: bytes, path: bytes, registry: Registry) -> Route:
    """The route of a request; raises Refused or HttpRefused."""
    segments = _segments(_one_slash(path))
    if segments[0] == "restate":
        return _restate(method, segments[1:], registry)
    if segments[0].lower() == "openapi":
        raise HttpRefused(
            404,
            "not found: the admin port has the OpenAPI documents, at /services/{service}/openapi",
        )
    if len(segments) < 2:
        raise HttpRefused(400, f"bad path {_shown(path)}: {_SHAPES}")
    _allow(method, _GET_POST)
    return _call(segments, registry, None)


def _one_slash(path: bytes) -> bytes:
    """A base URL that ends in a slash makes two of them."""
    return b"/" + path.lstrip(b"/") if path.startswith(b"//") else path


def _segments(path: bytes) -> list[str]:
    if path.endswith(b"/"):
        path = path[:-1]
    raw = path.split(b"/")
    if raw[0] or len(raw) < 2 or len(raw) > 10:
        raise HttpRefused(400, f"bad path {_shown(path)}: {_SHAPES}")
    try:
        if b"%" not in path:
            return path[1:].decode().split("/")
        if _BAD_ESCAPE.search(path):
            raise HttpRefused(400, "bad path: a % must be followed by two hexadecimal digits")
        return [unquote_to_bytes(segment).decode() for segment in raw[1:]]
    except UnicodeDecodeError:
        raise HttpRefused(400, "bad path: it is not valid UTF-8 once decoded") from None


def _shown(path: bytes) -> str:
    return repr((path or b"/")[:100].decode("utf-8", "replace"))


def _allow(method: bytes, methods: tuple[bytes, ...]) -> None:
    if method not in methods:
        raise HttpRefused(405, *allow(methods))


def _restate(method: bytes, segments: list[str], registry: Registry) -> Route:
    """Everything below /restate."""
    head = segments[0] if segments else ""
    rest = segments[1:]
    if head in ("call", "send"):
        _allow(method, _GET_POST)
        return _call(rest, registry, head == "send")
    if head == "health" and not rest:
        _allow(method, _READ)
        return HealthRoute()
    if head in ("attach", "output", "lookup"):
        return _explicit_read(method, head, rest)
    if head == "invocation":
        return _classic_read(method, rest, registry)
    if head == "workflow":
        return _workflow_read(method, rest, registry)
    if head in ("awakeables", "a"):
        return _awakeable(method, rest)
    if head == "scope":
        check_scope(rest[0] if rest else "")
    raise HttpRefused(404, f"not found: /restate/{head[:100]}; there are {_BELOW_RESTATE}")


def _explicit_read(method: bytes, what: str, rest: list[str]) -> Route:
    if not rest:
        _allow(method, (b"POST",))
        return TargetRoute(what)
    if what == "lookup" or len(rest) != 1:
        raise HttpRefused(404, f"not found: /restate/{what} takes its target in the body")
    _allow(method, _READ)
    return ReadRoute(read_invocation_id(rest[0]), what == "attach")


def _classic_read(method: bytes, rest: list[str], registry: Registry) -> Route:
    """By id, or by service, key, handler and idempotency key; attach or output last."""
    wait = _wait_of(rest, "/restate/invocation/{id}/attach")
    _allow(method, _READ)
    target = rest[:-1]
    if len(target) == 1:
        return ReadRoute(read_invocation_id(target[0]), wait)
    if len(target) not in (3, 4):
        raise HttpRefused(
            400, "bad path: name service, key (if it has keys), handler, idempotency key"
        )
    key = target[1] if len(target) == 4 else None
    return read_idempotent(registry, target[0], key, target[-2], target[-1], wait)


def _workflow_read(method: bytes, rest: list[str], registry: Registry) -> Route:
    wait = _wait_of(rest, "/restate/workflow/{name}/{key}/attach")
    _allow(method, _READ)
    if len(rest) != 3:
        raise HttpRefused(400, "bad path: use /restate/workflow/{name}/{key}/attach or /output")
    return read_workflow(registry, rest[0], rest[1], wait)


def _wait_of(rest: list[str], shape: str) -> bool:
    last = rest[-1] if len(rest) > 1 else ""
    if last not in ("attach", "output"):
        raise HttpRefused(404, f"not found: use {shape} or /output")
    return last == "attach"


def _awakeable(method: bytes, rest: list[str]) -> Route:
    if len(rest) != 2 or rest[1] not in ("resolve", "reject"):
        raise HttpRefused(404, "not found: use /restate/awakeables/{id}/resolve or /reject")
    _allow(method, (b"POST",))
    return AwakeableRoute(rest[0], rest[1] == "resolve")


def _call(segments: list[str], registry: Registry, send: bool | None) -> CallRoute:
    """`send` None: the classic form, where a last segment `send` says so."""
    service_name = segments[0] if segments else ""
    keyed = find_service(registry, service_name).ty != ServiceType.SERVICE
    names = 3 if keyed else 2
    if send is None and len(segments) == names + 1 and segments[-1] == "send":
        send = True
        del segments[-1]
    if len(segments) != names:
        shape = "{service}/{key}/{handler}" if keyed else "{service}/{handler}"
        raise HttpRefused(400, f"bad path: {service_name!r} is called by {shape}")
    handler = find_public_handler(registry, service_name, segments[-1])
    return CallRoute(handler, check_key(segments[1]) if keyed else "", bool(send))


def read_idempotent(
    registry: Registry, service: str, key: str | None, name: str, idempotency_key: str, wait: bool
) -> ReadRoute:
    """The invocation an idempotency key stands for."""
    try:
        handler = find_public_handler(registry, service, name)
    except Refused as refused:
        if refused.refusal.code not in NOT_SERVED:
            raise
        gone_id = gone_call_id(service, key, name, idempotency_key)
        return ReadRoute(gone_id, wait, refused.refusal)
    return ReadRoute(idempotent_call_id(handler, key, idempotency_key), wait)


def read_workflow(registry: Registry, name: str, key: str, wait: bool) -> ReadRoute:
    """The run of a workflow key."""
    try:
        run = find_run(registry, name)
    except Refused as refused:
        if refused.refusal.code not in NOT_SERVED:
            raise
        return ReadRoute(workflow_id(name, check_key(key)), wait, refused.refusal)
    return ReadRoute(run_id(run, key), wait)
