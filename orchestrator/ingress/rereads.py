"""Large results that wait for a slow client are read from the store again, rather than kept."""

from collections.abc import Callable
from typing import Final

from orchestrator.ingress.exchange import ReadAgain
from orchestrator.processor.port import Engine, Reply, Result

_BYTES_MIN: Final = 64 * 1024  # a smaller one is handed to the transport at once


def read_again(engine: Engine, invocation_id: bytes, result: Result) -> ReadAgain | None:
    """How to have the very same result once more; None for one that is not worth it."""
    if not isinstance(result.outcome, bytes) or len(result.outcome) <= _BYTES_MIN:
        return None
    expires_at_ms = result.expires_at_ms

    def again(take: Callable[[bytes | None], None]) -> None:
        def on_reply(reply: Reply) -> None:
            # An id that was used again has a result that expires at another time.
            if isinstance(reply, Result) and reply.expires_at_ms == expires_at_ms:
                take(reply.outcome if isinstance(reply.outcome, bytes) else None)
            else:
                take(None)

        engine.output(invocation_id, on_reply)

    return again
