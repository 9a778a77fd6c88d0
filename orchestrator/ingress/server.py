"""The ingress on a socket: accepts connections, sweeps them once a second, ends in good order."""

import asyncio
import logging
import socket

from orchestrator.ingress import replies
from orchestrator.ingress.exchange import PendingRequest
from orchestrator.ingress.face import Ingress
from orchestrator.ingress.http1 import Http1
from orchestrator.ingress.options import IngressOptions
from orchestrator.ingress.shared import ServedConnection, Shared
from orchestrator.model.limits import DRAIN_LOOK_S, LISTEN_BACKLOG_COUNT
from orchestrator.runtime.beat import until_beat_s
from orchestrator.runtime.clock import Clock
from orchestrator.runtime.telemetry import Telemetry

_log = logging.getLogger("perdure.ingress")
SWEEP_S = 1.0
_SWEPT_MAX = 1_000  # looks at connections, and at what they carry, in one callback
_LAST_WRITES_S = 0.5


class IngressServer:
    """Serves one `Ingress` on one address."""

    def __init__(
        self,
        ingress: Ingress,
        clock: Clock,
        options: IngressOptions,
        telemetry: Telemetry | None = None,
    ) -> None:
        self._ingress = ingress
        self._shared = Shared(self.handle, clock, options, telemetry or Telemetry())
        self._server: asyncio.Server | None = None
        self._sweeper: asyncio.TimerHandle | None = None

    async def start(self, listening: socket.socket) -> None:
        """Take connections of a socket that listens."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: Http1(self._shared), sock=listening, backlog=LISTEN_BACKLOG_COUNT
        )
        self._sweeper = loop.call_later(until_beat_s(loop.time(), SWEEP_S), self._sweep)

    def handle(self, exchange: PendingRequest, crowded: frozenset[str] = frozenset()) -> None:
        """Answer a request, wherever it came from; never raises."""
        try:
            self._ingress.handle(exchange, crowded)
        except Exception:  # noqa: BLE001 - the last line of a face: one request must not take others along
            _log.exception("request failed: %r", exchange.url[:200])
            exchange.respond(replies.refused(500, "internal error"))

    def _sweep(self) -> None:
        """Once a second, a bounded number of connections in one callback."""
        self._shared.tick += 1
        self._shared.refresh_date()
        self._sweep_some(list(self._shared.open))

    def _sweep_some(self, connections: list[ServedConnection]) -> None:
        loop = asyncio.get_running_loop()
        looks = 0
        while connections and looks < _SWEPT_MAX:
            connection = connections.pop()
            looks += connection.swept_count
            connection.sweep()
        if connections:
            self._sweeper = loop.call_later(0, self._sweep_some, connections)
            return
        self._shared.note_idle(self._shared.options.connections_max)
        self._shared.crowds.forget()
        self._shared.uploads.sweep()
        self._shared.unsent.sweep()
        self._sweeper = loop.call_later(until_beat_s(loop.time(), SWEEP_S), self._sweep)

    def drain(self) -> None:
        """From now on each answer is the last of its connection, and idle ones are closed."""
        self._shared.draining = True
        for connection in list(self._shared.open):
            connection.drain()

    async def stop(self, grace_s: float) -> None:
        """Wait for the answers under way, refuse the other requests, and stop listening.
        Requests that come meanwhile get the answer of the gate. Afterwards no connection is open:
        who does not take the last answer is cut off."""
        self.drain()
        loop = asyncio.get_running_loop()
        deadline = loop.time() + grace_s
        while self._shared.in_flight and loop.time() < deadline:
            await asyncio.sleep(DRAIN_LOOK_S)
        if self._server is not None:
            self._server.close()
        for connection in list(self._shared.open):
            for exchange in connection.waiting():
                self._ingress.abandon(exchange)
        deadline = loop.time() + _LAST_WRITES_S
        while self._shared.open and loop.time() < deadline:
            await asyncio.sleep(DRAIN_LOOK_S)
        for connection in list(self._shared.open):
            connection.abort()
        await asyncio.sleep(0)  # they are told of it
        if self._sweeper is not None:
            self._sweeper.cancel()
