"""Callers of a service that hangs leave places to callers of others."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from orchestrator.ingress.crowds import Crowds
from orchestrator.ingress.exchange import PendingRequest
from orchestrator.ingress.face import Ingress
from orchestrator.ingress.http1 import Http1
from orchestrator.ingress.options import IngressOptions
from orchestrator.ingress.shared import Shared
from orchestrator.runtime.telemetry import Telemetry
from perdure.wire.ids import invocation_id_to_str
from tests.unit.ingress.engine import Gate, MemoryEngine, StoppedClock, registry
from tests.unit.ingress.h2client import Http2Client
from tests.unit.ingress.serving import serving
from tests.unit.ingress.wire import Wire, connected

HEAD = b" HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\n\r\n1"
GREET = b"POST /Greeter/greet" + HEAD
SEND = b"POST /Greeter/greet/send" + HEAD
ADD = b"POST /Counter/k/add" + HEAD
PLACES = 80


class Served:
    """Callers over HTTP/1.1, each on a connection of its own; no result comes by itself."""

    def __init__(self, requests_max: int, connections_max: int) -> None:
        self.engine = MemoryEngine()
        self.engine.hold = True
        known = registry()
        clock = StoppedClock()
        options = IngressOptions(requests_max=requests_max, connections_max=connections_max)
        face = Ingress(self.engine, lambda: known, clock, Gate(), options)
        self.shared = Shared(face.handle, clock, options, Telemetry())

    async def ask(self, request: bytes) -> tuple[Http1, Wire]:
        connection, wire = connected(self.shared)
        connection.data_received(request)
        await asyncio.sleep(0)
        return connection, wire

    async def crowd(self, request: bytes) -> int:
        """Callers who do not get their answer, as many as may wait; how many that are."""
        for count in range(2 * PLACES):
            connection, wire = await self.ask(request)
            if wire.written:
                assert wire.written.startswith(b"HTTP/1.1 429 ")
                assert b"retry-after: 1\r\n" in wire.written
                connection.connection_lost(None)
                return count
        raise AssertionError("nobody was refused")


@pytest.mark.parametrize(
    ("requests_max", "connections_max"), [(PLACES, 10_000), (10_000, PLACES)], ids=["r", "c"]
)
def test_a_service_that_hangs_leaves_places_to_others(
    requests_max: int, connections_max: int
) -> None:
    async def story() -> None:
        served = Served(requests_max, connections_max)
        assert await served.crowd(GREET) == PLACES * 7 // 8
        for _ in range(5):
            assert not (await served.ask(ADD))[1].written, "it waits for its answer"
        assert (await served.ask(SEND))[1].written.startswith(b"HTTP/1.1 202 "), "nobody waits"
        assert (await served.ask(b"GET /restate/health HTTP/1.1\r\nhost: x\r\n\r\n"))[
            1
        ].written.startswith(b"HTTP/1.1 200 ")
        for invoke in list(served.engine.invokes)[:40]:
            served.engine.finish(invoke.id, b"1")
        await asyncio.sleep(0)
        assert not (await served.ask(GREET))[1].written, "there is room again"

    asyncio.run(story())


def test_who_waits_by_an_id_leaves_places_too() -> None:
    async def story() -> None:
        served = Served(PLACES, 10_000)
        await served.ask(GREET)
        id_text = invocation_id_to_str(served.engine.invokes[0].id).encode()
        attach = b"GET /restate/invocation/%b/attach HTTP/1.1\r\nhost: x\r\n\r\n" % id_text
        assert await served.crowd(attach) == PLACES * 7 // 8 - 1
        assert not (await served.ask(ADD))[1].written

    asyncio.run(story())


def test_over_http2_a_service_that_hangs_leaves_places_to_others() -> None:
    with serving(IngressOptions(requests_max=PLACES)) as served:
        served.engine.hold = True
        with Http2Client(served.address) as client:
            for _ in range(PLACES):
                client.begin("POST", "/Greeter/greet", end=True)
            refused = PLACES - PLACES * 7 // 8
            while sum(one.status == 429 for one in client.answers.values()) < refused:
                assert client.receive()
            served.engine.hold = False
            assert client.request("POST", "/Counter/k/add", b"1").status == 200


class Waiting:
    """A connection with so many requests that wait."""

    def __init__(self, service: str, count: int) -> None:
        self._exchanges = []
        for _ in range(count):
            exchange = PendingRequest(b"POST", b"/", [], b"", lambda *_: None)
            exchange.service = service
            self._exchanges.append(exchange)

    def waiting(self) -> list[PendingRequest]:
        return self._exchanges


@contextmanager
def counting(connections: list[Waiting]) -> Iterator[list[int]]:
    counted = [0]

    class Counting(Waiting):
        def waiting(self) -> list[PendingRequest]:
            counted[0] += 1
            return super().waiting()

    connections.append(Counting("x", 0))
    yield counted


def test_who_holds_more_than_is_left_gets_no_more() -> None:
    crowds = Crowds(1_000, 1_000)
    held = [Waiting("a", 500), Waiting("b", 300), Waiting("c", 90), Waiting("", 1)]
    assert crowds.names(held) == {"a", "b"}  # 110 are left
    crowds = Crowds(1_000, 1_000)
    assert crowds.names([*held, Waiting("d", 100)]) == {"a", "b", "c", "d"}  # 10 are
    crowds = Crowds(1_000, 1_000)
    assert crowds.names([Waiting("a", 800), Waiting("b", 50)]) == frozenset()
    crowds = Crowds(100_000, 1_000)
    assert crowds.names([Waiting("a", 1)] * 700 + [Waiting("b", 9)] * 200) == {"a", "b"}


def test_a_count_is_made_now_and_then() -> None:
    connections = [Waiting("a", 900)]
    with counting(connections) as counted:
        crowds = Crowds(20_000, 20_000)
        for _ in range(20_000):
            crowds.names(connections)
        assert counted[0] == 3, "while half of what was free is free"
        connections.append(Waiting("b", 19_100))
        crowds.forget()
        for _ in range(430):
            crowds.names(connections)
        assert counted[0] == 3 + 10, "at least so many requests lie between two counts"
        crowds.forget()
        crowds.names(connections)
        before = counted[0]
        crowds.names(connections)
        assert counted[0] == before
