"""Calls and sends: a checked request becomes an Invoke record."""

import msgspec
from msgspec.structs import replace

from orchestrator.door.delays import start_at_ms
from orchestrator.door.invocations import check_input, invocation_id_for, is_named, make_invoke
from orchestrator.door.keys import check_idempotency_key
from orchestrator.door.sends import SEND_HANDLER, read_send, send_or_refusal, with_request
from orchestrator.ingress import replies
from orchestrator.ingress.exchange import PendingRequest
from orchestrator.ingress.headers import query_delay_ms, read_headers
from orchestrator.ingress.options import IngressOptions
from orchestrator.ingress.rereads import is_large, read_again
from orchestrator.ingress.targets import CallRoute
from orchestrator.model.ids import send_partition_key
from orchestrator.model.invoke import Invoke
from orchestrator.model.values import CODE_CONFLICT, WORKFLOW_RUN
from orchestrator.processor.port import Accepted, Engine, Reply, Result, Unavailable
from orchestrator.registry.schema import Handler, Registry
from orchestrator.runtime.clock import Clock
from perdure.wire.ids import invocation_id_to_str


def start_call(
    exchange: PendingRequest,
    target: CallRoute,
    path: bytes,
    query: bytes,
    engine: Engine,
    clock: Clock,
    options: IngressOptions,
    registry: Registry,
) -> None:
    """Check, append, and answer when the engine does."""
    handler = target.handler
    headers = read_headers(exchange.headers, path)
    idempotency_key = headers.idempotency_key
    if idempotency_key is not None:
        check_idempotency_key(handler, idempotency_key)
    check_input(handler.input, headers.content_type, not exchange.body)
    delay_ms = query_delay_ms(query, target.send) if query else 0
    now_ms = clock.now_ms()
    invoke = make_invoke(
        handler,
        invocation_id_for(handler, target.key, idempotency_key, engine.new_id),
        target.key,
        exchange.body,
        headers.forwarded,
        now_ms,
        idempotency_key=idempotency_key,
        start_at_ms=start_at_ms(now_ms + delay_ms, now_ms) if delay_ms else 0,
        trace=headers.trace,
    )
    if handler is SEND_HANDLER:
        invoke = _placed_send(invoke, not target.send, registry, engine, options.cluster)
    waiting = _Waiting(exchange, handler, engine, invoke.id, invoke.start_at_ms, options)
    exchange.pending_id = invoke.id
    exchange.repeatable = is_named(handler, idempotency_key)
    if target.send:
        on_reply = waiting.sent
    else:
        on_reply, exchange.service = waiting.called, handler.service
    exchange.forget = engine.invoke(invoke, not target.send, on_reply)
    exchange.release()


def _placed_send(
    invoke: Invoke, awaited: bool, registry: Registry, engine: Engine, cluster: str
) -> Invoke:
    """A `Kafka/send`; those of one key go out in one order, whoever sends them over HTTP. A bad
    one that nobody waits for becomes a dead letter."""
    read = read_send if awaited else send_or_refusal
    request = read(invoke.body, registry, cluster, awaited)
    place = send_partition_key(request.cluster, request.topic, request.key)
    if place is not None and invoke.idempotency_key is None:
        invoke = replace(invoke, id=place + engine.new_id()[8:])
    return with_request(invoke, request)


class _Waiting(msgspec.Struct, eq=False):
    """A client that waits for the engine's answer."""

    exchange: PendingRequest
    handler: Handler
    engine: Engine
    invocation_id: bytes
    start_at_ms: int
    options: IngressOptions

    def sent(self, reply: Reply) -> None:
        """A send is answered once it is in the log."""
        if isinstance(reply, Accepted):
            id_text = invocation_id_to_str(self.invocation_id)
            at_ms = self.start_at_ms if reply.created else reply.start_at_ms
            self.exchange.respond(replies.sent(id_text, reply.created, at_ms))
        elif isinstance(reply, Unavailable):
            self._unavailable(reply)

    def called(self, reply: Reply) -> None:
        """A call is answered with its result; a workflow runs once."""
        if isinstance(reply, Result):
            id_text = invocation_id_to_str(self.invocation_id) if self.exchange.wants_id else ""
            expires_at_ms = reply.expires_at_ms if reply.replayed else 0
            again = None
            if is_large(reply.outcome):
                again = read_again(self.engine, self.invocation_id, reply)
            self.exchange.respond(
                replies.result(reply.outcome, reply.output, id_text, expires_at_ms, again)
            )
        elif isinstance(reply, Accepted):
            if not reply.created and self.handler.kind == WORKFLOW_RUN:
                self._already_run()
        elif isinstance(reply, Unavailable):
            self._unavailable(reply)
        else:
            # Sent again it could begin anew, whatever it is called by.
            self._unknown_fate("its result is not kept any more")

    def _already_run(self) -> None:
        forget = self.exchange.forget
        if forget is not None:
            forget()
        id_text = invocation_id_to_str(self.invocation_id)
        attach = f"GET /restate/invocation/{id_text}/attach waits for its result"
        message = f"the workflow method was already invoked for this key: {attach}"
        self.exchange.respond(replies.failure_reply(CODE_CONFLICT, message, id_text))

    def _unavailable(self, reply: Unavailable) -> None:
        if not reply.kept:
            self.exchange.respond(
                replies.unavailable_reply(reply.reason, self.options.retry_after_s)
            )
        elif self.exchange.repeatable:
            id_text = invocation_id_to_str(self.invocation_id)
            retry_after_s = self.options.retry_after_s
            self.exchange.respond(replies.ask_again(reply.reason, retry_after_s, id_text))
        else:
            self._unknown_fate(reply.reason)

    def _unknown_fate(self, reason: str) -> None:
        id_text = invocation_id_to_str(self.invocation_id)
        self.exchange.respond(replies.unknown_fate(reason, id_text))
