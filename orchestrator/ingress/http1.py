"""HTTP/1.1 for the ingress: bytes of a connection become exchanges, replies become bytes.

No task and no future per request: the parser's callbacks hand a complete request to the face,
and the engine's callback writes the answer. Answers keep the order of their requests.
"""

import asyncio
from collections import deque
from typing import NamedTuple, cast

import httptools

from orchestrator.ingress import replies
from orchestrator.ingress.exchange import Exchange, Reply
from orchestrator.ingress.shared import Shared
from orchestrator.ingress.statuses import STATUS_LINES
from orchestrator.ingress.upgrade import head_without_offer

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_CLOSE = b"connection: close\r\n"
_KEEP_ALIVE = b"connection: keep-alive\r\n"
_VERSIONS = ("1.1", "1.0")
_WATCHED = frozenset((b"content-length", b"expect"))
_FRAMING_RATIO_MAX = 16  # a chunk of one byte takes six
_JOINED_BYTES_MAX = 64 * 1024  # a larger body is written by itself rather than copied


class _Item(NamedTuple):
    """An exchange in its turn; `refusal` is its answer if the request was not read to its end."""

    exchange: Exchange
    keep_alive: bool
    old: bool  # HTTP/1.0
    refusal: Reply | None


class Http1(asyncio.Protocol):
    """One connection of a client."""

    __slots__ = (
        "_began_s",
        "_body",
        "_body_bytes",
        "_current",
        "_ending",
        "_expects",
        "_framed_bytes",
        "_half_closed",
        "_head_bytes",
        "_headers",
        "_in_head",
        "_lingers",
        "_offers",
        "_parser",
        "_partial",
        "_queue",
        "_seen",
        "_shared",
        "_transport",
        "_unsent_bytes",
        "_url",
        "_write_paused",
    )

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._transport: asyncio.Transport = cast(asyncio.Transport, None)
        self._parser = httptools.HttpRequestParser(self)
        self._queue: deque[_Item] = deque()
        self._current: _Item | None = None
        self._began_s = 0.0  # when that was handed over
        self._seen = shared.tick  # when the connection last made progress
        self._partial = False  # a request has begun and is not complete
        self._ending = False  # nothing more is read
        self._lingers = False  # what still comes is dropped before the close
        self._half_closed = False  # the client has said its last, and may still listen
        self._write_paused = False
        self._unsent_bytes = 0  # when the last sweep saw a reader that is slow
        self._head_bytes = 0
        self._framed_bytes = 0  # of a body as it came, with all that is around its chunks
        self._body_bytes = 0
        self._body: list[bytes] = []
        self._in_head = True
        self._offers = False

    # --- the transport ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._shared.open.add(self)
        if len(self._shared.open) > self._shared.options.connections_max:
            retry_after_s = self._shared.options.retry_after_s
            self._refuse_rest(replies.unavailable("too many connections", retry_after_s))

    def connection_lost(self, exc: Exception | None) -> None:
        self._shared.open.discard(self)
        self._drop_body()
        self._ending = True
        self._queue.clear()
        current, self._current = self._current, None
        if current is not None:
            self._shared.in_flight -= 1
            current.exchange.abandon()

    def eof_received(self) -> bool:
        """A client may close its side once it has asked; it cannot be told from one that went
        away, so that its answer is waited for only so long."""
        if self._current is None and not self._queue:
            return False
        self._ending = True
        self._half_closed = True
        self._seen = self._shared.tick
        return True

    def pause_writing(self) -> None:
        self._write_paused = True

    def resume_writing(self) -> None:
        self._write_paused = False
        self._seen = self._shared.tick
        self._next()

    def data_received(self, data: bytes) -> None:
        rest = self._feed(data)
        while rest:
            rest = self._feed(rest)

    def _feed(self, data: bytes) -> bytes:
        """Parse; what is left is to be parsed again, after an offer of another protocol."""
        if self._ending:
            return b""
        self._seen = self._shared.tick
        if self._in_head:
            self._head_bytes += len(data)
        else:
            self._framed_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as offer:
            return self._decline_offer(data, offer.args[0])
        except httptools.HttpParserError as error:
            self._refuse_rest(replies.refused(400, f"bad HTTP request: {error}"))
        head_bytes_max = self._shared.options.head_bytes_max
        if not self._in_head:
            # Extensions and trailers of chunks are a head of their own: they mean nothing here.
            if self._framed_bytes > head_bytes_max + _FRAMING_RATIO_MAX * self._body_bytes:
                self._refuse_rest(replies.refused(400, "there is too much around a chunked body"))
        elif self._head_bytes > head_bytes_max:
            message = f"the headers of a request may have at most {head_bytes_max} bytes"
            self._refuse_rest(replies.refused(431, message))
        return b""

    def _decline_offer(self, data: bytes, offset: int) -> bytes:
        """Go on in HTTP/1.1 after an offer of another protocol."""
        method = self._parser.get_method()
        version = self._parser.get_http_version()
        self._parser = httptools.HttpRequestParser(self)
        if method == b"CONNECT":
            self._refuse_rest(replies.refused(405, "method not allowed, use GET, POST"))
            return b""
        head = head_without_offer(method, self._url, version, self._headers)
        self._head_bytes = 0
        return head + data[offset:]

    # --- the parser ---

    def on_message_begin(self) -> None:
        self._partial = True
        self._in_head = True
        self._expects = False
        self._offers = False
        self._url = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._body = []

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes | None) -> None:
        if not self._in_head:
            return  # trailers mean nothing here
        name = name.lower()
        value = value or b""
        if name in _WATCHED:
            if name == b"expect":
                self._expects = value.lower() == b"100-continue"
            elif int(value) > self._shared.options.payload_bytes_max:
                self._refuse_size()
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._head_bytes = self._framed_bytes = 0
        count_max = self._shared.options.header_count_max
        if len(self._headers) > count_max:
            self._refuse_rest(replies.refused(431, f"a request may have {count_max} headers"))
        if self._parser.should_upgrade():
            self._offers = True
        elif self._expects and not self._ending:
            self._transport.write(_CONTINUE)

    def on_body(self, body: bytes) -> None:
        if self._ending:
            return
        shared = self._shared
        self._body.append(body)
        self._body_bytes += len(body)
        shared.buffered_bytes += len(body)
        if self._body_bytes > shared.options.payload_bytes_max:
            self._refuse_size()
        elif shared.buffered_bytes > shared.options.buffered_bytes_max:
            reason = "too many large requests at the same time"
            self._refuse_rest(replies.unavailable(reason, shared.options.retry_after_s))

    def on_message_complete(self) -> None:
        if self._offers or self._ending:
            return
        parser = self._parser
        version = parser.get_http_version()
        if version not in _VERSIONS:
            self._refuse_rest(replies.refused(400, f"HTTP/{version} is not spoken here"))
            return
        body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        self._drop_body()
        self._partial = False
        self._in_head = True
        keep_alive = parser.should_keep_alive()
        self._ending = not keep_alive
        exchange = Exchange(parser.get_method(), self._url, self._headers, body, self._respond)
        self._enqueue(_Item(exchange, keep_alive, version == "1.0", None))

    def _drop_body(self) -> None:
        self._body = []
        self._shared.buffered_bytes -= self._body_bytes
        self._body_bytes = 0

    def _refuse_size(self) -> None:
        limit = self._shared.options.payload_bytes_max
        self._refuse_rest(replies.refused(413, f"the body may have at most {limit} bytes"))

    def _refuse_rest(self, refusal: Reply) -> None:
        """Answer what is not read any further, and end."""
        if self._ending:
            return
        self._drop_body()
        self._ending = True
        self._lingers = True
        self._partial = False
        exchange = Exchange(b"", b"", [], b"", self._respond)
        self._enqueue(_Item(exchange, False, False, refusal))

    # --- one after the other ---

    def _enqueue(self, item: _Item) -> None:
        if self._current is None and not self._queue and not self._write_paused:
            self._begin(item)
        else:
            self._queue.append(item)
            if not self._ending and not self._transport.is_closing():
                self._transport.pause_reading()

    def _begin(self, item: _Item) -> None:
        self._current = item
        shared = self._shared
        shared.in_flight += 1
        self._began_s = shared.now_s()
        if item.refusal is not None:
            item.exchange.respond(item.refusal)
        elif shared.in_flight > shared.options.requests_max:
            item.exchange.respond(replies.refused(429, "too many requests at the same time"))
        else:
            shared.handle(item.exchange)

    def _next(self) -> None:
        queue = self._queue
        while queue and self._current is None and not self._write_paused:
            self._begin(queue.popleft())
        if not queue and not self._transport.is_closing():
            self._transport.resume_reading()

    def _respond(self, exchange: Exchange, reply: Reply) -> None:
        item = self._current
        assert item is not None and item.exchange is exchange
        self._current = None
        shared = self._shared
        shared.in_flight -= 1
        shared.answered(reply.status, self._began_s)
        self._seen = shared.tick
        is_last = self._ending and not self._queue
        keep_alive = item.keep_alive and not is_last and not shared.draining
        self._write(reply, exchange.method == b"HEAD", keep_alive, item.old)
        if not keep_alive:
            self._finish()
        elif self._queue:
            asyncio.get_running_loop().call_soon(self._next)

    def _write(self, reply: Reply, bodiless: bool, keep_alive: bool, old: bool) -> None:
        status, headers, body = reply
        length = b"content-length: %d\r\n" % len(body)
        connection = _CLOSE if not keep_alive else _KEEP_ALIVE if old else b""
        date = self._shared.date_line()
        head = STATUS_LINES[status] + date + headers + length + connection + b"\r\n"
        if bodiless:
            self._transport.write(head)
        elif len(body) <= _JOINED_BYTES_MAX:
            self._transport.write(head + body)
        else:
            self._transport.write(head)
            self._transport.write(body)

    def _finish(self) -> None:
        """The last answer is out. After a refusal what still comes is read and dropped: a close
        with unread bytes would take the answer away from the client."""
        self._ending = True
        self._queue.clear()
        if self._lingers and self._transport.can_write_eof():
            self._transport.write_eof()
        else:
            self._transport.close()

    # --- the server ---

    def sweep(self) -> None:
        if self._write_paused:
            unsent_bytes = self._transport.get_write_buffer_size()
            if unsent_bytes != self._unsent_bytes:  # nothing is written meanwhile: it went out
                self._unsent_bytes = unsent_bytes
                self._seen = self._shared.tick
        idle_s = self._shared.tick - self._seen
        options = self._shared.options
        if self._write_paused:
            if idle_s > options.request_stall_s:
                self._transport.abort()
        elif self._current is not None or self._queue:
            if self._half_closed and idle_s > options.half_closed_s:
                self._transport.abort()
        elif self._ending:
            if idle_s > options.linger_s:
                self._transport.abort()
        elif self._partial:
            if idle_s > options.request_stall_s:
                self._refuse_rest(replies.refused(408, "the request did not come to its end"))
        elif idle_s > options.keep_alive_s:
            self._transport.close()

    def drain(self) -> None:
        if self._current is None and not self._queue and not self._partial:
            self._transport.close()

    def waiting(self) -> Exchange | None:
        return None if self._current is None else self._current.exchange
