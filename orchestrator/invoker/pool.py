"""The connections to one service endpoint: exchanges find room on one, or wait for the next."""

import asyncio
import ssl
from collections import deque
from collections.abc import Callable
from typing import Final

from orchestrator.invoker.exchange import IGNORE, Exchange
from orchestrator.invoker.http1 import Http1Connection
from orchestrator.invoker.http2 import STREAMS_MAX, Http2Connection
from orchestrator.invoker.origin import Origin

Connection = Http1Connection | Http2Connection

NO_HTTP2: Final = "the endpoint does not offer HTTP/2 over TLS: register it with use_http_11"
_CONNECT_TIMEOUT_S: Final = 10.0
_CONNECTING_HTTP1_MAX: Final = 64  # at once; more are opened as these are there


class TlsContexts:
    """TLS settings for either version of HTTP, made when first needed."""

    def __init__(self, ca_file: str | None = None) -> None:
        self._ca_file = ca_file
        self._contexts: dict[bool, ssl.SSLContext] = {}

    def get(self, http1: bool) -> ssl.SSLContext:
        context = self._contexts.get(http1)
        if context is None:
            context = ssl.create_default_context(cafile=self._ca_file)
            context.set_alpn_protocols(["http/1.1"] if http1 else ["h2"])
            self._contexts[http1] = context
        return context


def _text(error: BaseException) -> str:
    return str(error) or type(error).__name__


class Pool:
    """Connections to one endpoint; grows as exchanges need, shrinks when idle."""

    def __init__(
        self,
        origin: Origin,
        http1: bool,
        tls: TlsContexts,
        on_read: Callable[[], None],
        on_batch: Callable[[], None],
    ) -> None:
        self._origin = origin
        self._http1 = http1
        self._tls = tls
        self._loop = asyncio.get_running_loop()
        self._connections: list[Connection] = []
        self._with_room: dict[Connection, None] = {}  # and perhaps some that have none any more
        self._closing: list[Connection] = []
        self._waiting: deque[Exchange] = deque()
        self._connecting: set[asyncio.Task[None]] = set()
        self._closed = False
        self.on_read = on_read
        self.on_batch = on_batch

    @property
    def is_idle(self) -> bool:
        """Nothing is open, opening or waiting."""
        return not (self._connections or self._closing or self._waiting or self._connecting)

    def open(self, exchange: Exchange) -> None:
        """Start an exchange on a connection with room, or as soon as there is one."""
        connection = None if self._waiting else self._free()
        if connection is not None:
            connection.start(exchange)
        else:
            self._waiting.append(exchange)
            self._grow()

    def close(self, reason: str) -> None:
        """Close everything; exchanges under way break."""
        self._closed = True
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

    def on_room(self, connection: Connection) -> None:
        """Give waiting exchanges the room there is."""
        self._with_room[connection] = None
        if self._waiting:
            self._fill()

    def on_closed(self, connection: Connection) -> None:
        self._with_room.pop(connection, None)
        if connection in self._connections:
            self._connections.remove(connection)
            self._closing.append(connection)
        if self._waiting:
            self._grow()

    # --- inside ---

    def _free(self) -> Connection | None:
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
        """Have enough connections on their way for those that wait."""
        per_connection = 1 if self._http1 else STREAMS_MAX
        waiting = len(self._waiting)
        while len(self._connecting) * per_connection < waiting and not self._closed:
            if len(self._connecting) >= _CONNECTING_HTTP1_MAX:
                return
            task = self._loop.create_task(self._connect())
            self._connecting.add(task)
            task.add_done_callback(self._on_connected)

    def _on_connected(self, task: asyncio.Task[None]) -> None:
        self._connecting.discard(task)
        if not task.cancelled():
            self._fill()

    async def _connect(self) -> None:
        origin = self._origin
        context = self._tls.get(self._http1) if origin.tls else None
        try:
            async with asyncio.timeout(_CONNECT_TIMEOUT_S):
                _, connection = await self._loop.create_connection(
                    self._make, origin.host, origin.port, ssl=context
                )
        except (OSError, TimeoutError, ValueError) as error:
            # ValueError: a host that cannot be looked up, such as `a..b`.
            self._failed(f"cannot connect to {origin.host}:{origin.port}: {_text(error)}")
            return
        wrong = self._wrong_protocol(connection)
        if wrong:
            connection.close(wrong)
            self._failed(wrong)
        elif self._closed:
            connection.close("closed")
        elif not connection.is_open:
            self._failed("the peer closed the connection at once")
        else:
            self._connections.append(connection)
            self._with_room[connection] = None

    def _make(self) -> Connection:
        if self._http1:
            return Http1Connection(self)
        return Http2Connection(self, self._loop.call_soon)

    def _wrong_protocol(self, connection: Connection) -> str:
        if not self._origin.tls or self._http1 or connection.alpn == "h2":
            return ""
        return NO_HTTP2

    def _failed(self, reason: str) -> None:
        # While another connection lives, those that wait get their turn on it.
        if not self._connections:
            self._break_waiting(reason)

    def _break_waiting(self, reason: str) -> None:
        waiting, self._waiting = self._waiting, deque()
        for exchange in waiting:
            if not exchange.closed:
                exchange.closed = True
                receiver, exchange.receiver = exchange.receiver, IGNORE
                receiver.on_broken(reason, False)
        self.on_batch()
