"""One connection of the ingress on a transport in memory, for tests that count."""

from typing import Any

from orchestrator.ingress.exchange import HttpReply, PendingRequest
from orchestrator.ingress.http1 import Http1
from orchestrator.ingress.options import IngressOptions
from orchestrator.ingress.shared import Shared
from orchestrator.runtime.telemetry import Telemetry
from tests.unit.ingress.engine import StoppedClock


class Wire:
    """A transport that takes `room` bytes from its writer before it pauses it."""

    def __init__(self, room: int = 1 << 62) -> None:
        self.protocol: Any = None
        self.written = bytearray()
        self.room = room
        self.unsent = 0
        self.reading = True
        self.closed = False

    def write(self, data: bytes) -> None:
        self.written += data
        taken = min(self.room, len(data))
        self.room -= taken
        self.unsent += len(data) - taken
        if self.unsent > 64 * 1024:
            self.protocol.pause_writing()

    def read_by_client(self, count: int) -> None:
        taken = min(self.unsent, count)
        self.unsent -= taken
        self.room += count - taken
        if not self.unsent:
            self.protocol.resume_writing()

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def is_closing(self) -> bool:
        return self.closed

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        pass

    def close(self) -> None:
        self.closed = True

    abort = close


class Face:
    """Keeps exchanges back, or answers each at once."""

    def __init__(self, reply: HttpReply | None = None) -> None:
        self.reply = reply
        self.exchanges: list[PendingRequest] = []
        self.handled = 0

    def __call__(self, exchange: PendingRequest, crowded: frozenset[str] = frozenset()) -> None:
        self.handled += 1
        if self.reply is None:
            self.exchanges.append(exchange)
        else:
            exchange.respond(self.reply)


def connected(shared: Shared, wire: Wire | None = None) -> tuple[Http1, Wire]:
    wire = wire or Wire()
    connection = Http1(shared)
    wire.protocol = connection
    connection.connection_made(wire)  # type: ignore[arg-type]
    return connection, wire


def shared_of(face: Face, **options: Any) -> Shared:
    return Shared(face, StoppedClock(), IngressOptions(**options), Telemetry())
