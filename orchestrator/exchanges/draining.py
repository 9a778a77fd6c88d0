"""Exchanges whose result is known: their responses get a while to end by themselves."""

from typing import Final

from orchestrator.exchanges.exchange import Exchange

DRAIN_S: Final = 5.0


class Draining:
    """Of one connection. Exchanges that have not ended in time are cut off."""

    __slots__ = ("_exchanges",)

    def __init__(self) -> None:
        self._exchanges: list[Exchange] = []

    def add(self, exchange: Exchange) -> None:
        self._exchanges.append(exchange)

    def cut_off(self, now_s: float) -> None:
        """Cut off those whose time is over; it begins with the first call."""
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
