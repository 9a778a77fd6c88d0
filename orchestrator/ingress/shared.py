"""What the connections of an ingress have in common: limits, counts, the time of day."""

from email.utils import formatdate
from typing import Protocol

from orchestrator.ingress.exchange import Exchange
from orchestrator.ingress.options import IngressOptions
from orchestrator.runtime.clock import Clock


class Connection(Protocol):
    """A connection as its server sees it."""

    def sweep(self) -> None:
        """Once a second: end what makes no progress."""
        ...

    def drain(self) -> None:
        """Close if nothing is under way; else the next answer is the last."""
        ...

    def waiting(self) -> Exchange | None:
        """The exchange whose answer is awaited."""
        ...


class Handle(Protocol):
    def __call__(self, exchange: Exchange) -> None: ...


class Shared:
    """One object per server, touched by every request: plain attributes."""

    __slots__ = (
        "_clock",
        "_date",
        "_date_s",
        "buffered_bytes",
        "draining",
        "handle",
        "in_flight",
        "open",
        "options",
        "tick",
    )

    def __init__(self, handle: Handle, clock: Clock, options: IngressOptions) -> None:
        self.handle = handle
        self.options = options
        self.open: set[Connection] = set()
        self.tick = 0  # seconds of sweeping
        self.in_flight = 0
        self.buffered_bytes = 0
        self.draining = False
        self._clock = clock
        self._date_s = -1
        self._date = b""

    def date_line(self) -> bytes:
        """The date header, made once a second."""
        now_s = self._clock.now_ms() // 1000
        if now_s != self._date_s:
            self._date_s = now_s
            self._date = b"date: " + formatdate(now_s, usegmt=True).encode() + b"\r\n"
        return self._date
