"""One request over HTTP/2 and its answer."""

import asyncio
import io
from collections.abc import Callable
from typing import Final, Protocol

import ngh2

from orchestrator.ingress import replies
from orchestrator.ingress.budget import HEAD_BYTES_FREE, REQUEST_BYTES, Share, leave
from orchestrator.ingress.exchange import HttpReply, PendingRequest, ReadAgain
from orchestrator.ingress.http2_head import RequestHead, pairs_of
from orchestrator.ingress.shared import Shared

HANDED_BYTES: Final = 64 * 1024  # of a large answer, handed on at a time
_BROKEN: Final = int(ngh2.ErrorCode.INTERNAL_ERROR)


class StreamOwner(Protocol):
    """The connection as its streams see it."""

    h2: ngh2.Connection

    def complete(self, stream: "Http2Stream") -> None: ...

    def refused(self, stream: "Http2Stream") -> None: ...

    def sends(self, stream: "Http2Stream", is_more: bool) -> None: ...

    def touch(self) -> None: ...

    def queued_bytes(self, stream_id: int | None = None) -> int: ...

    def address(self, of: str) -> tuple[str, int] | None: ...


class StreamRequest(PendingRequest):
    """A request whose answer may go out in parts, by way of its stream."""

    __slots__ = ("stream",)

    def __init__(self, stream: "Http2Stream", head: RequestHead, body: bytes) -> None:
        super().__init__(head.method, head.url, head.headers, body, stream.respond)
        self.stream = stream


class Http2Stream:
    """Receives a request, hands it over, sends the answer as fast as the client takes it."""

    __slots__ = (
        "_again",
        "_asked",
        "_began_s",
        "_body",
        "_carrier",
        "_head",
        "_head_bytes",
        "_is_closed",
        "_is_complete",
        "_is_refused",
        "_joined",
        "_out",
        "_out_bytes",
        "_progress",
        "_received",
        "_room",
        "_room_bytes",
        "_seen",
        "_sent_bytes",
        "_shared",
        "_since",
        "_upload",
        "exchange",
        "id",
        "is_answered",
        "on_close",
    )

    def __init__(self, carrier: StreamOwner, shared: Shared, stream_id: int) -> None:
        self._carrier = carrier
        self._shared = shared
        self.id = stream_id
        self._head: RequestHead | None = None
        self._head_bytes = 0  # of a large one
        self._body = b""
        self._joined: io.BytesIO | None = None  # a body that came in several pieces
        self._received = 0  # bytes of the body
        self._upload: Share | None = None
        self._since = self._seen = shared.tick  # when it began, when it last made progress
        self._began_s = 0.0
        self._is_refused = False  # answered before the request came to its end
        self._is_closed = False
        self._is_complete = False  # its request
        self.is_answered = False
        self.exchange: PendingRequest | None = None  # handed over, and not answered
        self._out: bytes | None = None  # an answer, while some of it has not been handed on
        self._again: ReadAgain | None = None
        self._asked = False
        self._out_bytes = self._sent_bytes = 0
        self._progress = -1
        self._room: asyncio.Future[None] | None = None
        self._room_bytes = 0
        self.on_close: Callable[[], None] | None = None

    # --- the request ---

    def begin(self, head: RequestHead) -> None:
        """Its head has come; raises nothing."""
        self._head = head
        if head.taken_bytes > HEAD_BYTES_FREE:
            self._head_bytes = head.taken_bytes
            self._account(0)
            if self._is_refused:
                return
        if head.length_bytes > self._shared.options.payload_bytes_max:
            self._refuse_size()
        elif head.expects:
            self._carrier.h2.send_informational_response(self.id, [(b":status", b"100")])

    def on_data(self, data: bytes, is_end: bool) -> None:
        if self._is_refused or self._is_complete:
            return
        self._seen = self._shared.tick
        if data:
            self._keep(data)
        if self._is_refused:
            return
        if is_end:
            self._is_complete = True
            self._carrier.complete(self)
        else:
            self._account(len(data))

    def _keep(self, data: bytes) -> None:
        if not self._received:
            self._body = data
        else:
            if self._joined is None:
                self._joined = io.BytesIO()
                self._joined.write(self._body)
                self._body = b""
            self._joined.write(data)
        self._received += len(data)
        if self._received > self._shared.options.payload_bytes_max:
            self._refuse_size()

    def _account(self, moved_bytes: int) -> None:
        """What is held of requests counts, and may be too much."""
        share = self._upload
        if share is None:
            share = self._upload = Share(self._give_way)
        share.moved_bytes += moved_bytes
        self._shared.uploads.put(share, self._received + self._head_bytes + REQUEST_BYTES)

    def _give_way(self) -> None:
        self._drop_share()
        reason = "too many large requests at the same time"
        self.refuse(replies.unavailable_reply(reason, self._shared.options.retry_after_s))

    def _refuse_size(self) -> None:
        self.refuse(replies.body_too_large(self._shared.options.payload_bytes_max))

    def _drop_share(self) -> None:
        if self._upload is not None:
            leave(self._upload)

    def check(self) -> None:
        """Once a second: end it if it makes no progress, or too little."""
        if self.is_answered:
            self._check_answer()
        elif not self._is_complete:
            self._check_request()

    def _check_request(self) -> None:
        options, tick = self._shared.options, self._shared.tick
        required_bytes = (tick - self._since - options.body_grace_s) * options.body_rate_bytes_min
        if tick - self._seen > options.request_stall_s or self._received < required_bytes:
            self.refuse(replies.refused(408, "the request did not come to its end in time"))

    def refuse(self, reply: HttpReply) -> None:
        """Answer what has not come to its end."""
        if self._is_refused or self._is_closed:
            return
        self._is_refused = True
        self._drop_share()
        self._body, self._joined, self._head = b"", None, None
        self._shared.in_flight += 1
        self._began_s = self._shared.now_s()
        self._carrier.refused(self)
        self.respond(PendingRequest(b"", b"", [], b"", self.respond), reply)

    def handle(self) -> None:
        """It is its turn."""
        head, shared = self._head, self._shared
        self._drop_share()
        if self._is_closed or self._is_refused or head is None:
            return
        body = self._body if self._joined is None else self._joined.getvalue()
        self._body, self._joined, self._head = b"", None, None
        exchange = self.exchange = StreamRequest(self, head, body)
        del head, body
        shared.in_flight += 1
        self._began_s = shared.now_s()
        if shared.in_flight > shared.crowds.many:
            shared.handle_one_of_many(exchange)
        else:
            shared.handle(exchange)

    # --- the answer ---

    def respond(self, exchange: PendingRequest, reply: HttpReply) -> None:
        """Send a whole answer."""
        has_body = bool(reply.body) and exchange.method != b"HEAD"
        length = (b"content-length", str(len(reply.body)).encode())
        head = [*pairs_of(exchange.cors), *pairs_of(reply.headers), length]
        self.open_answer(reply.status, head, is_whole=not has_body)
        if has_body and not self._is_closed:
            self._out, self._again = reply.body, reply.again
            self._sent_bytes, self._out_bytes = 0, len(reply.body)
            self.send_on()
            self._carrier.sends(self, self._out_bytes > 0)

    def open_answer(
        self, status: int, head: list[tuple[bytes, bytes]], is_whole: bool = False
    ) -> None:
        """Send the head of an answer; `is_whole`: there is no body."""
        shared = self._shared
        self.exchange = None
        self.is_answered = True
        shared.in_flight -= 1
        shared.answered(status, self._began_s)
        self._seen = shared.tick
        whole = [(b":status", str(status).encode()), *pairs_of(shared.lines), *head]
        try:
            self._carrier.h2.send_response(self.id, whole, end_stream=is_whole)
        except ngh2.NGH2Error:
            self._is_closed = True  # reset by the client; its closing is on the way
            return
        self._carrier.sends(self, False)

    def send(self, data: bytes, is_end: bool) -> None:
        """Send a part of an answer that was opened; who makes them waits for `room`."""
        if self._is_closed:
            return
        try:
            self._carrier.h2.send_data(self.id, data, end_stream=is_end)
        except ngh2.NGH2Error:
            self._is_closed = True
            return
        self._carrier.touch()

    def break_off(self) -> None:
        """The rest of an answer cannot be had."""
        if not self._is_closed:
            try:
                self._carrier.h2.reset_stream(self.id, _BROKEN)
            except ngh2.NGH2Error:
                return
            self._carrier.touch()

    async def room(self, room_bytes: int) -> None:
        """Wait until the client has taken all but `room_bytes` of what was sent, or is gone;
        others have their turn in any case."""
        await asyncio.sleep(0)
        if self._is_closed or self._carrier.queued_bytes(self.id) <= room_bytes:
            return
        self._room, self._room_bytes = asyncio.get_running_loop().create_future(), room_bytes
        self._carrier.sends(self, True)
        await self._room

    def _tell_of_room(self) -> None:
        room, self._room = self._room, None
        if room is not None and not room.done():
            room.set_result(None)

    @property
    def server(self) -> tuple[str, int] | None:
        """The address its connection came in at."""
        return self._carrier.address("sockname")

    @property
    def client(self) -> tuple[str, int] | None:
        return self._carrier.address("peername")

    @property
    def unsent_bytes(self) -> int:
        """What it holds of an answer."""
        return 0 if self._out is None else self._out_bytes

    def send_on(self) -> bool:
        """Hand on a piece if the client takes it; whether that was done."""
        if self._room is not None and self._carrier.queued_bytes(self.id) <= self._room_bytes:
            self._carrier.sends(self, False)
            self._tell_of_room()
        if not self._out_bytes or self._is_closed or self._carrier.queued_bytes(self.id):
            return False
        if self._out is None:
            self._fetch()
            return False
        # A copy, so that what is queued is not the whole.
        piece = self._out[self._sent_bytes : self._sent_bytes + HANDED_BYTES]
        self._sent_bytes += len(piece)
        is_end = self._sent_bytes == self._out_bytes
        if is_end:
            self._out, self._again, self._out_bytes = None, None, 0
            self._carrier.sends(self, False)
        self.send(piece, is_end)
        return True

    def let_go(self) -> None:
        """Free an answer that can be had again."""
        if self._again is not None:
            self._out = None

    def _fetch(self) -> None:
        if self._again is not None and not self._asked:
            self._asked = True
            self._again(self._fetched)

    def _fetched(self, body: bytes | None) -> None:
        self._asked = False
        if self._is_closed or not self._out_bytes:
            return
        if body is None or len(body) != self._out_bytes:
            self.break_off()  # its retention has passed meanwhile
        else:
            self._out = body
            self._carrier.touch()

    def _check_answer(self) -> None:
        """A client may not leave an answer untaken for long."""
        queued_bytes = self._carrier.queued_bytes(self.id)
        progress = self._sent_bytes - queued_bytes
        if progress != self._progress or not (queued_bytes or self._out_bytes):
            self._progress, self._seen = progress, self._shared.tick
        elif self._shared.tick - self._seen > self._shared.options.request_stall_s:
            self.break_off()

    # --- the connection ---

    def close(self) -> None:
        """It is over; an invocation goes on."""
        self._is_closed = True
        self._drop_share()
        self._body, self._joined, self._head = b"", None, None
        self._out, self._again, self._out_bytes = None, None, 0
        self._tell_of_room()
        exchange, self.exchange = self.exchange, None
        if exchange is not None:
            self._shared.in_flight -= 1
            exchange.abandon()
        on_close, self.on_close = self.on_close, None
        if on_close is not None:
            on_close()
