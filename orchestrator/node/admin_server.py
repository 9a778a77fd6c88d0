"""The admin API on a socket, in the node's own event loop."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from orchestrator.ingress.upgrade import head_without_offer

Asgi = Callable[[Any, Any, Any], Awaitable[None]]

_KEEP_ALIVE_S = 75
_POLL_S = 0.02


class _Protocol(HttpToolsProtocol):
    """Goes on in HTTP/1.1 when a client offers another protocol; else the body would be lost."""

    def data_received(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        rest = data
        while rest:
            rest = self._feed(rest)

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
        """A client may close its side once it has asked: it gets its answer, the last one."""
        if self.cycle is None or self.cycle.response_complete:
            return False
        self.cycle.keep_alive = False
        return True

    def on_headers_complete(self) -> None:
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
            lambda: _Protocol(self._config, self._state, app_state={}), sock=listening
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
