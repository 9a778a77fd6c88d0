"""Large results that wait for a slow client are read from the store again, rather than kept."""

from collections.abc import Callable
from typing import Final

from orchestrator.ingress.exchange import ReadAgain
from orchestrator.model.values import Outcome
from orchestrator.processor.port import Engine, Reply, Result

_BYTES_MIN: Final = 64 * 1024  # a smaller one is handed to the transport at once


def is_large(outcome: Outcome) -> bool:
    """Whether it is worth reading again."""
    return type(outcome) is bytes and len(outcome) > _BYTES_MIN


def read_again(engine: Engine, invocation_id: bytes, result: Result) -> ReadAgain:
    """How to have the very same result once more."""
    expires_at_ms = result.expires_at_ms

    def again(take: Callable[[bytes | None], None]) -> None:
        def on_reply(reply: Reply) -> None:
            # If the id was used again its result expires at another time.
            if isinstance(reply, Result) and reply.expires_at_ms == expires_at_ms:
                take(reply.outcome if isinstance(reply.outcome, bytes) else None)
            else:
                take(None)

        engine.output(invocation_id, on_reply)

    return again
