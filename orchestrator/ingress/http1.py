"""HTTP/1.1 for the ingress: bytes of a connection become exchanges, replies become bytes.

No task and no future per request: the reader hands a complete request to the face, and the
engine's callback writes the answer. One request is answered at a time, in order; what a client
sent ahead stays bytes, unparsed, and no more of it is read. So a connection holds at most one
read of the transport, a body under way and an answer under way; budgets hold their sums.
"""

import asyncio
from collections import deque
from typing import Final, cast

import msgspec

from orchestrator.ingress import replies
from orchestrator.ingress.budget import REQUEST_BYTES, Share, leave
from orchestrator.ingress.exchange import HttpReply, PendingRequest
from orchestrator.ingress.headers import RawHeaders
from orchestrator.ingress.http2 import Http2
from orchestrator.ingress.preface import is_preface, serve_by
from orchestrator.ingress.reader import Reader
from orchestrator.ingress.shared import Shared
from orchestrator.ingress.statuses import STATUS_LINES
from orchestrator.ingress.writer import Writer

_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
_CLOSE: Final = b"connection: close\r\n"
_KEEP_ALIVE: Final = b"connection: keep-alive\r\n"
_PARTS_MAX: Final = 16  # of the reader, in one callback of the loop


class _Item(msgspec.Struct, frozen=True, gc=False):
    """An exchange that waits for its turn; `refusal`: its answer if it was not read to its end."""

    exchange: PendingRequest
    keep_alive: bool
    old: bool  # HTTP/1.0
    refusal: HttpReply | None


class Http1(asyncio.Protocol):
    """One connection of a client."""

    swept_count = 1
    __slots__ = (
        "_answered",
        "_began_s",
        "_current",
        "_first",
        "_half_closed",
        "_has_turn",
        "_is_old",
        "_keep_alive",
        "_lingers",
        "_queue",
        "_reader",
        "_rest",
        "_seen",
        "_shared",
        "_since",
        "_transport",
        "_upload",
        "_wants_more",
        "_writer",
    )

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._transport = cast(asyncio.Transport, None)
        self._writer = cast(Writer, None)
        self._reader = Reader(self, shared.options, shared.known_heads)
        self._queue: deque[_Item] = deque()
        self._first: bytes | None = b""  # until it is known which protocol it is
        self._current: PendingRequest | None = None
        self._wants_more = True  # the client, after the answer under way
        self._is_old = False  # HTTP/1.0
        self._began_s = 0.0  # when that was handed over
        self._keep_alive = True  # after the answer under way
        self._rest = b""  # came ahead of its turn, or is too much for one callback
        self._has_turn = False
        self._seen = shared.tick  # when the connection last made progress
        self._since = shared.tick  # when it began to wait for the request under way
        self._answered = False  # some request, in this callback
        self._lingers = False  # what still comes is dropped before the close
        self._half_closed = False  # the client has closed its side, and may still read
        self._upload: Share | None = None

    # --- the transport ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        shared = self._shared
        self._writer = Writer(self._transport, shared.unsent, self._sent)
        shared.open.add(self)
        over = len(shared.open) - shared.options.connections_max
        if over > shared.options.connections_refused_max:
            self._transport.abort()  # a flood: not even answers are left
        elif over > 0 and not shared.make_room():
            retry_after_s = shared.options.retry_after_s
            self._reader.refuse(replies.unavailable_reply("too many connections", retry_after_s))

    def connection_lost(self, exc: Exception | None) -> None:
        self._shared.open.discard(self)
        self._reader.close()
        self._writer.close()
        self._rest = b""
        self._queue.clear()
        self._drop_share()
        current, self._current = self._current, None
        if current is not None:
            self._shared.in_flight -= 1
            current.abandon()

    def eof_received(self) -> bool:
        """A client may close its side once it has asked; it cannot be told from one that went
        away, so that its answer is waited for only so long."""
        if not self._busy and not self._rest:
            return False
        self._half_closed = True
        self._reader.ended = self._reader.ended or not self._rest
        self._seen = self._shared.tick
        return True

    def pause_writing(self) -> None:
        self._writer.paused = True

    def resume_writing(self) -> None:
        self._seen = self._shared.tick
        self._writer.resume()
        if self._queue or self._rest:
            self._later()

    @property
    def _busy(self) -> bool:
        return self._current is not None or bool(self._queue) or self._writer.sending

    # --- reading ---

    def data_received(self, data: bytes) -> None:
        if self._reader.ended:
            return  # what comes while it lingers does not keep it
        if self._first is not None:
            data = self._first + data
            if not self._is_http1(data):
                return
        self._seen = self._shared.tick
        if self._current is not None or self._rest or self._queue or self._writer.sending:
            self._keep(self._rest + data)
        else:
            self._parse(data)

    def _is_http1(self, data: bytes) -> bool:
        """The first bytes of the connection: they are handed over if they are HTTP/2."""
        found = is_preface(data)
        self._reader.partial = found is None
        self._first = data if found is None else None
        if found:
            self.connection_lost(None)  # for this protocol
            serve_by(self._transport, Http2(self._shared), data)
        return found is False

    def _parse(self, data: bytes, is_turn: bool = False) -> None:
        reader = self._reader
        if not reader.partial:
            self._since = self._shared.tick
        self._answered = False
        came_bytes = len(data)
        parsed_bytes = reader.feed(data)
        if parsed_bytes < came_bytes:
            parsed_bytes = self._parse_parts(data, parsed_bytes, is_turn)
        if reader.ended:
            return
        if parsed_bytes < came_bytes:
            self._keep(data[parsed_bytes:])
        elif (reader.partial and reader.held_bytes) or self._queue or self._upload is not None:
            self._account(came_bytes)

    def _parse_parts(self, data: bytes, parsed_bytes: int, is_turn: bool) -> int:
        """Go on with a large read, until a request is complete or this callback had its share: when
        it is not this connection's turn, only with what is cheap."""
        view, reader = memoryview(data), self._reader
        for _ in range(_PARTS_MAX):
            if parsed_bytes == len(data) or reader.ended or self._answered or self._busy:
                break
            if not is_turn and not reader.in_sized_body:
                break
            parsed_bytes += reader.feed(view[parsed_bytes:])
        return parsed_bytes

    def _keep(self, data: bytes) -> None:
        """Parse it later; until then no more is read."""
        self._rest = data
        if not self._transport.is_closing():
            self._transport.pause_reading()
        self._account(len(data))
        if not self._busy or self._queue:
            self._later()

    def _account(self, moved_bytes: int) -> None:
        """What is held of requests counts, and may be too much."""
        share = self._upload
        if share is None:
            share = self._upload = Share(self._give_way)
        share.moved_bytes += moved_bytes
        queued_bytes = len(self._queue) * REQUEST_BYTES
        self._shared.uploads.put(share, len(self._rest) + self._reader.held_bytes + queued_bytes)

    def _drop_share(self) -> None:
        if self._upload is not None:
            leave(self._upload)

    def _give_way(self) -> None:
        self._drop_share()
        reason = "too many large requests at the same time"
        self._reader.refuse(replies.unavailable_reply(reason, self._shared.options.retry_after_s))

    def _later(self) -> None:
        if not self._has_turn:
            self._has_turn = True
            self._shared.later(self)

    def take_turn(self) -> None:
        """The next request that waits, or the next part of what is not parsed."""
        self._has_turn = False
        writer = self._writer
        if self._current is not None or writer.sending or writer.paused:
            return
        if self._queue:
            item = self._queue.popleft()
            if not self._queue and self._upload is not None:
                self._account(0)
            self._begin(item.exchange, item.keep_alive, item.old, item.refusal)
        elif self._rest:
            self._parse_rest()

    def _parse_rest(self) -> None:
        rest, self._rest = self._rest, b""
        self._parse(rest, is_turn=True)
        if not self._rest:
            self._account(0)
            self._read_on()

    def _read_on(self) -> None:
        if self._half_closed:
            self._reader.ended = True
            if not self._busy:
                self._finish()
        elif not self._transport.is_closing():
            self._since = self._shared.tick
            self._transport.resume_reading()

    def on_expectation(self) -> None:
        self._transport.write(_CONTINUE)

    def on_request(
        self,
        method: bytes,
        url: bytes,
        headers: RawHeaders,
        body: bytes,
        keep_alive: bool,
        old: bool,
    ) -> None:
        if self._upload is not None:
            leave(self._upload)
        exchange, writer = PendingRequest(method, url, headers, body, self._respond), self._writer
        if self._current is not None or self._queue or writer.sending or writer.paused:
            self._queue.append(_Item(exchange, keep_alive, old, None))
        elif self._answered:  # one in a callback: others come first
            self._queue.append(_Item(exchange, keep_alive, old, None))
            self._later()
        else:
            self._begin(exchange, keep_alive, old, None)

    def on_refusal(self, reply: HttpReply) -> None:
        """Answer what is not read any further, and end."""
        self._rest = b""
        self._drop_share()
        self._lingers = True
        if not self._transport.is_closing():
            self._transport.resume_reading()
        exchange, writer = PendingRequest(b"", b"", [], b"", self._respond), self._writer
        if self._current is not None or self._queue or writer.sending or writer.paused:
            self._queue.append(_Item(exchange, False, False, reply))
        else:
            self._begin(exchange, False, False, reply)

    # --- one after the other ---

    def _begin(
        self, exchange: PendingRequest, wants_more: bool, old: bool, refusal: HttpReply | None
    ) -> None:
        self._current = exchange
        self._wants_more, self._is_old = wants_more, old
        shared = self._shared
        shared.in_flight += 1
        self._began_s = shared.now_s()
        if refusal is not None:
            exchange.respond(refusal)
        elif shared.in_flight > shared.crowds.many:
            shared.handle_one_of_many(exchange)
        else:
            shared.handle(exchange)

    def _respond(self, exchange: PendingRequest, reply: HttpReply) -> None:
        assert self._current is exchange
        self._current = None
        self._answered = True
        shared = self._shared
        shared.in_flight -= 1
        shared.answered(reply.status, self._began_s)
        self._seen = shared.tick
        keep_alive = self._wants_more and not shared.draining
        if self._reader.ended and not self._queue:  # it is the last
            keep_alive = False
        self._keep_alive = keep_alive
        body = reply.body
        head = b"%b%b%b%bcontent-length: %d\r\n%b\r\n" % (
            STATUS_LINES[reply.status],
            shared.lines,
            exchange.cors,
            reply.headers,
            len(body),
            _CLOSE if not keep_alive else _KEEP_ALIVE if self._is_old else b"",
        )
        self._writer.write(head, b"" if exchange.method == b"HEAD" else body, reply.again)

    def _sent(self) -> None:
        """The transport has all of an answer."""
        self._since = self._shared.tick
        if not self._keep_alive:
            self._finish()
        elif self._queue or self._rest:
            self._later()

    def _finish(self) -> None:
        """The last answer is out. After a refusal what still comes is read and dropped: a close
        with unread bytes would take the answer away from the client."""
        self._reader.drop()
        self._drop_share()
        self._rest = b""
        self._queue.clear()
        if self._lingers and self._transport.can_write_eof():
            self._transport.write_eof()
        else:
            self._transport.close()

    # --- the server ---

    @property
    def idle_s(self) -> int:
        reader = self._reader
        if reader.ended or self._busy or self._rest or self._writer.paused or not reader.in_head:
            return 0
        return self._shared.tick - (self._since if reader.partial else self._seen)

    def close_idle(self) -> None:
        self._transport.close()

    def sweep(self) -> None:
        """Once a second: end what makes no progress, or too little."""
        options = self._shared.options
        paused = self._writer.paused
        if paused and self._writer.check_progress():
            self._seen = self._shared.tick
        idle_s = self._shared.tick - self._seen
        if paused:
            if idle_s > options.request_stall_s:
                self._transport.abort()
        elif self._busy or self._rest:
            if self._half_closed and idle_s > options.half_closed_s:
                self._transport.abort()
        elif self._reader.ended:
            if idle_s > options.linger_s:
                self._transport.abort()
        elif self._reader.partial:
            if idle_s > options.request_stall_s or self._is_too_slow():
                reason = "the request did not come to its end in time"
                self._reader.refuse(replies.refused(408, reason))
        elif idle_s > options.keep_alive_s:
            self._transport.close()

    def _is_too_slow(self) -> bool:
        """A head has a deadline, a body a rate once it had some time."""
        options = self._shared.options
        elapsed_s = self._shared.tick - self._since
        if self._reader.in_head:
            return elapsed_s > options.head_s
        required_bytes = (elapsed_s - options.body_grace_s) * options.body_rate_bytes_min
        return self._reader.body_bytes < required_bytes

    def drain(self) -> None:
        if not self._busy and not self._rest and not self._reader.partial:
            self._transport.close()

    def abort(self) -> None:
        self._transport.abort()

    def waiting(self) -> list[PendingRequest]:
        return [] if self._current is None else [self._current]
