"""The SDK's own server: HTTP/2 with prior knowledge and HTTP/1.1 on one port."""

import asyncio
import math
import socket
import ssl
from collections.abc import Callable
from typing import Any, Final, Protocol, cast

from perdure.endpoint import Endpoint
from perdure.transports.http1 import HEAD_TIMEOUT_S, Http1Connection
from perdure.transports.http2 import Http2Connection
from perdure.transports.port import StartAttempt

STREAMS_MAX: Final = 1024  # of a connection
GRACE_S: Final = 10.0
_SWEEP_S: Final = 1.0  # one look at all connections instead of a timer each
_PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


class _Served(Protocol):
    deadline_s: float
    """Until when the peer has to go on with what it began, by the clock of the event loop."""

    def stop(self) -> None: ...
    def cut(self) -> None: ...
    def give_up(self) -> None: ...


class _FirstBytes(asyncio.Protocol):
    """Waits until it is known which protocol the peer speaks, and hands over."""

    def __init__(self, server: "Server") -> None:
        self._server = server
        self._data = b""
        self._transport: asyncio.Transport | None = None
        self.deadline_s = math.inf

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self.deadline_s = asyncio.get_running_loop().time() + HEAD_TIMEOUT_S
        self._server.add(self)

    def data_received(self, data: bytes) -> None:
        self._data += data
        begin = self._data[: len(_PREFACE)]
        if begin != _PREFACE and _PREFACE.startswith(begin):
            return  # too little to know
        assert self._transport is not None
        self._server.remove(self)
        protocol = self._server.protocol_for(begin == _PREFACE)
        transport, self._transport = self._transport, None
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        protocol.data_received(self._data)

    def connection_lost(self, error: Exception | None) -> None:
        self._server.remove(self)

    def stop(self) -> None:
        self.cut()

    def cut(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def give_up(self) -> None:
        self.cut()


class Server:
    """Serves an endpoint; `listen` or `adopt` connections, then `stop` once."""

    def __init__(
        self,
        endpoint: Endpoint,
        start: StartAttempt,
        *,
        http1_only: bool = False,
        streams_max: int = STREAMS_MAX,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._endpoint = endpoint
        self._start = start
        self._http1_only = http1_only
        self._streams_max = streams_max
        self._tls = tls
        self._sweep: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        self._connections: set[_Served] = set()
        self._listener: asyncio.Server | None = None
        self._empty = asyncio.Event()

    async def listen(self, listening: socket.socket) -> None:
        """Serve the connections of a socket that listens."""
        self._listener = await self._loop.create_server(
            self._first, sock=listening, ssl=self._tls, **self._patience
        )

    async def adopt(self, connection: socket.socket) -> None:
        """Serve a connection that was accepted elsewhere."""
        try:
            await self._loop.connect_accepted_socket(
                self._first, connection, ssl=self._tls, **self._patience
            )
        except OSError:  # the peer speaks no TLS, or has gone
            connection.close()

    @property
    def _patience(self) -> dict[str, Any]:
        return {} if self._tls is None else {"ssl_handshake_timeout": HEAD_TIMEOUT_S}

    async def stop(self, grace_s: float = GRACE_S) -> None:
        """Take nothing more, suspend what waits, let what runs end; after `grace_s` seconds cut
        off what is left."""
        if self._listener is not None:
            self._listener.close()
        for one in list(self._connections):
            one.stop()
        try:
            async with asyncio.timeout(grace_s):
                while self._connections:
                    self._empty.clear()
                    await self._empty.wait()
        except TimeoutError:
            for one in list(self._connections):
                one.cut()
            await asyncio.sleep(0)
        if self._sweep is not None:
            self._sweep.cancel()

    # -- for connections

    def add(self, connection: _Served) -> None:
        self._connections.add(connection)
        if self._sweep is None:
            self._sweep = self._loop.call_later(_SWEEP_S, self._look_for_slow_peers)

    def _look_for_slow_peers(self) -> None:
        now_s = self._loop.time()
        for one in list(self._connections):
            if one.deadline_s < now_s:
                one.give_up()
        self._sweep = None
        if self._connections:
            self._sweep = self._loop.call_later(_SWEEP_S, self._look_for_slow_peers)

    def remove(self, connection: _Served) -> None:
        self._connections.discard(connection)
        self._empty.set()

    def protocol_for(self, is_http2: bool) -> asyncio.Protocol:
        """Return what serves a connection of HTTP/2, or of HTTP/1.1."""
        made: Http1Connection | Http2Connection
        removed: Callable[[_Served], None] = self.remove
        if is_http2 and not self._http1_only:
            made = Http2Connection(
                self._endpoint, self._start, self._loop, removed, self._streams_max
            )
        else:
            made = Http1Connection(self._endpoint, self._start, self._loop, removed)
        self.add(made)
        return made

    def _first(self) -> asyncio.Protocol:
        return _FirstBytes(self)


def tls_context(cert_file: str, key_file: str | None, http1_only: bool) -> ssl.SSLContext:
    """Return what serves TLS by a certificate, with the chain behind it, and its key; raises
    OSError (ssl.SSLError is one) for files that are none."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(cert_file, key_file)
    context.set_alpn_protocols(["http/1.1"] if http1_only else ["h2", "http/1.1"])
    return context
