"""HTTP/2 by prior knowledge: the same face, limits and answers as over HTTP/1.1.

A connection carries many requests at once, as streams; `Http2Stream` is one of them. What is read
is parsed a portion at a time, and only some requests are handled in one callback of the loop; one
write carries all answers that are ready. nghttp2 keeps to the windows of both sides, and ends a
connection that floods it with resets, pings, settings or parts of a head.
"""

import asyncio
from collections import deque
from contextlib import suppress
from typing import Final, cast

import ngh2

from orchestrator.exchanges.http2 import STREAM_WINDOW_BYTES, WRITE_BYTES
from orchestrator.exchanges.portions import Portions
from orchestrator.ingress import replies
from orchestrator.ingress.budget import Share, leave
from orchestrator.ingress.exchange import PendingRequest
from orchestrator.ingress.http2_head import HeadRefused, read_head
from orchestrator.ingress.http2_stream import Http2Stream
from orchestrator.ingress.shared import Shared

PORTION_BYTES: Final = 16 * 1024  # parsed in one callback: a thousand of the smallest heads
CONNECTION_WINDOW_BYTES: Final = 1024 * 1024
_HANDLED_MAX: Final = 8  # requests in one callback
_NO_ERROR: Final = int(ngh2.ErrorCode.NO_ERROR)
_GOAWAY: Final = b"\0\0\x08\x07\0\0\0\0\0"  # the head of such a frame
_SURPLUS: Final = 2  # how much larger a head may be that still gets an answer


class Http2(asyncio.Protocol):
    """One connection of a client."""

    def __init__(self, shared: Shared) -> None:
        options = shared.options
        self._shared = shared
        self._transport = cast(asyncio.Transport, None)
        self.h2 = ngh2.Connection(
            ngh2.Role.SERVER,
            ngh2.Configuration(
                max_inbound_header_list_size=_SURPLUS * options.head_bytes_max
                + 32 * options.header_count_max,  # what the standard adds for each
                max_inbound_header_count=_SURPLUS * options.header_count_max,
            ),
        )
        self._portions = Portions(_call_soon, self._take, PORTION_BYTES)
        self._streams: dict[int, Http2Stream] = {}
        self._sending: set[Http2Stream] = set()  # of answers of which not all has been handed on
        self._refused: set[int] = set()  # answered, though their request has not come to its end
        self._ready: deque[Http2Stream] = deque()  # complete requests that wait for their turn
        self._handled_count = 0  # in this callback
        self._has_turn = False
        self._is_reading = False
        self._flush_is_due = False
        self._is_paused = False  # the transport has more than the client takes
        self._is_ending = False
        self._seen = shared.tick  # when a request last came, or an answer went
        self._buffered_bytes = 0  # of the transport, when it was last looked at
        self._unsent = Share(self._give_way)

    # --- the transport ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclass of asyncio's.
        self._transport = self._portions.transport = cast(asyncio.Transport, transport)
        shared, options = self._shared, self._shared.options
        shared.open.add(self)
        self.h2.initiate_connection(
            {
                ngh2.Setting.MAX_CONCURRENT_STREAMS: options.streams_max,
                ngh2.Setting.INITIAL_WINDOW_SIZE: STREAM_WINDOW_BYTES,
                ngh2.Setting.MAX_HEADER_LIST_SIZE: options.head_bytes_max,
            }
        )
        self.h2.set_local_window_size(CONNECTION_WINDOW_BYTES)
        self.touch()
        if shared.draining:
            self.drain()

    def data_received(self, data: bytes) -> None:
        if len(data) > PORTION_BYTES or self._portions.has_rest:
            self._portions.feed(data)
        else:
            self._take(data)

    def eof_received(self) -> None:
        return None  # closes

    def connection_lost(self, exc: Exception | None) -> None:
        self._shared.open.discard(self)
        self._portions.close()
        self._is_ending = True
        leave(self._unsent)
        streams, self._streams = self._streams, {}
        for stream in streams.values():
            self._forget(stream)
        self._ready.clear()

    def pause_writing(self) -> None:
        self._is_paused = True
        self._buffered_bytes = self._transport.get_write_buffer_size()

    def resume_writing(self) -> None:
        self._is_paused = False
        self._seen = self._shared.tick
        self.touch()

    # --- reading ---

    def _take(self, data: bytes | memoryview) -> None:
        if self._is_ending and not self._streams:
            return
        self._is_reading = True
        self._handled_count = 0
        try:
            self.h2.receive_data(data)
            self._deliver()
        except ngh2.NGH2Error:
            self._break_off()
            return
        finally:
            self._is_reading = False
        self._flush()

    def _deliver(self) -> None:
        streams = self._streams
        for event in self.h2.events():
            kind = type(event)
            if kind is ngh2.RequestReceived:
                self._on_request(event)  # type: ignore[arg-type]
            elif kind is ngh2.DataReceived:
                stream = streams.get(event.stream_id)  # type: ignore[attr-defined]
                if stream is not None:
                    stream.on_data(event.data, event.end_stream)  # type: ignore[attr-defined]
            elif kind is ngh2.TrailersReceived:
                stream = streams.get(event.stream_id)  # type: ignore[attr-defined]
                if stream is not None:
                    stream.on_data(b"", True)  # they mean nothing here
            elif kind is ngh2.WindowUpdated:
                self._on_window(event.stream_id)  # type: ignore[attr-defined]
            elif kind is ngh2.StreamClosed:
                stream = streams.pop(event.stream_id, None)  # type: ignore[attr-defined]
                if stream is not None:
                    self._forget(stream)
            elif kind is ngh2.ConnectionClosed:
                self._is_ending = True

    def _on_request(self, event: ngh2.RequestReceived) -> None:
        shared, options = self._shared, self._shared.options
        self._seen = shared.tick
        stream = Http2Stream(self, shared, event.stream_id)
        self._streams[event.stream_id] = stream
        shared.streams += 1
        try:
            if shared.streams > options.requests_max:
                raise HeadRefused(429, replies.TOO_MANY_REQUESTS)
            stream.begin(read_head(event.headers, options))
        except HeadRefused as refused:
            stream.refuse(replies.refused(refused.status, refused.message))
            return
        if event.end_stream:
            stream.on_data(b"", True)

    def _on_window(self, stream_id: int) -> None:
        if self._sending:
            streams = [self._streams.get(stream_id)] if stream_id else list(self._sending)
            for stream in streams:
                if stream is not None:
                    stream.send_on()

    def _forget(self, stream: Http2Stream) -> None:
        """It is over, in whatever way."""
        self._shared.streams -= 1
        self._sending.discard(stream)
        self._refused.discard(stream.id)
        stream.close()

    # --- for its streams ---

    def complete(self, stream: Http2Stream) -> None:
        """Its request has come to its end: handle it now, or when others had their turn."""
        if self._handled_count < _HANDLED_MAX and not self._ready:
            self._handled_count += 1
            stream.handle()
        else:
            self._ready.append(stream)
            self._later()

    def refused(self, stream: Http2Stream) -> None:
        """It is answered, and what still comes of its request is dropped."""
        self._refused.add(stream.id)

    def sends(self, stream: Http2Stream, is_more: bool) -> None:
        """Whether some of its answer has not been handed to nghttp2 yet."""
        if is_more:
            self._sending.add(stream)
        else:
            self._sending.discard(stream)
        self._seen = self._shared.tick
        self.touch()

    def address(self, of: str) -> tuple[str, int] | None:
        """`sockname` or `peername`."""
        found = self._transport.get_extra_info(of)
        return (str(found[0]), int(found[1])) if found else None

    def _later(self) -> None:
        if not self._has_turn:
            self._has_turn = True
            self._shared.later(self)

    def take_turn(self) -> None:
        """Handle some of the requests that wait."""
        self._has_turn = False
        for _ in range(min(_HANDLED_MAX, len(self._ready))):
            self._ready.popleft().handle()
        if self._ready:
            self._later()

    # --- writing ---

    def touch(self) -> None:
        """Write soon what there is to be written."""
        if not self._flush_is_due and not self._is_reading:
            self._flush_is_due = True
            _call_soon(self._flush)

    def _flush(self) -> None:
        self._flush_is_due = False
        transport = self._transport
        while not self._is_paused and not transport.is_closing():
            try:
                data = self.h2.data_to_send(WRITE_BYTES)
            except ngh2.NGH2Error:
                transport.abort()
                return
            if data:
                self._unsent.moved_bytes += len(data)
                transport.write(data)
            self._deliver()  # streams that what was sent has closed
            if self._reset_refused() or self._feed():
                continue
            if len(data) < WRITE_BYTES:
                break
        self._account()
        if self._is_ending and not self._streams and not self._is_paused:
            transport.close()

    def _reset_refused(self) -> bool:
        """Once an answer is out its client need not send the rest of the request."""
        done = [one for one in self._refused if not self.queued_bytes(one)]
        for stream_id in done:
            self._refused.discard(stream_id)
            with suppress(ngh2.NGH2Error):
                self.h2.reset_stream(stream_id, _NO_ERROR)
        return bool(done)

    def _feed(self) -> bool:
        """Hand on more of large answers whose clients take them."""
        return sum(stream.send_on() for stream in list(self._sending)) > 0

    def queued_bytes(self, stream_id: int | None = None) -> int:
        """What nghttp2 holds of the body of one answer, or of all."""
        try:
            return self.h2.queued_body_size(stream_id)
        except ngh2.NGH2Error:
            return 0  # it is gone

    def _held_bytes(self) -> int:
        held_bytes = self.queued_bytes() + sum(stream.unsent_bytes for stream in self._sending)
        return held_bytes + (self._transport.get_write_buffer_size() if self._is_paused else 0)

    def _account(self) -> None:
        """What clients are slow to read counts, and may be too much."""
        held_bytes = self._held_bytes()
        if held_bytes:
            self._shared.unsent.put(self._unsent, held_bytes)
        elif self._unsent.held_bytes:
            leave(self._unsent)

    def _give_way(self) -> None:
        before_bytes = self._unsent.held_bytes
        for stream in self._sending:
            stream.let_go()
        held_bytes = self._held_bytes()
        if held_bytes < before_bytes:
            self._shared.unsent.shrink(self._unsent, held_bytes)
        else:
            leave(self._unsent)
            self._transport.abort()

    # --- the server ---

    @property
    def idle_s(self) -> int:
        is_busy = self._streams or self._is_paused or self._is_ending
        return 0 if is_busy else self._shared.tick - self._seen

    def close_idle(self) -> None:
        self.drain()

    @property
    def swept_count(self) -> int:
        """How many looks a sweep takes."""
        return 1 + len(self._streams)

    def sweep(self) -> None:
        """Once a second: end what makes no progress, or too little."""
        options, tick = self._shared.options, self._shared.tick
        for stream in list(self._streams.values()):
            stream.check()
        if self._is_paused:
            buffered_bytes = self._transport.get_write_buffer_size()
            if buffered_bytes != self._buffered_bytes:
                self._buffered_bytes, self._seen = buffered_bytes, tick
            elif tick - self._seen > options.request_stall_s:
                self._transport.abort()
        elif not self._streams and tick - self._seen > options.keep_alive_s:
            self.drain()

    def drain(self) -> None:
        """Take no more requests, and close once those under way are answered."""
        with suppress(ngh2.NGH2Error):
            self.h2.send_goaway(_NO_ERROR)
        self._is_ending = True
        self.touch()

    def abort(self) -> None:
        self._transport.abort()

    def _break_off(self) -> None:
        """The client went too far: nghttp2 says nothing any more, not even that."""
        code = int(ngh2.ErrorCode.ENHANCE_YOUR_CALM)
        last_id = max(self._streams, default=0)
        self._transport.write(_GOAWAY + last_id.to_bytes(4, "big") + code.to_bytes(4, "big"))
        self._transport.close()

    def waiting(self) -> list[PendingRequest]:
        return [one.exchange for one in self._streams.values() if one.exchange is not None]


def _call_soon(callback: object) -> None:
    asyncio.get_running_loop().call_soon(callback)  # type: ignore[arg-type]
