"""Attach and output: reads of an invocation's result."""

from orchestrator.ingress import replies
from orchestrator.ingress.exchange import HttpReply as Answer
from orchestrator.ingress.exchange import PendingRequest
from orchestrator.ingress.options import IngressOptions
from orchestrator.ingress.rereads import is_large, read_again
from orchestrator.ingress.targets import ReadRoute
from orchestrator.model.values import CODE_NOT_FOUND
from orchestrator.processor.port import (
    Accepted,
    Engine,
    Found,
    NotReady,
    Reply,
    Result,
    Unavailable,
    Unknown,
)
from orchestrator.registry.schema import Handler, OutputRules, Registry
from perdure.wire.ids import invocation_id_to_str

_DEFAULT_OUTPUT = OutputRules()


def start_read(
    exchange: PendingRequest,
    target: ReadRoute,
    engine: Engine,
    registry: Registry,
    options: IngressOptions,
) -> None:
    """Ask the engine; answer when it does."""
    invocation_id = target.invocation_id

    def on_reply(reply: Reply) -> None:
        if isinstance(reply, Result):
            _respond(exchange, target, reply, engine, registry)
        elif isinstance(reply, NotReady):
            exchange.respond(replies.refused(replies.NOT_READY, "the result is not ready yet"))
        elif isinstance(reply, Unknown):
            exchange.respond(_unknown(invocation_id, target.wait))
        elif isinstance(reply, Unavailable):
            exchange.respond(replies.unavailable_reply(reply.reason, options.retry_after_s))
        else:
            assert isinstance(reply, Accepted)  # not of a read; the result follows

    if target.wait:
        exchange.forget = engine.attach(invocation_id, on_reply)
    else:
        engine.output(invocation_id, on_reply)


def _respond(
    exchange: PendingRequest, target: ReadRoute, result: Result, engine: Engine, registry: Registry
) -> None:
    """With a result, labelled by the latest revision of its handler where that is known."""
    id_text = invocation_id_to_str(target.invocation_id)
    expires_at_ms = result.expires_at_ms if result.replayed else 0

    def respond(handler: Handler | None) -> None:
        output = _DEFAULT_OUTPUT if handler is None else handler.output
        again = None
        if is_large(result.outcome):
            again = read_again(engine, target.invocation_id, result)
        exchange.respond(replies.result(result.outcome, output, id_text, expires_at_ms, again))

    def on_found(found: Found) -> None:
        if isinstance(found, Unknown | Unavailable):  # the result is known all the same
            respond(None)
        else:
            respond(registry.handler(found.invoke.service, found.invoke.handler))

    if target.handler is not None:
        respond(target.handler)
    else:
        engine.find(target.invocation_id, on_found)


def _unknown(invocation_id: bytes, wait: bool) -> Answer:
    if wait:
        return replies.failure_reply(
            CODE_NOT_FOUND, "not found", invocation_id_to_str(invocation_id)
        )
    return replies.refused(CODE_NOT_FOUND, "invocation not found")
