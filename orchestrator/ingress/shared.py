"""What the connections of an ingress have in common: limits, counts, the time of day."""

from email.utils import formatdate
from typing import Protocol

from orchestrator.ingress.budget import Budget, Uploads
from orchestrator.ingress.cors import Cors
from orchestrator.ingress.exchange import Exchange
from orchestrator.ingress.options import IngressOptions
from orchestrator.runtime.clock import Clock
from orchestrator.runtime.metrics import (
    BUFFERED,
    CONNECTIONS,
    REQUEST_TIME,
    REQUESTS,
    REQUESTS_WAITING,
)
from orchestrator.runtime.telemetry import Counter, Telemetry


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
        "_by_status",
        "_clock",
        "_date",
        "_date_s",
        "_request_time",
        "_requests",
        "cors",
        "draining",
        "handle",
        "in_flight",
        "now_s",
        "open",
        "options",
        "tick",
        "unsent",
        "uploads",
    )

    def __init__(
        self, handle: Handle, clock: Clock, options: IngressOptions, telemetry: Telemetry
    ) -> None:
        self.handle = handle
        self.options = options
        self.cors = Cors(options.cors_origins)
        self.open: set[Connection] = set()
        self.tick = 0  # seconds of sweeping
        self.in_flight = 0
        self.uploads = Uploads(
            options.small_upload_bytes_max,
            options.small_uploads_bytes_max,
            max(options.uploads_bytes_max, 2 * options.payload_bytes_max),
        )
        self.unsent = Budget(options.unsent_bytes_max)
        self.draining = False
        self.now_s = telemetry.now_s
        self._requests = telemetry.counters(REQUESTS)
        self._by_status: dict[int, Counter] = {}
        self._request_time = telemetry.histogram(REQUEST_TIME)
        telemetry.ask(REQUESTS_WAITING, lambda: self.in_flight)
        telemetry.ask(CONNECTIONS, lambda: len(self.open))
        telemetry.ask(BUFFERED, lambda: self.uploads.held_bytes)
        self._clock = clock
        self._date_s = -1
        self._date = b""

    def answered(self, status: int, began_s: float) -> None:
        """Count and time a request."""
        self._request_time.observe(self.now_s() - began_s)
        counter = self._by_status.get(status)
        if counter is None:
            counter = self._by_status[status] = self._requests.of(str(status))
        counter.value += 1

    def date_line(self) -> bytes:
        """The date header, made once a second."""
        now_s = self._clock.now_ms() // 1000
        if now_s != self._date_s:
            self._date_s = now_s
            self._date = b"date: " + formatdate(now_s, usegmt=True).encode() + b"\r\n"
        return self._date
