"""What the connections of an ingress have in common: limits, counts, the time of day."""

import asyncio
from collections import deque
from email.utils import formatdate
from typing import Protocol

from orchestrator.ingress import replies
from orchestrator.ingress.budget import Budget, Uploads
from orchestrator.ingress.cors import Cors
from orchestrator.ingress.crowds import Crowds
from orchestrator.ingress.exchange import PendingRequest
from orchestrator.ingress.known_heads import KnownHeads
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

_TURNS_MAX = 8  # in one callback of the loop
_IDLE_S = 2  # so long a connection has been idle that gives way to a new one
_FULL = 7 / 8  # of the connections there may be: from here on it is known which are idle


class ServedConnection(Protocol):
    """A connection as its server sees it."""

    def take_turn(self) -> None:
        """Handle a bounded part of what the client sent ahead."""
        ...

    def sweep(self) -> None:
        """Once a second: end what makes no progress."""
        ...

    def drain(self) -> None:
        """Close if nothing is under way; else the next answer is the last."""
        ...

    def abort(self) -> None:
        """Close at once, whatever is under way."""
        ...

    @property
    def idle_s(self) -> int:
        """How long its client has not sent a whole request; 0 if one is under way."""
        ...

    def close_idle(self) -> None:
        """Close it, idle as it is, since another needs its place."""
        ...

    @property
    def swept_count(self) -> int:
        """What a sweep costs, in looks."""
        ...

    def waiting(self) -> list[PendingRequest]:
        """The exchanges whose answer is awaited."""
        ...


class Handle(Protocol):
    def __call__(
        self, exchange: PendingRequest, crowded: frozenset[str] = frozenset(), /
    ) -> None: ...


class Shared:
    """One object per server, touched by every request: plain attributes."""

    __slots__ = (
        "_by_status",
        "_clock",
        "_idle",
        "_observe",
        "_requests",
        "_scheduled",
        "_turns",
        "cors",
        "crowds",
        "draining",
        "handle",
        "in_flight",
        "known_heads",
        "lines",
        "now_s",
        "open",
        "options",
        "streams",
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
        self.known_heads = KnownHeads()
        self.open: set[ServedConnection] = set()
        self._idle: deque[ServedConnection] = deque()  # the longest first
        self._turns: deque[ServedConnection] = deque()
        self._scheduled = False
        self.tick = 0  # seconds of sweeping
        self.in_flight = 0
        self.streams = 0  # requests over HTTP/2 that are not over, received or not
        self.uploads = Uploads(
            options.small_upload_bytes_max,
            options.small_uploads_bytes_max,
            max(options.uploads_bytes_max, 2 * options.payload_bytes_max),
        )
        self.unsent = Budget(options.unsent_bytes_max)
        self.crowds = Crowds(options.requests_max, options.connections_max)
        self.draining = False
        self.now_s = telemetry.now_s
        self._requests = telemetry.counters(REQUESTS)
        self._by_status: dict[int, Counter] = {}
        self._observe = telemetry.histogram(REQUEST_TIME).observe
        telemetry.ask(REQUESTS_WAITING, lambda: self.in_flight)
        telemetry.ask(CONNECTIONS, lambda: len(self.open))
        telemetry.ask(BUFFERED, lambda: self.uploads.held_bytes)
        self._clock = clock
        self.lines = b""  # header lines of every answer
        self.refresh_date()

    def later(self, connection: ServedConnection) -> None:
        """Call `take_turn` of the connection later, after the turns of others and after new
        connections."""
        self._turns.append(connection)
        self._schedule()

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._take_turns)

    def _take_turns(self) -> None:
        self._scheduled = False
        count = len(self._turns)
        if count > _TURNS_MAX:
            self._schedule()
        for _ in range(min(_TURNS_MAX, count)):
            self._turns.popleft().take_turn()

    def note_idle(self, connections_max: int) -> None:
        """Once a second: see who could give way, if there are nearly as many as there may be."""
        self._idle.clear()
        if len(self.open) > _FULL * connections_max:
            idle = [one for one in self.open if one.idle_s >= _IDLE_S]
            self._idle.extend(sorted(idle, key=lambda one: -one.idle_s))

    def make_room(self) -> bool:
        """Close the connection that has been idle longest. False if none has been for long: those
        of a flood do not drive each other out."""
        while self._idle:
            one = self._idle.popleft()
            if one in self.open and one.idle_s >= _IDLE_S:
                one.close_idle()
                return True
        return False

    def handle_one_of_many(self, exchange: PendingRequest) -> None:
        """Answer a request, unless there are too many, or too many that wait for its service."""
        if self.in_flight > self.options.requests_max:
            exchange.respond(replies.too_many(self.options.retry_after_s))
        else:
            self.handle(exchange, self.crowds.names(self.open))

    def answered(self, status: int, began_s: float) -> None:
        """Count and time a request."""
        self._observe(self.now_s() - began_s)
        counter = self._by_status.get(status)
        if counter is None:
            counter = self._by_status[status] = self._requests.of(str(status))
        counter.value += 1

    def refresh_date(self) -> None:
        """Once a second: the date header is made."""
        date = formatdate(self._clock.now_ms() // 1000, usegmt=True)
        self.lines = b"date: " + date.encode() + b"\r\n" + self.cors.lines
