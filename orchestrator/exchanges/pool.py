"""The connections to one service endpoint: exchanges find room on one, or wait for the next."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

from orchestrator.exchanges.backoff import Backoff
from orchestrator.exchanges.dialing import Dialer, DialError
from orchestrator.exchanges.exchange import Exchange
from orchestrator.exchanges.http1 import Http1Connection
from orchestrator.exchanges.http2 import STREAMS_MAX, Http2Connection
from orchestrator.exchanges.origin import Origin

PooledConnection = Http1Connection | Http2Connection

NO_HTTP2: Final = (
    "the endpoint does not offer HTTP/2 over TLS: register it with use_http_11 (--use-http1.1)"
)
_WAIT_S: Final = 10.0  # for room on other connections, while no new one can be opened
_BROKEN_AT_ONCE: Final = 128
_CONNECTING_HTTP1_MAX: Final = 64  # at once; more are opened as these are there


class Pool:
    """Connections to one endpoint; grows as exchanges need, shrinks when idle.

    After a failed connect the next waits for its pause, whoever asks. After a failure, waiting
    exchanges fail with its reason: at once if nothing is connected, else when they have waited
    _WAIT_S.
    """

    def __init__(
        self,
        origin: Origin,
        http1: bool,
        dialer: Dialer,
        on_read: Callable[[], None],
        on_batch: Callable[[], None],
    ) -> None:
        self._origin = origin
        self._http1 = http1
        self._dialer = dialer
        self._backoff = Backoff()
        self._retry: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        self._connections: list[PooledConnection] = []
        self._with_room: dict[
            PooledConnection, None
        ] = {}  # and perhaps some that have no room any more
        self._closing: list[PooledConnection] = []
        self._waiting: deque[Exchange] = deque()
        self._connecting: set[asyncio.Task[None]] = set()
        self._closed = False
        self.on_read = on_read
        self.on_batch = on_batch

    @property
    def is_idle(self) -> bool:
        """Nothing is open, opening or waiting, and no pause has to be remembered."""
        busy = self._connections or self._closing or self._waiting or self._connecting
        return not busy and self._backoff.is_forgotten(self._loop.time())

    def open(self, exchange: Exchange) -> None:
        """Start an exchange on a connection with room, or as soon as there is one."""
        connection = None if self._waiting else self._free()
        if connection is not None:
            connection.start(exchange)
        else:
            exchange.waits_until_s = self._loop.time() + _WAIT_S
            self._waiting.append(exchange)
            self._grow()

    def close(self, reason: str) -> None:
        """Close everything; exchanges under way break."""
        self._closed = True
        if self._retry is not None:
            self._retry.cancel()
        for task in self._connecting:
            task.cancel()
        for connection in [*self._connections, *self._closing]:
            connection.close(reason)
        self._break_waiting(reason)

    def sweep(self, now_s: float) -> None:
        """Keep-alive, idle connections, what drains for too long."""
        for connection in [*self._connections, *self._closing]:
            connection.sweep(now_s)
        self._closing = [c for c in self._closing if c.stream_count]

    # --- from connections ---

    def on_room(self, connection: PooledConnection) -> None:
        """Give waiting exchanges the room there is."""
        self._with_room[connection] = None
        if self._backoff.failure_count and connection.was_useful:
            self._backoff.worked()
        if self._waiting:
            self._fill()

    def on_closed(self, connection: PooledConnection) -> None:
        self._with_room.pop(connection, None)
        if connection in self._connections:
            self._connections.remove(connection)
            self._closing.append(connection)
            if not connection.was_useful:
                self._backoff.failed(self._loop.time())
        if self._waiting:
            self._grow()

    # --- inside ---

    def _free(self) -> PooledConnection | None:
        """A connection with room: of HTTP/2 the first, to fill it; of HTTP/1.1 the one used last,
        so that the others grow idle."""
        with_room = self._with_room
        while with_room:
            connection = next(reversed(with_room) if self._http1 else iter(with_room))
            if connection.free:
                return connection
            del with_room[connection]
        return None

    def _fill(self) -> None:
        while self._waiting:
            connection = self._free()
            if connection is None:
                self._grow()
                return
            exchange = self._waiting.popleft()
            if not exchange.closed:
                connection.start(exchange)

    def _grow(self) -> None:
        """Have enough connections on their way for those that wait; one while connects fail."""
        if self._closed or self._pauses():
            return
        per_connection = 1 if self._http1 else STREAMS_MAX
        waiting = len(self._waiting)
        connecting_max = 1 if self._backoff.failure_count else _CONNECTING_HTTP1_MAX
        while len(self._connecting) * per_connection < waiting:
            if len(self._connecting) >= connecting_max:
                return
            task = self._loop.create_task(self._connect())
            self._connecting.add(task)
            task.add_done_callback(self._on_connected)

    def _pauses(self) -> bool:
        """Whether no connect may be made now; then one is made when the pause is over."""
        until_s = self._backoff.until_s
        if self._loop.time() >= until_s:
            return False
        if self._retry is None:
            self._retry = self._loop.call_at(until_s, self._after_pause)
        return True

    def _after_pause(self) -> None:
        self._retry = None
        self._drop_closed()
        self._grow()

    def _on_connected(self, task: asyncio.Task[None]) -> None:
        self._connecting.discard(task)
        if not task.cancelled():
            self._fill()

    async def _connect(self) -> None:
        try:
            connection = await self._dialer.dial(self._origin, self._http1, self._make)
        except DialError as error:
            self._failed(str(error))
            return
        wrong = self._wrong_protocol(connection)
        if wrong:
            connection.close(wrong)
            self._failed(wrong)
        elif self._closed:
            connection.close("closed")
        elif not connection.is_open:
            self._failed(connection.refusal or "the peer closed the connection at once")
        else:
            self._connections.append(connection)
            self._with_room[connection] = None

    def _make(self) -> PooledConnection:
        if self._http1:
            return Http1Connection(self, self._loop.call_soon)
        return Http2Connection(self, self._loop.call_soon)

    def _wrong_protocol(self, connection: PooledConnection) -> str:
        if not self._origin.tls or self._http1 or connection.alpn == "h2":
            return ""
        return NO_HTTP2

    def _failed(self, reason: str) -> None:
        now_s = self._loop.time()
        self._backoff.failed(now_s)
        # While another connection is open, those that wait may get room on it.
        self._break_waiting(reason, now_s if self._connections else None)

    def _break_waiting(self, reason: str, now_s: float | None = None) -> None:
        """Fail all that wait, or those whose time to wait is over."""
        if now_s is None:
            doomed, self._waiting = self._waiting, deque()
        else:
            doomed = deque()
            while self._waiting and self._waiting[0].waits_until_s <= now_s:
                doomed.append(self._waiting.popleft())
        self._break(doomed, reason)

    def _break(self, doomed: deque[Exchange], reason: str) -> None:
        """In slices: thousands may wait for one address."""
        for _ in range(min(len(doomed), _BROKEN_AT_ONCE)):
            exchange = doomed.popleft()
            if not exchange.closed:
                exchange.break_off(reason)
        self.on_batch()
        if doomed:
            self._loop.call_soon(self._break, doomed, reason)

    def _drop_closed(self) -> None:
        """Exchanges that were cancelled while they waited need no connection."""
        if any(exchange.closed for exchange in self._waiting):
            self._waiting = deque(e for e in self._waiting if not e.closed)
