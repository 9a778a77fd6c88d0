"""The service's side of an HTTP/2 connection: full duplex, one write for what one read brought."""

import asyncio
import math
from collections.abc import Callable
from contextlib import suppress
from typing import Final, cast

import ngh2

from perdure.endpoint import SDK_NAME, Answer, Endpoint
from perdure.transports.port import RunningAttempt, StartAttempt

STREAM_WINDOW_BYTES: Final = 1024 * 1024
CONNECTION_WINDOW_BYTES: Final = 16 * 1024 * 1024
_WRITE_BYTES: Final = 256 * 1024  # made at a time: what waits is not copied
_WRITE_BUFFER_BYTES: Final = 1024 * 1024
_CONFIGURATION: Final = ngh2.Configuration(auto_window_update=True)
_SERVER: Final = (b"x-restate-server", SDK_NAME.encode())


class _Stream:
    """One request and its response. An attempt that is over is forgotten."""

    __slots__ = ("_connection", "_id", "attempt")

    def __init__(self, connection: "Http2Connection", stream_id: int) -> None:
        self._connection = connection
        self._id = stream_id
        self.attempt: RunningAttempt | None = None

    def send(self, data: bytes) -> None:
        self._connection.send(self._id, data)

    def end(self) -> None:
        self.attempt = None
        self._connection.end(self._id)


class Http2Connection(asyncio.Protocol):
    """Serves an endpoint on a connection. `closed` is called once, when it is."""

    deadline_s = math.inf  # a request stays open as long as its attempt

    def __init__(
        self,
        endpoint: Endpoint,
        start: StartAttempt,
        loop: asyncio.AbstractEventLoop,
        closed: Callable[["Http2Connection"], None],
        streams_max: int,
    ) -> None:
        self._endpoint = endpoint
        self._start = start
        self._loop = loop
        self._closed = closed
        self._streams_max = streams_max
        self._transport: asyncio.Transport | None = None
        self._h2 = ngh2.Connection(ngh2.Role.SERVER, _CONFIGURATION)
        self._streams: dict[int, _Stream] = {}
        self._heads: dict[str, list[tuple[bytes, bytes]]] = {}
        self._reading = False
        self._flush_is_due = False
        self._write_paused = False
        self._stopping = False

    # -- for the server

    def stop(self) -> None:
        """Take no more requests; suspend what waits, and close when all is over."""
        self._stopping = True
        with suppress(ngh2.NGH2Error):
            self._h2.send_goaway()
        for stream in list(self._streams.values()):
            if stream.attempt is not None:
                stream.attempt.end_input()
        self._touch()

    def cut(self) -> None:
        """Close it at once."""
        if self._transport is not None:
            self._transport.abort()

    def give_up(self) -> None:
        self.cut()

    # -- for streams

    def send(self, stream_id: int, data: bytes) -> None:
        try:
            self._h2.send_data(stream_id, data)
        except ngh2.NGH2Error:
            return  # reset by the peer; StreamClosed is on the way
        if not self._reading:
            self._touch()

    def end(self, stream_id: int) -> None:
        with suppress(ngh2.NGH2Error):
            self._h2.end_stream(stream_id)
        if not self._reading:
            self._touch()

    # -- from the transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclass of asyncio's.
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=_WRITE_BUFFER_BYTES)
        self._h2.initiate_connection(
            {
                ngh2.Setting.MAX_CONCURRENT_STREAMS: self._streams_max,
                ngh2.Setting.INITIAL_WINDOW_SIZE: STREAM_WINDOW_BYTES,
            }
        )
        self._h2.set_local_window_size(CONNECTION_WINDOW_BYTES)

    def data_received(self, data: bytes) -> None:
        self._reading = True
        try:
            self._h2.receive_data(data)
            self._deliver()
        except ngh2.NGH2Error:
            self._deliver()
            self._flush()  # says why, if it can
            self.cut()
            return
        finally:
            self._reading = False
        self._flush()

    def eof_received(self) -> None:
        return None  # closes

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        streams, self._streams = self._streams, {}
        for stream in streams.values():
            self._lose(stream)
        self._closed(self)

    def pause_writing(self) -> None:
        self._write_paused = True

    def resume_writing(self) -> None:
        self._write_paused = False
        self._touch()

    # -- inside

    def _deliver(self) -> None:
        streams = self._streams
        for event in self._h2.events():
            kind = type(event)
            if kind is ngh2.DataReceived:
                self._on_data(event)  # type: ignore[arg-type]
            elif kind is ngh2.RequestReceived:
                self._on_request(event)  # type: ignore[arg-type]
            elif kind is ngh2.StreamClosed:
                stream = streams.pop(event.stream_id, None)  # type: ignore[attr-defined]
                if stream is not None:
                    self._lose(stream)
            elif kind is ngh2.TrailersReceived:
                self._end_input(streams.get(event.stream_id))  # type: ignore[attr-defined]

    def _on_request(self, event: ngh2.RequestReceived) -> None:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in event.headers}
        path = headers.get(":path", "").partition("?")[0]
        found = self._endpoint.answer(headers.get(":method", ""), path, headers, "BIDI_STREAM")
        stream_id = event.stream_id
        stream = self._streams[stream_id] = _Stream(self, stream_id)
        if isinstance(found, Answer):
            self._answer(stream_id, found)
            return
        self._h2.send_response(stream_id, self._head(found.content_type))
        stream.attempt = self._start(
            found.handler, found.version, stream.send, stream.end, self._loop, headers
        )
        if event.end_stream:
            self._end_input(stream)

    def _head(self, content_type: str) -> list[tuple[bytes, bytes]]:
        head = self._heads.get(content_type)
        if head is None:
            head = [(b":status", b"200"), (b"content-type", content_type.encode()), _SERVER]
            self._heads[content_type] = head
        return head

    def _answer(self, stream_id: int, answer: Answer) -> None:
        head = [
            (b":status", str(answer.status).encode()),
            (b"content-type", answer.content_type.encode()),
            (b"content-length", str(len(answer.body)).encode()),
            _SERVER,
        ]
        self._h2.send_response(stream_id, head)
        self._h2.send_data(stream_id, answer.body, end_stream=True)

    def _on_data(self, event: ngh2.DataReceived) -> None:
        stream = self._streams.get(event.stream_id)
        if stream is None or stream.attempt is None:
            return
        if data := event.data:
            stream.attempt.feed(data)
        if event.end_stream:
            self._end_input(stream)

    def _end_input(self, stream: _Stream | None) -> None:
        if stream is not None and stream.attempt is not None:
            stream.attempt.end_input()

    def _lose(self, stream: _Stream) -> None:
        attempt, stream.attempt = stream.attempt, None
        if attempt is not None:
            attempt.lost()

    def _touch(self) -> None:
        if not self._flush_is_due and self._transport is not None:
            self._flush_is_due = True
            self._loop.call_soon(self._flush_late)

    def _flush_late(self) -> None:
        self._flush_is_due = False
        self._flush()

    def _flush(self) -> None:
        h2 = self._h2
        while self._transport is not None and not self._write_paused:
            try:
                data = h2.data_to_send(_WRITE_BYTES)
            except ngh2.NGH2Error:
                self.cut()
                return
            if not data:
                break
            self._transport.write(data)
            if len(data) < _WRITE_BYTES:
                break
        self._deliver()  # streams that what was sent has closed
        if self._transport is None:
            return
        if not (h2.want_read or h2.want_write) or (self._stopping and not self._streams):
            self._transport.close()
