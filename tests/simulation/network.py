"""The network between an invoker and its services: late, in pieces, and it breaks.

It takes the place of the invoker's connection pool; each exchange runs against one emulated
attempt of a service.
"""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from orchestrator.exchanges.exchange import Exchange
from orchestrator.invoker.running import RunningAttempt
from perdure import wire
from tests.simulation.broker import Owner
from tests.simulation.clockwork import VirtualLoop
from tests.simulation.oracle import Oracle
from tests.simulation.service import Attempt, Course

READ_BYTES_MAX = 1 << 16
GARBAGE = b"\x04\x0c\x00\x00\x00\x00\x00\x03\xff\xff\xff"


@dataclass
class NetworkFaults:
    """Chances per exchange or per delivery, and times in seconds."""

    unreachable: float = 0.0
    refused: float = 0.0  # 503
    hangs: float = 0.0
    hung: frozenset[str] = frozenset()  # deployments that answer nothing, by their address
    garbage: float = 0.0
    cut: float = 0.0  # per delivery
    latency_s: float = 0.002
    slow: float = 0.0
    hasty: float = 0.0  # somebody resumes what is about to come to rest


class Services:
    """What all services of a world share."""

    def __init__(
        self,
        oracle: Oracle,
        loop: VirtualLoop,
        random: Random,
        faults: NetworkFaults,
        program: Callable[[Attempt, list[list[object]], str], Course],
    ) -> None:
        self.oracle = oracle
        self.loop = loop
        self.random = random
        self.faults = faults
        self.program = program


class Link:
    """One exchange: the carrier the invoker sees, and the way back of the service."""

    def __init__(
        self,
        services: Services,
        owner: Owner,
        exchange: Exchange,
        uri: str,
        on_read: Callable[[], None],
        on_batch: Callable[[], None],
    ) -> None:
        self._s = services
        self._owner = owner
        self._exchange = exchange
        self._on_read = on_read
        self._on_batch = on_batch
        self._held: list[Callable[[], None]] = []  # came while it was held back
        self._is_broken = False
        self._is_drained = False
        self._is_answered = False
        self._hangs = services.random.random() < services.faults.hangs
        self._hangs = self._hangs or uri in services.faults.hung
        self._slow = services.random.random() < services.faults.slow
        self._up_s = self._down_s = 0.0
        self._queued_bytes = 0
        self._wants_room = False
        self._attempt = self._make_attempt(exchange, uri)

    def _make_attempt(self, exchange: Exchange, uri: str) -> Attempt:
        running = exchange.receiver
        assert isinstance(running, RunningAttempt)
        heads = dict(exchange.head)
        protocol = wire.parse_media_type(heads[b"content-type"].decode())
        assert protocol is not None
        given = running.attempt._given  # what no service is told
        return Attempt(
            self._s.oracle,
            self,
            self._s.loop.now_ms,
            lambda: self._s.loop.turned_back_ms,
            self._s.program,
            (running.id, running.incarnation),
            uri,
            protocol,
            given.invoke.start_at_ms,
            self._owner.may_be_stale,
        )

    # --- from the invoker ---

    def begin(self) -> None:
        random, faults = self._s.random, self._s.faults
        chance = random.random()
        if chance < faults.unreachable + faults.refused:
            self._hangs = True  # no service hears what is sent meanwhile
        if chance < faults.unreachable:
            untouched = random.random() < 0.5
            self._later(self._down, lambda: self._break("connection refused", untouched))
            return
        if chance < faults.unreachable + faults.refused:
            self._later(self._down, self._refuse)
            return
        exchange = self._exchange
        if exchange.wants_room:
            self.want_room(exchange)
        for chunk in exchange.chunks:
            self._send(chunk)
        if exchange.ended:
            self.end(exchange)

    def send(self, exchange: Exchange, data: bytes) -> None:
        if self._owner.lives():
            self._send(data)

    def _send(self, data: bytes) -> None:
        at = 0
        while at < len(data):
            count = self._piece(len(data) - at)
            piece = data[at : at + count]
            self._queued_bytes += count
            self._later(self._up, lambda piece=piece: self._arrive(piece))  # type: ignore[misc]
            at += count

    def _piece(self, left: int) -> int:
        random = self._s.random
        if random.random() < 0.7:
            return min(left, READ_BYTES_MAX)
        return random.randrange(1, left + 1)

    def _arrive(self, data: bytes) -> None:
        self._queued_bytes -= len(data)
        self._look_for_room()
        if not self._is_broken and not self._hangs:
            self._attempt.feed(data)

    def end(self, exchange: Exchange) -> None:
        self._later(self._up, self._half_closed)

    def _half_closed(self) -> None:
        if not self._is_broken and not self._hangs:
            self._attempt.close_input()

    def cancel(self, exchange: Exchange) -> None:
        self._is_broken = True

    def drain(self, exchange: Exchange) -> None:
        self._is_drained = True  # the exchange stays open: it may be cancelled later

    def queued_bytes(self, exchange: Exchange) -> int:
        return self._queued_bytes

    def want_room(self, exchange: Exchange) -> None:
        self._wants_room = True
        self._later(self._up, self._look_for_room)

    def _look_for_room(self) -> None:
        if not self._wants_room or self._is_broken or not self._owner.lives():
            return
        if self._queued_bytes * 2 <= self._exchange.room_bytes and not self._is_over:
            self._wants_room = False
            self._exchange.receiver.on_drained()

    def retire(self, reason: str) -> None:
        """Each exchange has a connection of its own."""

    def hold_back(self, exchange: Exchange) -> None:
        if not exchange.is_held_back:
            held, self._held = self._held, []
            for arrival in held:
                arrival()

    @property
    def _is_over(self) -> bool:
        """Nobody reads what its service says."""
        return self._is_drained or self._exchange.closed

    # --- from the service ---

    def respond(self, data: bytes) -> None:
        if self._s.random.random() < self._s.faults.garbage:
            data = GARBAGE
        at = 0
        while at < len(data):
            count = self._piece(len(data) - at)
            piece = data[at : at + count]
            self._later(self._down, lambda piece=piece: self._deliver(piece))  # type: ignore[misc]
            at += count
        if self._s.random.random() < self._s.faults.hasty:
            self._hasten()

    def _hasten(self) -> None:
        """A resume that is on its way to the log when the attempt ends."""
        before_s = self._s.random.random() * self._s.faults.latency_s
        self._s.loop.call_at(max(self._s.loop.now_s, self._down_s - before_s), self._resume)

    def _resume(self) -> None:
        if self._owner.lives():
            self._owner.resume(self._attempt.life[0])

    def finish(self) -> None:
        self._later(self._down, self._finished)

    def _deliver(self, data: bytes) -> None:
        if self._exchange.is_held_back:
            self._held.append(lambda: self._deliver(data))
            return
        if self._is_broken or self._is_over or not self._owner.lives():
            return
        if self._s.random.random() < self._s.faults.cut:
            self._break("connection reset", False)
            return
        self._answer_head()
        self._on_read()
        self._exchange.receiver.on_body(data)
        self._on_batch()

    def _answer_head(self) -> None:
        if not self._is_answered:
            self._is_answered = True
            head = [(b"content-type", wire.media_type(self._attempt.protocol).encode())]
            self._on_read()
            self._exchange.receiver.on_response(200, head)

    def _finished(self) -> None:
        if self._exchange.is_held_back:
            self._held.append(self._finished)
            return
        if not self._is_broken and not self._is_over and self._owner.lives():
            self._answer_head()
            self._exchange.closed = True
            self._exchange.receiver.on_end()

    def _refuse(self) -> None:
        if self._owner.lives() and not self._is_over:
            self._on_read()
            self._exchange.receiver.on_response(503, [])

    def _break(self, reason: str, untouched: bool) -> None:
        if self._owner.lives() and not self._is_over:
            self._is_broken = True
            self._exchange.closed = True
            self._s.oracle.cut_off(self._attempt.life)
            self._exchange.receiver.on_broken(reason, untouched)

    # --- time ---

    def _up(self) -> float:
        self._up_s = max(self._up_s, self._s.loop.now_s) + self._latency_s()
        return self._up_s

    def _down(self) -> float:
        self._down_s = max(self._down_s, self._s.loop.now_s) + self._latency_s()
        return self._down_s

    def _latency_s(self) -> float:
        most_s = 0.5 if self._slow else self._s.faults.latency_s
        return 1e-6 + self._s.random.random() * most_s

    def _later(self, way: Callable[[], float], then: Callable[[], None]) -> None:
        self._s.loop.call_at(way(), then)


class SimulatedPool:
    """In place of the connections to one endpoint."""

    def __init__(
        self,
        services: Services,
        owner: Owner,
        uri: str,
        on_read: Callable[[], None],
        on_batch: Callable[[], None],
    ) -> None:
        self._services = services
        self._owner = owner
        self._uri = uri
        self._on_read = on_read
        self._on_batch = on_batch

    def open(self, exchange: Exchange) -> None:
        link = Link(self._services, self._owner, exchange, self._uri, self._on_read, self._on_batch)
        exchange.carrier = link
        link.begin()

    def close(self, reason: str) -> None:
        """Nothing is held."""
