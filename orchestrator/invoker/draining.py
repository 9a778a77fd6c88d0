"""Exchanges whose result is known: their responses get a while to end by themselves."""

from typing import Final

from orchestrator.invoker.exchange import Exchange

DRAIN_S: Final = 5.0


class Draining:
    """Of one connection. What has not ended in time is cut off."""

    __slots__ = ("_exchanges",)

    def __init__(self) -> None:
        self._exchanges: list[Exchange] = []

    def add(self, exchange: Exchange) -> None:
        self._exchanges.append(exchange)

    def cut_off(self, now_s: float) -> None:
        """Look at all of them; their time begins with the first look."""
        left: list[Exchange] = []
        for exchange in self._exchanges:
            if exchange.closed:
                continue
            if not exchange.deadline_s:
                exchange.deadline_s = now_s + DRAIN_S
            if now_s < exchange.deadline_s:
                left.append(exchange)
            else:
                exchange.cancel()
        self._exchanges = left
