"""The admin API over HTTP/2: its streams become requests of the ASGI application.

Heads and bodies have the limits of the ingress's connections; a body is whole before the
application sees it, and what that says of bodies holds as over HTTP/1.1.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final
from urllib.parse import unquote

from orchestrator.admin.limits import BODIES_BYTES_MAX, BODY_BYTES_PER_S_MIN
from orchestrator.ingress import replies
from orchestrator.ingress.exchange import HttpReply, PendingRequest
from orchestrator.ingress.http2 import Http2
from orchestrator.ingress.http2_stream import StreamRequest
from orchestrator.ingress.options import IngressOptions
from orchestrator.ingress.server import SWEEP_S
from orchestrator.ingress.shared import Shared
from orchestrator.runtime.beat import until_beat_s
from orchestrator.runtime.clock import SystemClock
from orchestrator.runtime.telemetry import Telemetry

Asgi = Callable[[Any, Any, Any], Awaitable[None]]
AsgiMessage = MutableMapping[str, Any]

_log = logging.getLogger("perdure.admin")

_ROOM_BYTES: Final = 64 * 1024  # of an answer in parts that its client has not taken
_STREAMS_MAX: Final = 64  # of a connection
_REQUESTS_MAX: Final = 1_024  # at the same time


class AdminHttp2:
    """All connections over HTTP/2, and the requests they carry."""

    def __init__(
        self, app: Asgi, body_bytes_max: int, head_bytes_max: int, keep_alive_s: int
    ) -> None:
        self._app = app
        options = IngressOptions(
            cors_origins=(),
            payload_bytes_max=body_bytes_max,
            head_bytes_max=head_bytes_max,
            uploads_bytes_max=BODIES_BYTES_MAX,
            body_rate_bytes_min=BODY_BYTES_PER_S_MIN,
            keep_alive_s=keep_alive_s,
            streams_max=_STREAMS_MAX,
            requests_max=_REQUESTS_MAX,
        )
        self._shared = Shared(self._handle, SystemClock(), options, Telemetry())
        self._shared.cors.lines = b""  # its pages and those of others: `HostGuard` says
        self._shared.refresh_date()
        self._sweeper: asyncio.TimerHandle | None = None
        self.tasks: set[asyncio.Task[None]] = set()

    @property
    def connection_count(self) -> int:
        return len(self._shared.open)

    def connection(self) -> Http2:
        """What serves a connection from its first byte."""
        if self._sweeper is None:
            self._sweep_later()
        return Http2(self._shared)

    def make_room(self) -> bool:
        """Close the connection that has been idle longest, if one has been for a while."""
        self._shared.note_idle(0)
        return self._shared.make_room()

    def drain(self) -> None:
        """Take no more requests; connections close once theirs are answered."""
        self._shared.draining = True
        for connection in list(self._shared.open):
            connection.drain()

    def abort(self) -> None:
        """Close connections at once."""
        for connection in list(self._shared.open):
            connection.abort()

    def _sweep_later(self) -> None:
        loop = asyncio.get_running_loop()
        self._sweeper = loop.call_later(until_beat_s(loop.time(), SWEEP_S), self._sweep)

    def _sweep(self) -> None:
        """Once a second, while there are connections."""
        self._sweeper = None
        shared = self._shared
        shared.tick += 1
        shared.refresh_date()
        for connection in list(shared.open):
            connection.sweep()
        shared.uploads.sweep()
        shared.unsent.sweep()
        if shared.open:
            self._sweep_later()

    def _handle(self, exchange: PendingRequest, crowded: frozenset[str] = frozenset()) -> None:
        assert isinstance(exchange, StreamRequest)
        task = asyncio.get_running_loop().create_task(self._call(exchange))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _call(self, exchange: StreamRequest) -> None:
        answer = _Answer(exchange)
        try:
            await self._app(_scope_of(exchange), answer.receive, answer.send)
        except Exception:  # noqa: BLE001 - the last line of a face
            _log.exception("request failed: %r", exchange.url[:200])
        finally:
            answer.end()


def _scope_of(exchange: StreamRequest) -> dict[str, Any]:
    raw_path, _, query = exchange.url.partition(b"?")
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "2",
        "server": exchange.stream.server,
        "client": exchange.stream.client,
        "scheme": "http",
        "method": exchange.method.decode("latin-1"),
        "root_path": "",
        "path": unquote(raw_path.decode("latin-1")),
        "raw_path": raw_path,
        "query_string": query,
        "headers": exchange.headers,
        "state": {},
    }


class _Answer:
    """The application's side of one request."""

    def __init__(self, exchange: StreamRequest) -> None:
        self._exchange = exchange
        self._body: bytes | None = exchange.body
        self._gone = asyncio.Event()  # the client, or its answer is out
        self._start: AsgiMessage | None = None
        self._is_open = False
        self._is_over = False
        exchange.body = b""
        exchange.stream.on_close = self._gone.set

    async def receive(self) -> AsgiMessage:
        body, self._body = self._body, None
        if body is not None:
            return {"type": "http.request", "body": body, "more_body": False}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: AsgiMessage) -> None:
        if message["type"] == "http.response.start":
            self._start = message
        elif message["type"] == "http.response.body" and not self._is_over:
            await self._send_body(message.get("body", b""), message.get("more_body", False))

    async def _send_body(self, data: bytes, is_more: bool) -> None:
        assert self._start is not None
        stream, status, head = self._exchange.stream, self._start["status"], self._start["headers"]
        if not self._is_open and not is_more:
            self._is_over = True
            lines = b"".join(
                b"%b: %b\r\n" % (name, value) for name, value in head if name != b"content-length"
            )
            self._exchange.respond(HttpReply(status, lines, data))
            return
        if not self._is_open:
            self._is_open = True
            stream.open_answer(status, [(name.lower(), value) for name, value in head])
        self._is_over = not is_more
        if self._exchange.method == b"HEAD":
            data = b""
        if data or not is_more:
            stream.send(data, is_end=not is_more)
        if is_more:
            await stream.room(_ROOM_BYTES)

    def end(self) -> None:
        """The application has returned, or failed."""
        if self._is_over:
            return
        self._is_over = True
        if self._is_open:
            self._exchange.stream.break_off()
        else:
            self._exchange.respond(replies.refused(500, "internal error"))
