"""Attach and output: reads of an invocation's result."""

from typing import Final

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
    NotReady,
    Reply,
    Result,
    Unavailable,
    Unknown,
)
from perdure.wire.ids import invocation_id_to_str

ATTACHED: Final = "(attached)"
"""Who waits by the id of an invocation counts as one who waits for this service."""

_WHY_NOT: Final = "nothing was called by this, or its result is not kept any more"


def start_read(
    exchange: PendingRequest, target: ReadRoute, engine: Engine, options: IngressOptions
) -> None:
    """Ask the engine; answer when it does."""
    invocation_id = target.invocation_id

    def on_reply(reply: Reply) -> None:
        if isinstance(reply, Result):
            exchange.respond(_result(target, reply, engine))
        elif isinstance(reply, NotReady):
            exchange.respond(replies.refused(replies.NOT_READY, "the result is not ready yet"))
        elif isinstance(reply, Unknown):
            exchange.respond(_unknown(target))
        elif isinstance(reply, Unavailable):
            exchange.respond(replies.unavailable_reply(reply.reason, options.retry_after_s))
        else:
            assert isinstance(reply, Accepted)  # not of a read; the result follows

    if target.wait:
        exchange.service = ATTACHED
        exchange.forget = engine.attach(invocation_id, on_reply)
        exchange.release()
    else:
        engine.output(invocation_id, on_reply)


def _result(target: ReadRoute, result: Result, engine: Engine) -> Answer:
    id_text = invocation_id_to_str(target.invocation_id)
    expires_at_ms = result.expires_at_ms if result.replayed else 0
    again = None
    if is_large(result.outcome):
        again = read_again(engine, target.invocation_id, result)
    return replies.result(result.outcome, result.output, id_text, expires_at_ms, again)


def _unknown(target: ReadRoute) -> Answer:
    if target.not_served is not None:
        return replies.refusal_reply(target.not_served)
    if target.wait:
        id_text = invocation_id_to_str(target.invocation_id)
        return replies.failure_reply(CODE_NOT_FOUND, f"not found: {_WHY_NOT}", id_text)
    return replies.refused(CODE_NOT_FOUND, f"invocation not found: {_WHY_NOT}")
