"""Resolving and rejecting awakeables: a signal for the invocation that waits."""

from orchestrator.door.targets import read_awakeable_id
from orchestrator.ingress import replies
from orchestrator.ingress.exchange import PendingRequest
from orchestrator.ingress.options import IngressOptions
from orchestrator.ingress.refusals import HttpRefused
from orchestrator.ingress.targets import AwakeableRoute
from orchestrator.model.answers import Answer
from orchestrator.model.records import Signal
from orchestrator.model.values import CODE_INTERNAL, Failure, Outcome
from orchestrator.processor.port import Engine, Unavailable
from orchestrator.runtime.clock import Clock


def complete_awakeable(
    exchange: PendingRequest,
    target: AwakeableRoute,
    engine: Engine,
    clock: Clock,
    options: IngressOptions,
) -> None:
    """Append the signal. One that nobody waits for is taken as well: that cannot be known here."""
    awakeable = read_awakeable_id(target.awakeable_id)
    value = exchange.body if target.resolve else _reason(exchange.body)
    if awakeable.legacy:  # an entry of a protocol version that is not served: nobody waits for it
        exchange.respond(replies.RESOLVED)
        return

    def on_answer(answer: Answer | Unavailable) -> None:
        # Completing twice changes nothing, so an unknown fate may be tried again too.
        if isinstance(answer, Unavailable):
            exchange.respond(replies.unavailable_reply(answer.reason, options.retry_after_s))
        elif answer is Answer.TOO_MANY_SIGNALS:
            exchange.respond(replies.refused(429, replies.TOO_MANY_SIGNALS))
        else:
            exchange.respond(replies.RESOLVED)

    signal = Signal(awakeable.invocation_id, awakeable.signal_index, "", value, clock.now_ms())
    engine.operate(signal, on_answer)


def _reason(body: bytes) -> Outcome:
    try:
        return Failure(CODE_INTERNAL, body.decode())
    except UnicodeDecodeError:
        raise HttpRefused(400, "the reason of a rejection must be UTF-8 text") from None
