"""The ingress itself: a request becomes a record or a read of the engine, and its answer."""

import logging
from collections.abc import Callable
from typing import Final, Protocol, assert_never

from orchestrator.door.refusals import Refused
from orchestrator.ingress import replies
from orchestrator.ingress.awakeables import complete_awakeable
from orchestrator.ingress.bodies import read_target
from orchestrator.ingress.calls import start_call
from orchestrator.ingress.cors import Cors, preflight_lines
from orchestrator.ingress.exchange import PendingRequest
from orchestrator.ingress.options import IngressOptions
from orchestrator.ingress.reads import ATTACHED, start_read
from orchestrator.ingress.refusals import HttpRefused
from orchestrator.ingress.targets import (
    AwakeableRoute,
    CallRoute,
    HealthRoute,
    ReadRoute,
    Routes,
    TargetRoute,
)
from orchestrator.processor.port import Engine
from orchestrator.registry.schema import Registry
from orchestrator.runtime.clock import Clock
from perdure.wire.ids import invocation_id_to_str

_log = logging.getLogger("perdure.ingress")
_URL_BYTES: Final = 200


class Gate(Protocol):
    """Says "", or a reason for the caller. What one partition cannot take, the engine refuses."""

    def closed(self) -> str:
        """Why all requests are refused, "" if they are not."""
        ...

    def unready(self) -> str:
        """Why the next call may not be answered."""
        ...


class Ingress:
    """Handles one exchange after the other; free of any transport."""

    def __init__(
        self,
        engine: Engine,
        registry: Callable[[], Registry],
        clock: Clock,
        gate: Gate,
        options: IngressOptions,
    ) -> None:
        self._engine = engine
        self._registry = registry
        self._clock = clock
        self._gate = gate
        self._options = options
        self._cors = Cors(options.cors_origins)
        self._routes = Routes()

    def handle(self, exchange: PendingRequest, crowded: frozenset[str] = frozenset()) -> None:
        """Answer now, or later through `exchange.respond`. No more callers may wait for services
        that are `crowded`."""
        try:
            self._handle(exchange, crowded)
        except Refused as refused:
            _tell(exchange, refused.refusal.message)
            exchange.respond(replies.refusal_reply(refused.refusal))
        except HttpRefused as refused:
            _tell(exchange, refused.message)
            exchange.respond(replies.refused(refused.status, refused.message, refused.headers))

    def _handle(self, exchange: PendingRequest, crowded: frozenset[str]) -> None:
        if not self._cors.is_open:
            exchange.cors = self._cors.allowed(exchange.headers)
        if exchange.method == b"OPTIONS":
            exchange.respond(replies.preflight(preflight_lines(exchange.headers)))
            return
        url = exchange.url
        if url[:1] != b"/":
            url = _origin_form(url)
        path, _, query = url.partition(b"?")
        # Before anything is looked up: a server whose metadata are not complete must not answer
        # 404.
        closed = self._gate.closed()
        if closed:
            self._unavailable(exchange, closed)
            return
        registry = self._registry()
        found = self._routes.find(exchange.method, path, registry)
        if isinstance(found, CallRoute):
            if crowded and not found.send and found.handler.service in crowded:
                self._crowded(exchange, f"the service {found.handler.service}")
                return
            start_call(
                exchange, found, path, query, self._engine, self._clock, self._options, registry
            )
        else:
            self._handle_rest(exchange, found, registry, crowded)

    def _handle_rest(
        self,
        exchange: PendingRequest,
        found: ReadRoute | TargetRoute | AwakeableRoute | HealthRoute,
        registry: Registry,
        crowded: frozenset[str],
    ) -> None:
        match found:
            case HealthRoute():
                unready = self._gate.unready()
                if unready:
                    self._unavailable(exchange, unready)
                else:
                    exchange.respond(replies.healthy(list(registry.services)))
            case ReadRoute():
                self._read(exchange, found, crowded)
            case TargetRoute():
                target = read_target(exchange.body, registry, found.what == "attach")
                if found.what == "lookup":
                    id_text = invocation_id_to_str(target.invocation_id)
                    exchange.respond(replies.looked_up(id_text))
                else:
                    self._read(exchange, target, crowded)
            case AwakeableRoute():
                complete_awakeable(exchange, found, self._engine, self._clock, self._options)
            case _:
                assert_never(found)

    def _read(self, exchange: PendingRequest, target: ReadRoute, crowded: frozenset[str]) -> None:
        if target.wait and ATTACHED in crowded:
            self._crowded(exchange, "results of invocations")
        else:
            start_read(exchange, target, self._engine, self._options)

    def _crowded(self, exchange: PendingRequest, waited_for: str) -> None:
        exchange.respond(replies.too_many(self._options.retry_after_s, waited_for))

    def _unavailable(self, exchange: PendingRequest, reason: str) -> None:
        exchange.respond(replies.unavailable_reply(reason, self._options.retry_after_s))

    def abandon(self, exchange: PendingRequest) -> None:
        """The server ends while a client waits: its invocation goes on elsewhere or later."""
        pending_id = exchange.pending_id
        forget, exchange.forget = exchange.forget, None
        if forget is not None:
            forget()
        if pending_id and exchange.repeatable:
            id_text = invocation_id_to_str(pending_id)
            reason = "this server is shutting down"
            exchange.respond(replies.ask_again(reason, self._options.retry_after_s, id_text))
        elif pending_id:
            reason = "this server is shutting down; the invocation goes on"
            exchange.respond(replies.unknown_fate(reason, invocation_id_to_str(pending_id)))
        else:
            reason = "this server is shutting down"
            exchange.respond(replies.unavailable_reply(reason, self._options.retry_after_s))


def _tell(exchange: PendingRequest, why: str) -> None:
    """At debug: a caller that is refused is told why, an operator wants to see it too."""
    if _log.isEnabledFor(logging.DEBUG):
        _log.debug("refused: %r %r: %s", exchange.method, exchange.url[:_URL_BYTES], why)


def _origin_form(url: bytes) -> bytes:
    """The path and query of the request target of a proxy: `http://host/path`."""
    scheme, separator, rest = url.partition(b"://")
    if not separator or scheme.lower() not in (b"http", b"https"):
        raise HttpRefused(400, "bad path: it must start with /")
    slash = rest.find(b"/")
    return b"/" if slash < 0 else rest[slash:]
