"""One HTTP/2 connection to a service: many exchanges, full duplex, few writes per turn of the loop.

Received bytes are given back to the peer's windows late: per stream when it closes or past a
share of its window. So a stream never blocks another, and what a connection may hold is bounded.
"""

import asyncio
from contextlib import suppress
from typing import Final, cast

import ngh2

from orchestrator.exchanges.dialing import alpn_of, why_not_http2
from orchestrator.exchanges.drained import Drained
from orchestrator.exchanges.draining import Draining
from orchestrator.exchanges.exchange import ConnectionOwner, Exchange
from orchestrator.exchanges.goodbye import Goodbye
from orchestrator.exchanges.keepalive import DEAD, PING, KeepAlive
from orchestrator.exchanges.portions import PORTION_BYTES, Portions
from orchestrator.runtime.scheduler import CallSoon

STREAMS_MAX: Final = 128  # per connection; above it batches get no larger and windows would
STREAM_WINDOW_BYTES: Final = 256 * 1024
CONNECTION_WINDOW_BYTES: Final = STREAMS_MAX * STREAM_WINDOW_BYTES
_GIVE_BACK_BYTES: Final = STREAM_WINDOW_BYTES // 8
_WRITE_BUFFER_BYTES: Final = 1024 * 1024
WRITE_BYTES: Final = 256 * 1024  # made at a time: what waits is not copied
STARTED_AT_ONCE: Final = 16  # written together: a service works while its answers are read
_IDLE_S: Final = 300.0

_CONFIGURATION = ngh2.Configuration(auto_window_update=False)
_SETTINGS = {ngh2.Setting.ENABLE_PUSH: 0, ngh2.Setting.INITIAL_WINDOW_SIZE: STREAM_WINDOW_BYTES}
_REFUSED: Final = int(ngh2.ErrorCode.REFUSED_STREAM)
_CANCEL: Final = int(ngh2.ErrorCode.CANCEL)
_DATA: Final = ngh2.DataReceived  # nearly all events


def _code_name(code: int) -> str:
    try:
        return ngh2.ErrorCode(code).name
    except ValueError:
        return f"code {code}"


class Http2Connection(asyncio.Protocol):
    """A client's side of a connection, over a transport that is connected."""

    def __init__(self, owner: ConnectionOwner, call_soon: CallSoon) -> None:
        self._owner = owner
        self._call_soon = call_soon
        self._transport: asyncio.Transport | None = None
        self._h2 = ngh2.Connection(ngh2.Role.CLIENT, _CONFIGURATION)
        self._streams: dict[int, Exchange] = {}
        self._draining = Draining()
        self._streams_max = STREAMS_MAX
        self._flushing = False
        self._started = 0  # streams since the last write
        self._write_paused = False
        self.is_open = False  # it takes exchanges, now or once there is room
        self._reason = ""
        self._goodbye = Goodbye()
        self._portions = Portions(call_soon, self._take)
        self.was_useful = False  # whether the peer ever answered a request on it
        self._read_count = 0
        self.refusal = ""  # why it cannot be used with this peer at all
        self._keep_alive = KeepAlive()
        self._drained = Drained(self._h2.queued_body_size)

    # --- for the pool ---

    @property
    def free(self) -> int:
        """How many more exchanges it takes."""
        return self._streams_max - len(self._streams) if self.is_open else 0

    @property
    def alpn(self) -> str | None:
        """The protocol that TLS agreed on."""
        return alpn_of(self._transport)

    @property
    def stream_count(self) -> int:
        return len(self._streams)

    def start(self, exchange: Exchange) -> None:
        """Carry an exchange; there must be room."""
        h2, chunks = self._h2, exchange.chunks
        try:
            if exchange.ended and not chunks:
                stream_id = h2.send_request(exchange.head, end_stream=True)
            else:
                stream_id = h2.send_request(exchange.head)
                for chunk in chunks:
                    h2.send_data(stream_id, chunk)
                if exchange.ended:
                    h2.end_stream(stream_id)
        except ngh2.NGH2Error as error:
            self._stop_taking(f"no new stream: {error}")
            exchange.break_off(self._reason, untouched=True)
            return
        exchange.chunks = []
        exchange.carrier = self
        exchange.stream_id = stream_id
        exchange.mark = self._read_count
        self._streams[stream_id] = exchange
        if exchange.wants_room:
            self._drained.wait(exchange)
        if not self._flushing:
            self._touch()
        self._started += 1
        if self._started >= STARTED_AT_ONCE:
            self._write_early()

    def close(self, reason: str) -> None:
        """Close it at once; exchanges under way break."""
        self._fail(reason)

    def sweep(self, now_s: float) -> None:
        """Cut off what drains for too long, see whether the peer lives, close when idle."""
        self._draining.cut_off(now_s)
        quiet_s = self._keep_alive.quiet_s(now_s)
        if not quiet_s:
            return
        if not self._streams:
            if quiet_s > _IDLE_S or not self.is_open:
                self._fail("idle")
            return
        due = self._keep_alive.due(quiet_s, self._goodbye.was_said)
        if due == DEAD:
            self._fail("the peer answers no pings")
        elif due == PING:
            self._ping()

    def _ping(self) -> None:
        self._keep_alive.pinged = True
        try:
            self._h2.ping()
        except ngh2.NGH2Error as error:
            self._fail(f"HTTP/2 error: {error}")
            return
        self._touch()

    # --- for exchanges ---

    def send(self, exchange: Exchange, data: bytes) -> None:
        try:
            self._h2.send_data(exchange.stream_id, data)
        except ngh2.NGH2Error:
            return  # the stream is gone; its closing is on the way to the receiver
        if not self._flushing:
            self._touch()

    def end(self, exchange: Exchange) -> None:
        # An empty DATA frame with END_STREAM: some HTTP stacks of SDKs depend on it.
        try:
            self._h2.end_stream(exchange.stream_id)
        except ngh2.NGH2Error:
            return
        if not self._flushing:
            self._touch()

    def cancel(self, exchange: Exchange) -> None:
        with suppress(ngh2.NGH2Error):
            self._h2.reset_stream(exchange.stream_id, _CANCEL)
            self._touch()

    def drain(self, exchange: Exchange) -> None:
        self._draining.add(exchange)

    def queued_bytes(self, exchange: Exchange) -> int:
        try:
            return self._h2.queued_body_size(exchange.stream_id)
        except ngh2.NGH2Error:
            return 0  # the stream is gone

    def want_room(self, exchange: Exchange) -> None:
        self._drained.wait(exchange)
        self._touch()

    def retire(self, reason: str) -> None:
        """It answers pings, but its streams do not move: it takes no more exchanges, and is closed
        once those it carries are over."""
        self._stop_taking(reason)

    def hold_back(self, exchange: Exchange) -> None:
        if not exchange.is_held_back and exchange.unread_bytes > _GIVE_BACK_BYTES:
            self._give_back(exchange)

    # --- from the transport ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclass of asyncio's.
        self._transport = cast(asyncio.Transport, transport)
        self._portions.transport = self._transport
        self._transport.set_write_buffer_limits(high=_WRITE_BUFFER_BYTES)
        self._h2.initiate_connection(_SETTINGS)
        self._h2.set_local_window_size(CONNECTION_WINDOW_BYTES)
        self.is_open = True
        self._touch()

    def data_received(self, data: bytes) -> None:
        if len(data) > PORTION_BYTES or self._portions.has_rest:
            self._portions.feed(data)
        else:
            self._take(data)

    def _take(self, data: bytes | memoryview) -> None:
        if not self.was_useful and (refusal := why_not_http2(data, not self._read_count)):
            self.refusal = refusal
            self._fail(refusal)
            return
        self._keep_alive.heard = True
        self._read_count += 1
        self._owner.on_read()
        try:
            self._h2.receive_data(data)
        except ngh2.NGH2Error as error:
            self._deliver()
            self._fail(f"HTTP/2 error: {error}")
            return
        self._deliver()
        self._owner.on_batch()
        if self._transport is not None and self._h2.want_write:
            self._touch()

    def eof_received(self) -> None:
        self._fail(self._reason or "the peer closed the connection")

    def connection_lost(self, error: Exception | None) -> None:
        self._fail(self._reason or f"connection lost: {error or 'closed by the peer'}")

    def pause_writing(self) -> None:
        self._write_paused = True

    def resume_writing(self) -> None:
        self._write_paused = False
        self._touch()

    # --- inside ---

    def _touch(self) -> None:
        if not self._flushing and self._transport is not None:
            self._flushing = True
            self._call_soon(self._flush)

    def _write_early(self) -> None:
        """Before the turn ends; its flush does the rest, and meets the same errors."""
        self._started = 0
        if not self._write_paused and self._transport is not None:
            with suppress(ngh2.NGH2Error):
                self._transport.write(self._h2.data_to_send(WRITE_BYTES))

    def _flush(self) -> None:
        self._flushing = False
        self._started = 0
        if self._write_paused or self._transport is None:
            return
        try:
            data = self._h2.data_to_send(WRITE_BYTES)
        except ngh2.NGH2Error as error:
            self._fail(f"HTTP/2 error: {error}")
            return
        if data:
            self._transport.write(data)
        has_more = len(data) >= WRITE_BYTES
        self._deliver()
        if self._drained.waiting and self._drained.report_room(all_sent=not has_more):
            has_more = True
        if has_more:
            self._touch()

    def _deliver(self) -> None:
        streams = self._streams
        for event in self._h2.events():
            if self._transport is None:
                return  # an event before this one ended the connection
            kind = type(event)
            if kind is _DATA:
                exchange = streams.get(event.stream_id)  # type: ignore[attr-defined]
                if exchange is not None:
                    data = event.data  # type: ignore[attr-defined]
                    if data:
                        exchange.unread_bytes += len(data)
                        exchange.receiver.on_body(data)
                        if exchange.unread_bytes > _GIVE_BACK_BYTES and not exchange.is_held_back:
                            self._give_back(exchange)
                    if event.end_stream:  # type: ignore[attr-defined]
                        self._on_response_end(exchange)
            elif kind is ngh2.StreamClosed:
                self._on_stream_closed(event)  # type: ignore[arg-type]
            elif kind is ngh2.ResponseReceived:
                exchange = streams.get(event.stream_id)  # type: ignore[attr-defined]
                if exchange is not None:
                    self._on_response(exchange, event)  # type: ignore[arg-type]
            elif kind is ngh2.WindowUpdated:
                if self._drained.waiting:
                    self._drained.on_window(event.stream_id)  # type: ignore[attr-defined]
                    self._touch()
            elif kind is not ngh2.StreamReset:
                self._on_rare(event)

    def _on_response(self, exchange: Exchange, event: ngh2.ResponseReceived) -> None:
        exchange.answered = self.was_useful = True
        headers = event.headers
        try:
            status = int(headers[0][1])
        except (ValueError, IndexError):
            status = 0
        exchange.receiver.on_response(status, headers)
        if event.end_stream:
            self._on_response_end(exchange)

    def _give_back(self, exchange: Exchange) -> None:
        size_bytes, exchange.unread_bytes = exchange.unread_bytes, 0
        try:
            self._h2.acknowledge_received_data(size_bytes, exchange.stream_id)
        except ngh2.NGH2Error:
            return
        self._touch()

    def _on_response_end(self, exchange: Exchange) -> None:
        # The peer may have said all before we did; then our side ends too.
        if not exchange.ended:
            exchange.ended = True
            self.end(exchange)
        if not exchange.closed:
            exchange.closed = True
            exchange.receiver.on_end()

    def _on_stream_closed(self, event: ngh2.StreamClosed) -> None:
        exchange = self._streams.pop(event.stream_id, None)
        if self._drained.waiting:
            self._drained.closed(event.stream_id)
        if exchange is None:
            return
        if exchange.unread_bytes:
            self._give_back(exchange)
        if not exchange.closed:
            reason = f"stream reset by the peer: {_code_name(event.error_code)}"
            self._break_off(exchange, reason, event.error_code == _REFUSED)
        if self.is_open:
            self._owner.on_room(self)
        elif not self._streams:
            self._fail(self._reason)

    def _break_off(self, exchange: Exchange, reason: str, refused: bool) -> None:
        skipped = self._goodbye.skipped(exchange.stream_id)
        # A connection that was good before and then closed without another word had most
        # likely been given up by the peer while it was idle.
        stale = self.was_useful and exchange.mark == self._read_count
        untouched = not exchange.answered and (refused or skipped or stale)
        # A peer that sends GOAWAY should finish what it has taken; some (hypercorn) do not.
        exchange.break_off(reason, untouched or self._goodbye.was_said)

    def _on_rare(self, event: ngh2.Event) -> None:
        if isinstance(event, ngh2.SettingsReceived):
            wanted = event.settings.get(ngh2.Setting.MAX_CONCURRENT_STREAMS, self._streams_max)
            self._streams_max = max(1, min(STREAMS_MAX, wanted))
            self._owner.on_room(self)
            self._drained.on_window(0)
        elif isinstance(event, ngh2.TrailersReceived):
            exchange = self._streams.get(event.stream_id)
            if exchange is not None:
                self._on_response_end(exchange)
        elif isinstance(event, ngh2.GoAwayReceived):
            self._on_goaway(event)
        elif isinstance(event, ngh2.ConnectionClosed):
            self._fail(self._reason or f"HTTP/2 connection closed: {_code_name(event.error_code)}")

    def _on_goaway(self, event: ngh2.GoAwayReceived) -> None:
        self._goodbye.add(event.last_stream_id, event.error_code != 0)
        if self._goodbye.flood:
            self._fail(self._goodbye.flood)
            return
        said = event.debug_data[:200].decode("utf-8", "replace")
        self._stop_taking(f"the peer goes away: {_code_name(event.error_code)} {said}".strip())
        if self._streams and not self._keep_alive.pinged:
            # Some (hypercorn) forget what they had taken, and notice when spoken to.
            self._ping()

    def _stop_taking(self, reason: str) -> None:
        self._reason = self._reason or reason
        if self.is_open:
            self.is_open = False
            self._owner.on_closed(self)

    def _fail(self, reason: str) -> None:
        self._stop_taking(reason)
        transport, self._transport = self._transport, None
        self._portions.close()
        if transport is not None:
            (transport.abort if self._streams else transport.close)()
        streams, self._streams = self._streams, {}
        # The library's object keeps what its streams had to send; a new one refuses every call.
        self._h2 = ngh2.Connection(ngh2.Role.CLIENT, _CONFIGURATION)
        self._drained = Drained(self._h2.queued_body_size)
        for exchange in streams.values():
            if not exchange.closed:
                self._break_off(exchange, reason, False)
        self._owner.on_batch()
