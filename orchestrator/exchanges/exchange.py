"""One request and its response over HTTP, whatever the version: what connections and users share.

Everything runs on the event loop and by callbacks: no task or future per exchange.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

from perdure.wire import InputCommand, Start

HeaderLines = Sequence[tuple[bytes, bytes]]


class Receiver(Protocol):
    """Who listens to a response. After `on_end` or `on_broken` nothing comes any more."""

    def on_response(self, status: int, headers: HeaderLines) -> None: ...

    def on_body(self, data: bytes | list[bytes]) -> None:
        """More of the body: bytes, cut anywhere, or a list of whole frames."""
        ...

    def on_drained(self) -> None:
        """What was sent is on its way, or half of it: there is room for more. Once for each
        `want_room`."""
        ...

    def on_end(self) -> None:
        """The response ended as it should."""
        ...

    def on_broken(self, reason: str, untouched: bool) -> None:
        """The exchange failed. `untouched`: because of the connection, and probably before the
        peer did anything, so that it may be tried at once on another connection."""
        ...


class ExchangeCarrier(Protocol):
    """A connection that carries exchanges."""

    def send(self, exchange: "Exchange", data: bytes) -> None: ...

    def end(self, exchange: "Exchange") -> None: ...

    def cancel(self, exchange: "Exchange") -> None: ...

    def drain(self, exchange: "Exchange") -> None: ...

    def retire(self, reason: str) -> None:
        """An exchange timed out: take no more of them."""
        ...

    def queued_bytes(self, exchange: "Exchange") -> int:
        """What was sent and is not on its way yet."""
        ...

    def want_room(self, exchange: "Exchange") -> None:
        """Tell its receiver once half of `room_bytes` or less is queued."""
        ...

    def hold_back(self, exchange: "Exchange") -> None:
        """`is_held_back` of the exchange has changed."""
        ...


class ConnectionOwner(Protocol):
    """Who keeps connections, of either version of HTTP."""

    def on_room(self, connection: Any) -> None:
        """An exchange has ended and the connection takes the next."""
        ...

    def on_closed(self, connection: Any) -> None:
        """It takes no more exchanges; those it carried are settled or will be."""
        ...

    def on_read(self) -> None:
        """Something arrived on a connection: note the time."""
        ...

    def on_batch(self) -> None:
        """All that arrived at once has been delivered."""
        ...


class _Ignore:
    """A receiver that ignores the rest of a response."""

    def on_response(self, status: int, headers: HeaderLines) -> None:
        pass

    def on_body(self, data: bytes | list[bytes]) -> None:
        pass

    def on_drained(self) -> None:
        pass

    def on_end(self) -> None:
        pass

    def on_broken(self, reason: str, untouched: bool) -> None:
        pass


IGNORE: Final = _Ignore()
UNKNOWN: Final = -1
ROOM_BYTES: Final = 256 * 1024  # of a stream that may be queued here


class Exchange:
    """One request and its response.

    `head` is in the form of HTTP/2: method, scheme, authority and path first. Until a connection
    carries it, what is sent waits in `chunks`. An app of this process is given the first two
    messages of an attempt as objects, `opening`, before the bytes, and takes the acknowledgement of
    a run's result as its number: `acknowledge`.
    """

    __slots__ = (
        "acknowledge",
        "answered",
        "body_bytes",
        "carrier",
        "chunks",
        "closed",
        "deadline_s",
        "ended",
        "head",
        "http_version",
        "is_held_back",
        "mark",
        "opening",
        "receiver",
        "room_bytes",
        "sent_bytes",
        "stream_id",
        "unread_bytes",
        "waits_until_s",
        "wants_room",
    )

    def __init__(
        self,
        head: HeaderLines,
        chunks: list[bytes],
        ended: bool,
        receiver: Receiver,
        opening: tuple[Start, InputCommand] | None = None,
    ) -> None:
        self.head = head
        self.opening = opening
        self.acknowledge: Callable[[int], None] | None = None
        self.chunks = chunks
        self.ended = ended
        self.receiver = receiver
        self.carrier: ExchangeCarrier | None = None
        self.body_bytes = UNKNOWN  # of a request that will be complete without an answer
        self.stream_id = 0
        self.mark = 0  # how much its connection had read when it began
        self.http_version = "2"
        self.answered = False  # any byte of the response has come
        self.closed = False
        self.room_bytes = ROOM_BYTES
        self.sent_bytes = 0  # since the queue was last looked at, and what was in it then
        self.wants_room = False
        self.unread_bytes = 0  # received, but not yet returned to the peer's window
        self.is_held_back = False  # let the peer send no more than its window holds
        self.waits_until_s = 0.0  # for a connection with room
        self.deadline_s = 0.0  # when draining: cut it off then

    def has_room(self, size_bytes: int) -> bool:
        """Whether so much more may be queued: of use where `sent_bytes` and it are more than the
        room. What is larger than all the room has to be alone."""
        carrier = self.carrier
        queued_bytes = sum(map(len, self.chunks)) if carrier is None else carrier.queued_bytes(self)
        self.sent_bytes = queued_bytes
        return not queued_bytes or queued_bytes + size_bytes <= self.room_bytes

    def want_room(self) -> None:
        """Have the receiver notified when there is room for more."""
        self.wants_room = True
        if self.carrier is not None and not self.closed:
            self.carrier.want_room(self)

    def send(self, data: bytes) -> None:
        """More of the request's body."""
        if self.ended or self.closed:
            return
        self.sent_bytes += len(data)
        if self.carrier is None:
            self.chunks.append(data)
        else:
            self.carrier.send(self, data)

    def end(self) -> None:
        """The request's body is complete: half-close."""
        if self.ended or self.closed:
            return
        self.ended = True
        if self.carrier is not None:
            self.carrier.end(self)

    def hold_back(self, held_back: bool) -> None:
        """Backpressure: let the peer send no more than its window holds, until released."""
        if held_back != self.is_held_back:
            self.is_held_back = held_back
            if self.carrier is not None and not self.closed:
                self.carrier.hold_back(self)

    def cancel(self) -> None:
        """Break it off; its receiver is not called any more."""
        self.receiver = IGNORE
        if self.closed:
            return
        self.closed = True
        if self.carrier is not None:
            self.carrier.cancel(self)

    def break_off(self, reason: str, untouched: bool = False) -> None:
        """There will be no response, or no more of it: its receiver is told, and nothing else
        after that. `untouched`: the peer has certainly done nothing for it."""
        self.closed = True
        receiver, self.receiver = self.receiver, IGNORE
        receiver.on_broken(reason, untouched)

    def drain(self) -> None:
        """The result is known: end the request, and let the response end by itself soon."""
        self.receiver = IGNORE
        if self.is_held_back:
            self.hold_back(False)
        self.end()
        if self.closed:
            return
        if self.carrier is None:
            self.closed = True
        else:
            self.carrier.drain(self)
