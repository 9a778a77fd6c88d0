"""One HTTP/1.1 connection to a service: one exchange at a time.

A request whose length is known beforehand goes out as it comes, with flow control by the buffer of
the transport; any other once it is whole.
"""

import asyncio
from typing import Final, cast

import httptools

from orchestrator.exchanges.dialing import alpn_of
from orchestrator.exchanges.draining import DRAIN_S
from orchestrator.exchanges.exchange import UNKNOWN, ConnectionOwner, Exchange, HeaderLines
from orchestrator.exchanges.portions import PORTION_BYTES, Portions
from orchestrator.runtime.scheduler import CallSoon

_IDLE_S: Final = 60.0
_ANSWER_HEAD_BYTES_MAX: Final = 64 * 1024  # with what comes before its final status
_WITHOUT_BODY: Final = (b"GET", b"HEAD")


def request_head(head: HeaderLines, body_bytes: int) -> bytes:
    """The head of a request in the form of HTTP/1.1, from one in the form of HTTP/2."""
    method, authority, path = head[0][1], head[2][1], head[3][1]
    lines = [method, b" ", path, b" HTTP/1.1\r\nhost: ", authority, b"\r\n"]
    for name, value in head[4:]:
        lines += (name, b": ", value, b"\r\n")
    if body_bytes or method not in _WITHOUT_BODY:
        lines += (b"content-length: ", str(body_bytes).encode(), b"\r\n")
    lines.append(b"\r\n")
    return b"".join(lines)


class Http1Connection(asyncio.Protocol):
    """A client's side of a connection, over a transport that is connected."""

    def __init__(self, owner: ConnectionOwner, call_soon: CallSoon) -> None:
        self._owner = owner
        self._call_soon = call_soon
        self._portions = Portions(call_soon, self._take)
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._exchange: Exchange | None = None
        self._headers: list[tuple[bytes, bytes]] = []
        self._head_bytes = 0
        self._framed = False
        self._is_streaming = False  # the request under way: its head said how long it will be
        self._left_bytes = 0  # of it
        self._write_paused = False
        self._interim = False
        self._in_body = False
        self._useful_count = 0
        self._open = False
        self.refusal = ""  # why it cannot be used with this peer at all
        self._quiet_s = 0.0

    # --- for the pool ---

    @property
    def is_open(self) -> bool:
        """Whether it takes exchanges, now or once there is room."""
        return self._open

    @property
    def was_useful(self) -> bool:
        """Whether the peer ever answered a request on it."""
        return self._useful_count > 0

    @property
    def free(self) -> int:
        return 1 if self._open and self._exchange is None else 0

    @property
    def alpn(self) -> str | None:
        """The protocol that TLS agreed on."""
        return alpn_of(self._transport)

    @property
    def stream_count(self) -> int:
        return 0 if self._exchange is None else 1

    def start(self, exchange: Exchange) -> None:
        """Carry an exchange."""
        exchange.carrier = self
        exchange.mark = self._useful_count
        self._exchange = exchange
        self._quiet_s = 0.0
        self._is_streaming = False
        self._left_bytes = 0
        if exchange.is_held_back:
            self.hold_back(exchange)
        if exchange.ended:
            self.end(exchange)
        elif exchange.body_bytes != UNKNOWN:
            self._begin(exchange)

    def close(self, reason: str) -> None:
        self._fail(reason)

    def sweep(self, now_s: float) -> None:
        """Cut off what drains for too long; close when idle."""
        exchange = self._exchange
        if exchange is None:
            self._quiet_s = self._quiet_s or now_s
            if now_s - self._quiet_s > _IDLE_S:
                self._fail("idle")
        elif exchange.deadline_s < 0:
            exchange.deadline_s = now_s + DRAIN_S
        elif exchange.deadline_s and now_s > exchange.deadline_s:
            exchange.cancel()

    # --- for exchanges ---

    def _begin(self, exchange: Exchange) -> None:
        """Write what there is of a request of known length."""
        assert self._transport is not None
        self._is_streaming = True
        self._transport.set_write_buffer_limits(exchange.room_bytes, exchange.room_bytes // 2)
        chunks, exchange.chunks = exchange.chunks, []
        self._left_bytes = exchange.body_bytes - sum(map(len, chunks))
        self._transport.writelines([request_head(exchange.head, exchange.body_bytes), *chunks])
        if exchange.wants_room:
            self.want_room(exchange)

    def send(self, exchange: Exchange, data: bytes) -> None:
        if not self._is_streaming:
            exchange.chunks.append(data)
        elif self._transport is not None:
            self._left_bytes -= len(data)
            self._transport.write(data)

    def end(self, exchange: Exchange) -> None:
        if self._transport is None:
            return
        if self._is_streaming:
            if self._left_bytes:  # the answer came before
                self._fail("the request ended before its time")
            return
        chunks, exchange.chunks = exchange.chunks, []
        head = request_head(exchange.head, sum(map(len, chunks)))
        self._transport.writelines([head, *chunks])

    def cancel(self, exchange: Exchange) -> None:
        self._fail("cancelled")

    def drain(self, exchange: Exchange) -> None:
        exchange.deadline_s = -1.0

    def hold_back(self, exchange: Exchange) -> None:
        self._portions.hold_back(exchange.is_held_back)

    def queued_bytes(self, exchange: Exchange) -> int:
        return 0 if self._transport is None else self._transport.get_write_buffer_size()

    def want_room(self, exchange: Exchange) -> None:
        if not self._write_paused:
            self._call_soon(self._report_room)

    def _report_room(self) -> None:
        exchange = self._exchange
        if exchange is not None and exchange.wants_room and not self._write_paused:
            exchange.wants_room = False
            exchange.receiver.on_drained()

    def retire(self, reason: str) -> None:
        """Nothing to do: the connection is closed when its exchange is cancelled."""

    # --- from the transport ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclass of asyncio's.
        self._transport = self._portions.transport = cast(asyncio.Transport, transport)
        self._open = True

    def data_received(self, data: bytes) -> None:
        if len(data) > PORTION_BYTES or self._portions.has_rest:
            self._portions.feed(data)
        else:
            self._take(data)

    def _take(self, data: bytes | memoryview) -> None:
        if self._exchange is None:
            self._fail("bytes that belong to no request")
            return
        self._exchange.answered = True
        useful_count = self._useful_count
        self._owner.on_read()
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._fail("the endpoint wants another protocol")
            return
        except httptools.HttpParserError as error:
            self._fail(f"HTTP/1.1 error: {error}")
            return
        self._owner.on_batch()
        if self._in_body or self._useful_count != useful_count:
            self._head_bytes = 0
        else:
            self._head_bytes += len(data)
            if self._head_bytes > _ANSWER_HEAD_BYTES_MAX:
                self._fail(
                    f"the head of the response is longer than {_ANSWER_HEAD_BYTES_MAX} bytes"
                )

    def pause_writing(self) -> None:
        self._write_paused = True

    def resume_writing(self) -> None:
        self._write_paused = False
        self._report_room()

    def eof_received(self) -> None:
        self._lost("the peer closed the connection")

    def connection_lost(self, error: Exception | None) -> None:
        self._lost(f"connection lost: {error or 'closed by the peer'}")

    # --- from the parser ---

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_body:
            return  # a trailer: it is ignored
        name = name.lower()
        if name == b"content-length" or name == b"transfer-encoding":
            self._framed = True
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        headers, self._headers = self._headers, []
        self._interim = 100 <= status < 200
        self._in_body = not self._interim
        if self._in_body and self._exchange is not None:
            self._exchange.http_version = self._parser.get_http_version()
            if self._exchange.http_version not in ("1.1", "1.0"):
                self._fail(f"HTTP/1.1 error: an answer in HTTP/{self._exchange.http_version}")
                return
            self._exchange.receiver.on_response(status, headers)

    def on_body(self, data: bytes) -> None:
        if self._exchange is not None:
            self._exchange.receiver.on_body(data)

    def on_message_complete(self) -> None:
        if self._interim:
            return
        self._framed = self._in_body = False
        exchange, self._exchange = self._exchange, None
        self._useful_count += 1
        # A response before the end of its request leaves the connection in no state to go on.
        reusable = self._parser.should_keep_alive() and exchange is not None and exchange.ended
        if not reusable:
            self._stop_taking()
        if exchange is not None and not exchange.closed:
            exchange.closed = True
            exchange.receiver.on_end()
        if reusable and self._open:
            self._owner.on_room(self)
        else:
            self._fail("closed after the response")

    # --- inside ---

    def _lost(self, reason: str) -> None:
        # A response without a length ends with its connection.
        if self._in_body and not self._framed:
            self.on_message_complete()
        self._fail(reason)

    def _stop_taking(self) -> None:
        if self._open:
            self._open = False
            self._owner.on_closed(self)

    def _fail(self, reason: str) -> None:
        self._stop_taking()
        transport, self._transport = self._transport, None
        self._portions.close()
        self._parser = httptools.HttpResponseParser(object())  # the old one refers to this
        exchange, self._exchange = self._exchange, None
        if transport is not None:
            if exchange is None:
                transport.close()
            else:
                transport.abort()
        if exchange is not None and not exchange.closed:
            # A kept-alive connection may close just as the next request is written to it.
            exchange.break_off(reason, exchange.mark > 0 and not exchange.answered)
            self._owner.on_batch()
