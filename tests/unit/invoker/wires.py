"""A connection to a service without sockets: a transport that counts, a peer that is scripted."""

import asyncio
from collections import deque
from collections.abc import Callable
from struct import pack
from typing import Any, cast

import ngh2

from orchestrator.exchanges.exchange import Exchange, HeaderLines
from orchestrator.exchanges.http1 import Http1Connection
from orchestrator.exchanges.http2 import Http2Connection

HEAD = [
    (b":method", b"POST"),
    (b":scheme", b"http"),
    (b":authority", b"h"),
    (b":path", b"/x"),
]


def h2_frame(kind: int, flags: int, stream_id: int, payload: bytes) -> bytes:
    head = pack(">I", len(payload))[1:] + bytes((kind, flags)) + pack(">I", stream_id)
    return head + payload


class Wire:
    """A transport, an owner of connections and a loop, all of them small."""

    def __init__(self) -> None:
        self.soon: deque[Callable[[], None]] = deque()
        self.written = bytearray()
        self.is_paused = self.is_closed = False
        self.largest_write = 0
        self.closed_count = 0

    def run(self, turns: int = 1_000_000) -> int:
        """Turns of the loop until nothing is due; how many there were."""
        for turn in range(turns):
            if not self.soon:
                return turn
            for _ in range(len(self.soon)):
                self.soon.popleft()()
        return turns

    # --- owner ---

    def on_room(self, connection: Any) -> None: ...

    def on_closed(self, connection: Any) -> None:
        self.closed_count += 1

    def on_read(self) -> None: ...

    def on_batch(self) -> None: ...

    # --- transport ---

    def set_write_buffer_limits(self, high: int) -> None: ...

    def write(self, data: bytes) -> None:
        self.written += data
        self.largest_write = max(self.largest_write, len(data))

    def writelines(self, parts: list[bytes]) -> None:
        for part in parts:
            self.write(part)

    def pause_reading(self) -> None:
        assert not self.is_closed
        self.is_paused = True

    def resume_reading(self) -> None:
        assert not self.is_closed
        self.is_paused = False

    def close(self) -> None:
        self.is_closed = True

    abort = close

    def get_extra_info(self, name: str) -> None:
        return None


class Hears:
    """Listens to a response."""

    def __init__(self) -> None:
        self.status = 0
        self.body_bytes = 0
        self.pieces = 0
        self.drained = 0
        self.broken = ""
        self.is_ended = False

    def on_response(self, status: int, headers: HeaderLines) -> None:
        self.status = status

    def on_body(self, data: bytes | list[bytes]) -> None:
        self.body_bytes += len(data) if isinstance(data, bytes) else sum(map(len, data))
        self.pieces += 1

    def on_drained(self) -> None:
        self.drained += 1

    def on_end(self) -> None:
        self.is_ended = True

    def on_broken(self, reason: str, untouched: bool) -> None:
        self.broken = reason


class Http2Peer:
    """A connection of HTTP/2 that carries one exchange, answered with 200."""

    def __init__(self, body: bytes = b"abc", window_bytes: int = 65_535) -> None:
        self.wire = Wire()
        self.connection = Http2Connection(self.wire, self.wire.soon.append)
        self.connection.connection_made(cast(asyncio.Transport, self.wire))
        self.h2 = ngh2.Connection(ngh2.Role.SERVER, ngh2.Configuration(auto_window_update=False))
        self.h2.initiate_connection({3: 100, 4: window_bytes})
        self.hears = Hears()
        self.exchange = Exchange(HEAD, [body], False, self.hears)
        self.connection.start(self.exchange)
        self.exchange_bytes()
        self.h2.send_response(1, [(b":status", b"200")])
        self.exchange_bytes()

    def exchange_bytes(self) -> list[Any]:
        """Both sides hear what the other has said; the events of the peer."""
        events: list[Any] = []
        while True:
            self.wire.run()
            sent, self.wire.written = bytes(self.wire.written), bytearray()
            if sent:
                self.h2.receive_data(sent)
                events += self.h2.events()
            answer = self.h2.data_to_send()
            if answer:
                self.connection.data_received(answer)
            if not sent and not answer:
                return events


def http1_connection() -> tuple[Wire, Http1Connection, Hears]:
    """A connection of HTTP/1.1 that carries one exchange."""
    wire = Wire()
    connection = Http1Connection(wire, wire.soon.append)
    connection.connection_made(cast(asyncio.Transport, wire))
    hears = Hears()
    connection.start(Exchange(HEAD, [b"abc"], True, hears))
    return wire, connection, hears
