"""Streams of attempts that were given up while their handlers may be in the middle of a step.

A stream that is reset ends the step where it is. So its handler is left to suspend by itself, for
as long as its abort timeout once more, and at least a while: also if that failure ended its
invocation, but not beside the next attempt of it.
"""

from typing import Final

from orchestrator.exchanges.exchange import Exchange
from orchestrator.runtime.clock import Clock

LEFT_MS_MIN: Final = 10_000  # an abort timeout may be shorter than any step
LEFT_MAX: Final = 1_000  # streams; of more the oldest are reset
_LOOKED_AT: Final = 64  # streams that may have ended by themselves are kept up to twice as many


class Lingering:
    """By invocation: the stream that its service may still end."""

    __slots__ = ("_clock", "_exchanges", "_look_at")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._exchanges: dict[bytes, Exchange] = {}
        self._look_at = _LOOKED_AT

    def add(self, invocation_id: bytes, exchange: Exchange, abort_ms: int) -> None:
        """Its connection resets it after `abort_ms`, or LEFT_MS_MIN, if it has not ended."""
        self.reset(invocation_id)
        exchange.drain()
        exchange.deadline_s = (self._clock.monotonic_ms() + max(abort_ms, LEFT_MS_MIN)) / 1000
        self._exchanges[invocation_id] = exchange
        if len(self._exchanges) > self._look_at:
            self._exchanges = {i: e for i, e in self._exchanges.items() if not e.closed}
            while len(self._exchanges) > LEFT_MAX:
                self.reset(next(iter(self._exchanges)))
            self._look_at = min(max(_LOOKED_AT, 2 * len(self._exchanges)), LEFT_MAX)

    def reset(self, invocation_id: bytes) -> None:
        """The next attempt begins, or the invocation is killed."""
        if self._exchanges:
            exchange = self._exchanges.pop(invocation_id, None)
            if exchange is not None:
                exchange.cancel()
