"""The admin API on a socket, in the node's own event loop.

That loop serves calls too: so a connection may cost it only so much before its request is known.
Bodies are limited by `orchestrator.admin.limits`.
"""

import asyncio
import json
import socket
from http import HTTPStatus
from typing import Any

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT, FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from orchestrator.admin.errors import refusal_body
from orchestrator.admin.limits import BODY_BYTES_MAX
from orchestrator.admin.streaming import UNFINISHED
from orchestrator.ingress.preface import is_preface, serve_by
from orchestrator.ingress.request_line import (
    BAD_LINE,
    CODED_BODY,
    HTTP_VERSIONS,
    LINE_ENDS,
    end_of_piece,
    is_well_formed,
    with_known_method,
)
from orchestrator.ingress.upgrade import head_without_offer
from orchestrator.model.limits import DRAIN_LOOK_S, LISTEN_BACKLOG_COUNT
from orchestrator.node.admin_http2 import AdminHttp2, Asgi

_KEEP_ALIVE_S = 75
CONNECTIONS_MAX = 256
"""Each may hold a small body and 64 KiB of what was read ahead."""
IDLE_S = 1.0  # so long a connection has been idle that gives way to a new one
HEAD_BYTES_MAX = 64 * 1024
HEAD_S_MAX = 10.0
PART_BYTES = 4 * 1024
"""Parsed in one callback of the loop: a chunk of one byte takes six, and a call of the parser."""


_HEAD_TOO_LARGE = f"a request's head may have {HEAD_BYTES_MAX} bytes"


class _Flow(FlowControl):
    """Reads no more while some of what was read is not parsed."""

    has_rest = False

    def resume_reading(self) -> None:
        if not self.has_rest:
            super().resume_reading()


class _Protocol(HttpToolsProtocol):
    """Limits heads, their time, connections, and what one callback parses.

    Goes on in HTTP/1.1 when a client offers another protocol; else the body would be lost.
    """

    _head_bytes = 0  # of the request whose head is being read
    _is_in_head = True
    _head_timer: asyncio.TimerHandle | None = None
    _body_bytes = 0  # still to come of a body of known length, which is only copied
    _rest = b""  # of what was read, not parsed yet
    _first: bytes | None = b""  # until it is known which protocol it is
    _seen = b""  # what came of a head, until its first header is complete
    _unknown_method = b""  # to the parser
    _method = b""
    _is_refused = False
    _has_eof = False  # the client closed its side after that
    _is_parsing_due = False
    _idle_since_s = 0.0

    http2: AdminHttp2

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.flow = self._own_flow = _Flow(transport)
        self._idle_since_s = self.loop.time()
        if self._is_one_too_many() and not self._make_room():
            self._end(503, f"there are {CONNECTIONS_MAX} connections already")
        else:
            self._await_head()

    def _is_one_too_many(self) -> bool:
        return len(self.connections) + self.http2.connection_count > CONNECTIONS_MAX

    def _make_room(self) -> bool:
        """Close the connection whose client has not sent a whole request for longest."""
        long_ago_s = self.loop.time() - IDLE_S
        idle = [one for one in self.connections if isinstance(one, _Protocol) and one.is_idle]
        oldest = min(idle, key=lambda one: one._idle_since_s, default=None)
        if oldest is None or oldest._idle_since_s > long_ago_s:
            return self.http2.make_room()
        oldest.transport.close()
        return True

    @property
    def is_idle(self) -> bool:
        """Its requests are answered, but one whose head is not complete."""
        return not self._rest and (self.cycle is None or self.cycle.response_complete)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        self._rest = b""
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._first is not None:
            data = self._first + data
            if not self._is_http1(data):
                return
        self._rest += data
        if not self._is_parsing_due:
            self._parse_part()

    def _is_http1(self, data: bytes) -> bool:
        """The first bytes of the connection: they are handed over if they are HTTP/2."""
        found = is_preface(data)
        self._first = data if found is None else None
        if found and not self._is_refused:
            self._stop_timer()
            self.connections.discard(self)
            serve_by(self.transport, self.http2.connection(), data)
        return found is False

    def _parse_part(self) -> None:
        """The next part of what was read; the loop has its turn before the one after it."""
        self._is_parsing_due = False
        self._unset_keepalive_if_required()
        part_bytes = max(PART_BYTES, self._body_bytes)
        part, self._rest = self._rest[:part_bytes], self._rest[part_bytes:]
        while part and not self._is_busy and not self._is_refused:
            part = self._parse_piece(part)
        self._rest = part + self._rest
        self._go_on()

    def _parse_piece(self, part: bytes) -> bytes:
        """The first piece, whose end may be that of a request; what is left to be parsed."""
        end = self._body_bytes if self._body_bytes > 0 else end_of_piece(part, 0, len(part))
        piece = part[:end]
        if not self._head_bytes:
            self._seen = piece
        elif not self.headers:
            self._seen += piece
        left = self._feed(piece)
        if self._is_in_head:
            self._head_bytes += len(piece) - len(left)
            if self._head_bytes > HEAD_BYTES_MAX:
                self._end(431, _HEAD_TOO_LARGE)
        else:
            self._seen = b""
        return left + part[end:]

    def _go_on(self) -> None:
        if self.transport.is_closing():
            self._rest = b""
        flow = self._own_flow
        flow.has_rest = bool(self._rest)
        if self._rest:
            flow.pause_reading()
            # Requests that were sent ahead stay bytes until the one before is answered.
            if not self._is_parsing_due and not self._is_busy:
                self._is_parsing_due = True
                self.loop.call_soon(self._parse_part)
        elif self._has_eof:
            if not self.eof_received():
                self.transport.close()
        elif not self._has_much_body():
            flow.resume_reading()

    @property
    def _is_busy(self) -> bool:
        """Whether a whole request is not answered yet: what follows may end the connection."""
        cycle = self.cycle
        return cycle is not None and not (cycle.more_body or cycle.response_complete)

    def _has_much_body(self) -> bool:
        """More than the application has taken: it reads on when it takes that."""
        return self.cycle is not None and len(self.cycle.body) > HIGH_WATER_LIMIT

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._idle_since_s = self.loop.time()
        if self._rest:
            self._go_on()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {UNFINISHED: {"close": self._leave_unfinished}}
        self._is_in_head = True
        self._head_bytes = 0
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
        self._check_head()
        self._is_in_head = False
        self._head_bytes = 0
        self._stop_timer()

    def _check_head(self) -> None:
        names = [name for name, _ in self.headers]
        size_bytes = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        self._method = self._unknown_method or self.parser.get_method()
        if size_bytes > HEAD_BYTES_MAX:
            self._end(431, _HEAD_TOO_LARGE)
        elif not is_well_formed(self._seen.lstrip(LINE_ENDS), self._method, self.url):
            self._end(400, BAD_LINE)
        elif (version := self.parser.get_http_version()) not in HTTP_VERSIONS:
            self._end(400, f"HTTP/{version} is not spoken here")
        elif version == "1.0" and b"transfer-encoding" in names:
            self._end(400, CODED_BODY)
        elif names.count(b"host") > 1:
            self._end(400, "a request may have one Host")

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _end(self, status: int, message: str) -> None:
        """Answer without the application, and close."""
        self._is_refused = True
        if not self.transport.is_closing():
            body = json.dumps(refusal_body(status, message)).encode()
            self.transport.write(
                b"HTTP/1.1 %d %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\n"
                b"connection: close\r\n\r\n%s"
                % (status, HTTPStatus(status).phrase.encode(), len(body), body)
            )
            self.transport.close()

    def send_400_response(self, msg: str) -> None:
        self._end(400, msg)

    def break_off(self) -> None:
        """The server ends: its request is not waited for any more, and gets a 503, or no end."""
        cycle = self.cycle
        if cycle is None or cycle.response_complete:
            self.transport.close()
            return
        if cycle.response_started:
            self.transport.abort()
        else:
            self._end(503, "the server is shutting down")
        cycle.disconnected = True
        cycle.message_event.set()

    def _leave_unfinished(self) -> None:
        """The answer under way has no end, as whoever makes it has said: that is no error."""
        self.cycle.disconnected = True
        self.transport.close()

    def _feed(self, data: bytes) -> bytes:
        """Parse; what is left is to be parsed again."""
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as offer:
            return self._decline_offer(data[offer.args[0] :])
        except httptools.HttpParserError as error:
            if found := with_known_method(data, error):
                self.parser = httptools.HttpRequestParser(self)
                self._unknown_method, data = found
                return self._feed(data)
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
        self._has_eof = True
        if self._rest:
            return True
        if self.cycle is None or self.cycle.response_complete or self.cycle.more_body:
            return False
        self.cycle.keep_alive = False
        return True

    def on_headers_complete(self) -> None:
        self._has_head()
        self._body_bytes = next((int(v) for k, v in self.headers if k == b"content-length"), 0)
        if not self.parser.should_upgrade() and not self._is_refused:
            super().on_headers_complete()  # its task has not begun
            self.scope["method"], self._unknown_method = self._method.decode(), b""

    def on_body(self, body: bytes) -> None:
        self._body_bytes -= len(body)
        if not self._is_refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        if not self.parser.should_upgrade() and not self._is_refused:
            super().on_message_complete()


class AdminServer:
    """Serves one ASGI application on one address."""

    def __init__(self, app: Asgi, body_bytes_max: int = BODY_BYTES_MAX) -> None:
        self._app = app
        self._is_over = False
        self._http2 = AdminHttp2(self._run, body_bytes_max, HEAD_BYTES_MAX, _KEEP_ALIVE_S)
        self._config = Config(
            self._run,
            access_log=False,
            http="httptools",
            interface="asgi3",
            lifespan="off",
            log_config=None,
            proxy_headers=False,
            timeout_keep_alive=_KEEP_ALIVE_S,
            ws="none",
        )
        self._state = ServerState()
        self._server: asyncio.Server | None = None

    async def _run(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            await self._app(scope, receive, send)
        except asyncio.CancelledError:
            if not self._is_over:
                raise

    async def start(self, listening: socket.socket) -> None:
        """Take connections of a socket that listens."""
        self._config.load()
        self._server = await asyncio.get_running_loop().create_server(
            self._protocol,
            sock=listening,
            backlog=LISTEN_BACKLOG_COUNT,
        )

    def _protocol(self) -> _Protocol:
        protocol = _Protocol(self._config, self._state, app_state={})
        protocol.http2 = self._http2
        return protocol

    async def stop(self, grace_s: float) -> None:
        """Stop listening, let the answers under way go out, then close. Who does not take the
        last answer is cut off, so that it ends after twice `grace_s` at most."""
        if self._server is None:
            return
        self._server.close()
        for connection in list(self._state.connections):
            connection.shutdown()
        self._http2.drain()
        loop = asyncio.get_running_loop()
        deadline = loop.time() + grace_s
        while (self._state.tasks or self._http2.tasks) and loop.time() < deadline:
            await asyncio.sleep(DRAIN_LOOK_S)
        self._is_over = True
        for connection in list(self._state.connections):
            assert isinstance(connection, _Protocol)
            connection.break_off()
        tasks = {*self._state.tasks, *self._http2.tasks}
        for task in tasks:
            task.cancel()
        deadline = loop.time() + grace_s
        while (tasks or self._has_connections) and loop.time() < deadline:
            await asyncio.sleep(DRAIN_LOOK_S)
            tasks = {task for task in tasks if not task.done()}
        for connection in list(self._state.connections):
            connection.transport.abort()
        self._http2.abort()
        await asyncio.sleep(0)  # they are told of it

    @property
    def _has_connections(self) -> bool:
        return bool(self._state.connections) or self._http2.connection_count > 0
