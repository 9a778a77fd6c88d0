"""The admin API on a socket, in the node's own event loop.

That loop serves calls too: so a connection may cost it only so much before its request is known.
Bodies are limited by `orchestrator.admin.limits`.
"""

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from orchestrator.admin.errors import refusal_body
from orchestrator.ingress.upgrade import head_without_offer
from orchestrator.model.limits import LISTEN_BACKLOG_COUNT

Asgi = Callable[[Any, Any, Any], Awaitable[None]]

_KEEP_ALIVE_S = 75
_POLL_S = 0.02
CONNECTIONS_MAX = 256
"""Each may hold a small body and 64 KiB of what was read ahead."""
HEAD_BYTES_MAX = 64 * 1024
HEAD_S_MAX = 10.0


class _Protocol(HttpToolsProtocol):
    """Limits heads, their time and connections.

    Goes on in HTTP/1.1 when a client offers another protocol; else the body would be lost.
    """

    _head_bytes = 0  # of the request whose head is being read
    _is_in_head = True
    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > CONNECTIONS_MAX:
            self._end(503, f"there are {CONNECTIONS_MAX} connections already")
        else:
            self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        self._head_bytes += len(data)
        rest = data
        while rest:
            rest = self._feed(rest)
        if self._is_in_head and self._head_bytes > HEAD_BYTES_MAX:
            self._end(431, f"a request's head may have {HEAD_BYTES_MAX} bytes")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._is_in_head = True
        if self._head_timer is None:
            self._await_head()

    def _await_head(self) -> None:
        self._head_timer = self.loop.call_later(HEAD_S_MAX, self._head_is_late)

    def _head_is_late(self) -> None:
        self._head_timer = None
        if self._head_bytes:
            self._end(408, f"a request's head must arrive within {HEAD_S_MAX:g} s")
        else:
            self.transport.close()

    def _has_head(self) -> None:
        self._is_in_head = False
        self._head_bytes = 0
        self._stop_timer()

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _end(self, status: int, message: str) -> None:
        """Answer without the application, and close."""
        if not self.transport.is_closing():
            body = json.dumps(refusal_body(status, message)).encode()
            self.transport.write(
                b"HTTP/1.1 %d %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\n"
                b"connection: close\r\n\r\n%s"
                % (status, HTTPStatus(status).phrase.encode(), len(body), body)
            )
            self.transport.close()

    def _feed(self, data: bytes) -> bytes:
        """Parse; what is left is to be parsed again."""
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as offer:
            return self._decline_offer(data[offer.args[0] :])
        except httptools.HttpParserError:
            self.send_400_response("Invalid HTTP request received.")
        return b""

    def _decline_offer(self, rest: bytes) -> bytes:
        method = self.parser.get_method()
        if method == b"CONNECT":
            self.send_400_response("CONNECT is not supported.")
            return b""
        head = head_without_offer(method, self.url, self.parser.get_http_version(), self.headers)
        self.parser = httptools.HttpRequestParser(self)
        return head + rest

    def eof_received(self) -> bool:  # type: ignore[override]
        """A client may close its side once it has asked: it gets its answer, the last one.

        One that closes it in the middle of a request is gone.
        """
        if self.cycle is None or self.cycle.response_complete or self.cycle.more_body:
            return False
        self.cycle.keep_alive = False
        return True

    def on_headers_complete(self) -> None:
        self._has_head()
        if not self.parser.should_upgrade():
            super().on_headers_complete()

    def on_message_complete(self) -> None:
        if not self.parser.should_upgrade():
            super().on_message_complete()


class AdminServer:
    """Serves one ASGI application on one address."""

    def __init__(self, app: Asgi) -> None:
        self._config = Config(
            app,
            access_log=False,
            http="httptools",
            lifespan="off",
            log_config=None,
            proxy_headers=False,
            timeout_keep_alive=_KEEP_ALIVE_S,
            ws="none",
        )
        self._state = ServerState()
        self._server: asyncio.Server | None = None

    async def start(self, listening: socket.socket) -> None:
        """Take connections of a socket that listens."""
        self._config.load()
        self._server = await asyncio.get_running_loop().create_server(
            lambda: _Protocol(self._config, self._state, app_state={}),
            sock=listening,
            backlog=LISTEN_BACKLOG_COUNT,
        )

    async def stop(self, grace_s: float) -> None:
        """Stop listening, let the answers under way go out, then close."""
        if self._server is None:
            return
        self._server.close()
        for connection in list(self._state.connections):
            connection.shutdown()
        deadline = asyncio.get_running_loop().time() + grace_s
        while self._state.tasks and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(_POLL_S)
        for task in list(self._state.tasks):
            task.cancel()
