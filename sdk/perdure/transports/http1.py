"""The service's side of an HTTP/1.1 connection: one request after the other, no duplex."""

import asyncio
import math
from collections.abc import Callable
from http import HTTPStatus
from typing import Final, cast

import httptools

from perdure.discovery import ProtocolMode
from perdure.endpoint import SDK_NAME, Answer, Endpoint
from perdure.transports.port import RunningAttempt, StartAttempt

_SERVER: Final = f"x-restate-server: {SDK_NAME}\r\n"
_LAST_CHUNK: Final = b"0\r\n\r\n"
HEAD_TIMEOUT_S: Final = 10.0  # from the first byte of a head to its last
BODY_TIMEOUT_S: Final = 60.0  # between two parts of a body
_HEAD_BYTES_MAX: Final = 64 * 1024
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


class Http1Connection(asyncio.Protocol):
    """Serves an endpoint on a connection. `closed` is called once, when it is."""

    def __init__(
        self,
        endpoint: Endpoint,
        start: StartAttempt,
        loop: asyncio.AbstractEventLoop,
        closed: Callable[["Http1Connection"], None],
    ) -> None:
        self._endpoint = endpoint
        self._start = start
        self._loop = loop
        self._closed = closed
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpRequestParser(self)
        self._url = b""
        self._headers: dict[str, str] = {}
        self._head_bytes = 0
        self._attempt: RunningAttempt | None = None
        self._answer: Answer | None = None
        self._content_type = ""
        self._chunks: list[bytes] = []  # sent when the request is over
        self._request_over = False
        self._in_body = False
        self._head_sent = False
        self._busy = False  # a request has begun, and its response is not over
        self._keep_alive = True
        self._stopping = False
        self.deadline_s = math.inf

    # -- for the server

    def stop(self) -> None:
        """Take no more requests, and close when the one that runs is over."""
        self._stopping = True
        if not self._busy and self._transport is not None:
            self._transport.close()

    def cut(self) -> None:
        """Close it at once."""
        if self._transport is not None:
            self._transport.abort()

    def give_up(self) -> None:
        """The peer is too slow with what it began."""
        self.deadline_s = math.inf
        self._refuse(408)

    # -- from the transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if self._in_body:
            self.deadline_s = self._loop.time() + BODY_TIMEOUT_S
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserCallbackError):
            self._refuse(400)
        except httptools.HttpParserUpgrade:
            self._refuse(501)

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        attempt, self._attempt = self._attempt, None
        if attempt is not None:
            attempt.lost()
        self._closed(self)

    # -- from the parser

    def on_message_begin(self) -> None:
        if self._busy:
            raise ValueError("a request before the response to the last one")
        self._url, self._headers, self._head_bytes = b"", {}, 0
        self._chunks, self._answer = [], None
        self._request_over = self._head_sent = self._in_body = False
        self._busy = True
        self.deadline_s = self._loop.time() + HEAD_TIMEOUT_S

    def on_url(self, url: bytes) -> None:
        self._url += url
        self._count(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")
        self._count(len(name) + len(value))

    def on_headers_complete(self) -> None:
        self._keep_alive = self._parser.should_keep_alive()
        self._in_body = True
        self.deadline_s = self._loop.time() + BODY_TIMEOUT_S
        path = self._url.partition(b"?")[0].decode("latin-1")
        mode: ProtocolMode = "REQUEST_RESPONSE"
        method = self._parser.get_method().decode("latin-1")
        found = self._endpoint.answer(method, path, self._headers, mode)
        if isinstance(found, Answer):
            self._answer = found
            return
        if self._headers.get("expect", "").lower() == "100-continue" and self._transport:
            self._transport.write(_CONTINUE)
        self._content_type = found.content_type
        self._attempt = self._start(
            found.handler, found.version, self._send, self._end, self._loop, self._headers
        )

    def on_body(self, data: bytes) -> None:
        if self._attempt is not None:
            self._attempt.feed(data)

    def on_message_complete(self) -> None:
        self._request_over, self._in_body = True, False
        self.deadline_s = math.inf
        if self._answer is not None:
            answer = self._answer
            self._write_whole(answer.status, answer.content_type, answer.body)
        elif self._attempt is not None:
            self._attempt.end_input()
            if self._attempt is not None:
                self._write_chunks()
        else:  # it was over before its request was
            self._finish()

    # -- from the attempt

    def _send(self, data: bytes) -> None:
        self._chunks.append(data)
        if self._request_over and self._head_sent:
            self._write_chunks()

    def _end(self) -> None:
        self._attempt = None
        if self._request_over:
            self._finish()

    # -- inside

    def _finish(self) -> None:
        if not self._head_sent:
            self._write_whole(200, self._content_type, b"".join(self._chunks))
            return
        self._write_chunks()
        if self._transport is not None:
            self._transport.write(_LAST_CHUNK)
        self._done()

    def _write_chunks(self) -> None:
        """Send what there is, though more will come."""
        body, self._chunks = b"".join(self._chunks), []
        if self._transport is None:
            return
        if not self._head_sent:
            self._head_sent = True
            head = (
                f"HTTP/1.1 200 OK\r\ncontent-type: {self._content_type}\r\n"
                f"transfer-encoding: chunked\r\n{_SERVER}\r\n"
            )
            self._transport.write(head.encode())
        if body:
            self._transport.write(b"%x\r\n%b\r\n" % (len(body), body))

    def _write_whole(self, status: int, content_type: str, body: bytes) -> None:
        if self._transport is not None:
            keep = "" if self._keep_alive and not self._stopping else "connection: close\r\n"
            head = (
                f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\ncontent-type: {content_type}\r\n"
                f"content-length: {len(body)}\r\n{keep}{_SERVER}\r\n"
            )
            self._transport.write(head.encode() + body)
        self._done()

    def _done(self) -> None:
        self._busy = False
        if (self._stopping or not self._keep_alive) and self._transport is not None:
            self._transport.close()

    def _count(self, size_bytes: int) -> None:
        self._head_bytes += size_bytes
        if self._head_bytes > _HEAD_BYTES_MAX:
            raise ValueError("the head of the request is too large")

    def _refuse(self, status: int) -> None:
        self._keep_alive = False
        if self._transport is not None and not self._head_sent:
            self._write_whole(status, "text/plain", b"")
        self.cut_after_writing()

    def cut_after_writing(self) -> None:
        """Close it when what was written is sent."""
        if self._transport is not None:
            self._transport.close()
