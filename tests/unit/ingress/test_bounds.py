"""No connection has memory or work without a bound: counted on a transport in memory."""

import asyncio
import sys
import time
import tracemalloc
from collections.abc import Awaitable, Callable

import pytest

from orchestrator.ingress.exchange import HttpReply
from orchestrator.ingress.http1 import Http1
from orchestrator.ingress.shared import Shared
from tests.unit.ingress.wire import Face, Wire, connected, shared_of

READ_BYTES = 256 * 1024  # what a transport reads at once
GET = b"GET /a HTTP/1.1\r\n\r\n"
POST = b"POST /a HTTP/1.1\r\n"
OK = HttpReply(200, b"", b"")


def on_loop(test: Callable[[], Awaitable[None]]) -> Callable[[], None]:
    def run() -> None:
        asyncio.run(test())  # type: ignore[arg-type]

    run.__name__ = test.__name__
    return run


async def fed(connection: Http1, wire: Wire, data: bytes) -> None:
    """As a transport does: not while reading is paused."""
    for start in range(0, len(data), READ_BYTES):
        while not wire.reading and not wire.closed:
            await asyncio.sleep(0)
        connection.data_received(data[start : start + READ_BYTES])


@on_loop
async def test_what_is_sent_ahead_stays_bytes() -> None:
    face = Face()
    shared = shared_of(face)
    connection, wire = connected(shared)
    connection.data_received(GET * (READ_BYTES // len(GET)))
    assert face.handled == 1
    assert not wire.reading
    assert len(connection._queue) <= 128
    held_bytes = sys.getsizeof(connection._rest) + 1_000 * len(connection._queue)
    assert held_bytes < 400_000
    assert shared.uploads.held_bytes > 200_000  # and it counts
    connection.connection_lost(None)
    assert shared.uploads.held_bytes == 0


@on_loop
async def test_all_that_was_sent_ahead_is_answered_in_the_end() -> None:
    face = Face(OK)
    connection, wire = connected(shared_of(face))
    await fed(connection, wire, GET * 30_000)
    while face.handled < 30_000:
        await asyncio.sleep(0)
    assert wire.written.count(b"HTTP/1.1 200") == 30_000
    assert wire.reading and not connection._rest


@pytest.mark.parametrize(
    "flood",
    [
        GET * 20_000,
        POST + b"transfer-encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 60_000 + b"0\r\n\r\n",
        POST + b"content-length: 300000\r\n\r\n" + b"x" * 300_000,
    ],
)
def test_a_flood_gives_others_their_turn(flood: bytes) -> None:
    """Counts what the parser calls back between two turns of the loop."""

    async def run() -> None:
        calls, most = [0], [0]
        face = Face(OK)
        connection, wire = connected(shared_of(face))
        for name in ("on_url", "on_body"):
            counted(connection, name, calls)
        feeding = asyncio.ensure_future(fed(connection, wire, flood))
        while not feeding.done() or connection._rest or connection._queue:
            calls[0] = 0
            await asyncio.sleep(0)
            most[0] = max(most[0], calls[0])
        feeding.result()
        assert face.handled == max(1, flood.count(GET))
        assert most[0] < 7_000

    asyncio.run(run())


def counted(connection: Http1, name: str, calls: list[int]) -> None:
    reader = connection._reader
    real = getattr(type(reader), name)

    class Counting(type(reader)):  # type: ignore[misc]
        __slots__ = ()

    def count(self: object, data: bytes) -> None:
        calls[0] += 1
        real(self, data)

    setattr(Counting, name, count)
    reader.__class__ = Counting


@on_loop
async def test_many_floods_leave_a_turn_to_everyone_else() -> None:
    """Requests that are answered between two turns of the loop, of all connections in sum."""
    face = Face(OK)
    shared = shared_of(face)
    floods = [connected(shared)[0] for _ in range(200)]
    for flood in floods:
        flood.data_received(GET * 2_000)
    assert face.handled == len(floods)  # one each
    for _ in range(300):
        before = face.handled
        await asyncio.sleep(0)
        assert face.handled - before <= 16
    assert face.handled >= 1_000
    newcomer, wire = connected(shared)
    newcomer.data_received(GET)
    assert wire.written.startswith(b"HTTP/1.1 200")


@on_loop
async def test_a_flood_of_headers_is_refused_early() -> None:
    connection, wire = connected(shared_of(Face()))
    connection.data_received(b"GET /a HTTP/1.1\r\n" + b"a:\r\n" * 60_000)
    for _ in range(10):
        await asyncio.sleep(0)
    assert wire.written.startswith(b"HTTP/1.1 431 ")
    assert len(connection._reader._headers) == 0


@on_loop
async def test_a_body_in_tiny_pieces_takes_no_more_than_its_size() -> None:
    connection, wire = connected(shared_of(Face(), payload_bytes_max=1 << 30))
    connection.data_received(POST + b"transfer-encoding: chunked\r\n\r\n")
    await fed(connection, wire, b"2\r\nxy\r\n" * 200_000)
    while connection._rest:
        await asyncio.sleep(0)
    assert connection._reader.body_bytes == 400_000
    joined = connection._reader._joined
    assert joined is not None and sys.getsizeof(joined) < 600_000


@on_loop
async def test_a_request_is_let_go_while_its_answer_is_awaited() -> None:
    """What was handed on is the body itself, the only copy."""
    face = Face()
    connection, wire = connected(shared_of(face))
    body = b"x" * 1_000_000
    await fed(connection, wire, POST + b"content-length: 1000000\r\n\r\n" + body)
    (exchange,) = face.exchanges
    taken = exchange.body
    assert taken == body
    exchange.release()
    assert exchange.body == b"" and exchange.headers == [] and exchange.url == b""
    alone = bytes(bytearray(10))
    assert sys.getrefcount(taken) == sys.getrefcount(alone)
    assert connection._reader._joined is None


@on_loop
async def test_a_large_head_that_is_not_over_counts_and_may_have_to_give_way() -> None:
    head = b"POST /a HTTP/1.1\r\nx: " + b"y" * 50_000
    shared = shared_of(Face(), small_uploads_bytes_max=210_000)
    wires = []
    for _ in range(10):
        connection, wire = connected(shared)
        await fed(connection, wire, head)
        while connection._rest:
            await asyncio.sleep(0)
        wires.append(wire)
        assert shared.uploads.held_bytes <= 210_000
    assert shared.uploads.held_bytes > 200_000
    assert sum(wire.written.startswith(b"HTTP/1.1 503 ") for wire in wires) == 6


@on_loop
async def test_many_small_headers_count_by_what_they_take() -> None:
    shared = shared_of(Face())
    connection, wire = connected(shared)
    await fed(connection, wire, POST + b"a:\r\n" * 900)
    while connection._rest:
        await asyncio.sleep(0)
    assert shared.uploads.held_bytes > 900 * 100


@on_loop
async def test_a_large_head_counts_until_its_body_is_there() -> None:
    face = Face(OK)
    shared = shared_of(face)
    connection, wire = connected(shared)
    await fed(connection, wire, POST + b"content-length: 9\r\nx: " + b"y" * 50_000 + b"\r\n\r\n12")
    while connection._rest:
        await asyncio.sleep(0)
    assert 50_000 < shared.uploads.held_bytes < 53_000
    await fed(connection, wire, b"3456789")
    assert shared.uploads.held_bytes == 0 and face.handled == 1
    await fed(connection, wire, POST + b"content-length: 9\r\n\r\n12")
    assert shared.uploads.held_bytes == 2


class Nowhere(Wire):
    """Takes all and keeps nothing."""

    def write(self, data: bytes) -> None:
        self.unsent = 0


@on_loop
async def test_a_large_body_is_in_memory_once_and_a_half_at_most() -> None:
    """A body that comes in, is handed on, and goes out again as the result."""
    size = 16_000_000
    face = Face()
    connection, _ = connected(shared_of(face), Nowhere())
    piece = b"x" * 250_000
    tracemalloc.start()
    try:
        connection.data_received(POST + b"content-length: %d\r\n\r\n" % size)
        for _ in range(size // len(piece)):
            connection.data_received(piece)
            await asyncio.sleep(0)
        (exchange,) = face.exchanges
        body = exchange.body
        exchange.release()
        assert len(body) == size
        exchange.respond(HttpReply(200, b"", body))
        while connection._writer.sending:
            await asyncio.sleep(0)
        del body
        _, peak_bytes = tracemalloc.get_traced_memory()
        face.exchanges.clear()
        left_bytes, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 1.5 * size
    assert left_bytes < 0.1 * size


async def _cost_s(flood: bytes) -> float:
    connection, wire = connected(shared_of(Face(OK), payload_bytes_max=1 << 30), Nowhere())
    began_s = time.process_time()
    await fed(connection, wire, flood)
    while connection._rest or connection._queue:
        await asyncio.sleep(0)
    return time.process_time() - began_s


CHUNKED = POST + b"transfer-encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(("head", "part"), [(b"", GET), (CHUNKED, b"1\r\nx\r\n")])
def test_a_flood_costs_as_much_as_it_is_long(head: bytes, part: bytes) -> None:
    async def best(count: int) -> float:
        return min([await _cost_s(head + part * count) for _ in range(3)])

    async def ratio() -> float:
        return await best(40_000) / await best(20_000)

    assert asyncio.run(ratio()) < 3.0


def large(shared: Shared, again: bool, size: int = 1_000_000) -> tuple[Http1, Wire, list[int]]:
    """A connection whose client reads nothing of a large answer; counts how often it is read."""
    reads = [0]
    body = bytes(range(250)) * (size // 250)

    def read_again(take: Callable[[bytes | None], None]) -> None:
        reads[0] += 1
        asyncio.get_running_loop().call_soon(take, body)

    connection, wire = connected(shared, Wire(room=10_000))
    shared.handle.reply = HttpReply(200, b"", body, read_again if again else None)  # type: ignore[attr-defined]
    connection.data_received(GET)
    return connection, wire, reads


@on_loop
async def test_answers_that_nobody_reads_are_let_go_and_read_again() -> None:
    shared = shared_of(Face(OK), unsent_bytes_max=3_000_000)
    held = [large(shared, again=True) for _ in range(8)]
    assert shared.unsent.held_bytes <= 3_000_000
    assert not any(wire.closed for _, wire, _ in held)
    for connection, wire, reads in held:
        for _ in range(100):
            wire.read_by_client(50_000)
            await asyncio.sleep(0)
        answer = bytes(wire.written)
        assert answer.endswith(bytes(range(250))) and len(answer) > 1_000_000
        assert answer.split(b"\r\n\r\n", 1)[1] == bytes(range(250)) * 4_000
        assert not connection._writer.sending
        assert reads[0] <= 4
    assert sum(reads[0] for _, _, reads in held) >= 5
    assert shared.unsent.held_bytes == 0


@on_loop
async def test_answers_that_cannot_be_read_again_are_cut_off_slowest_first() -> None:
    shared = shared_of(Face(OK), unsent_bytes_max=4_000_000)
    stalled = [large(shared, again=False) for _ in range(3)]
    for _ in range(5):
        shared.unsent.sweep()
    moving = large(shared, again=False)
    assert [wire.closed for _, wire, _ in stalled].count(True) == 1
    assert not moving[1].closed
    assert shared.unsent.held_bytes <= 4_000_000


@on_loop
async def test_pipelined_answers_wait_for_a_large_one() -> None:
    face = Face(OK)
    shared = shared_of(face)
    connection, wire, _ = large(shared, again=False)
    face.reply = OK
    connection.data_received(GET * 3)
    await asyncio.sleep(0)
    assert face.handled == 1
    for _ in range(100):
        wire.read_by_client(50_000)
        await asyncio.sleep(0)
    assert face.handled == 4
    assert bytes(wire.written).count(b"HTTP/1.1 200") == 4


@on_loop
async def test_the_connections_that_are_too_many_are_refused_and_a_flood_cut_off() -> None:
    shared = shared_of(Face(OK), connections_max=2, connections_refused_max=2)
    wires = [connected(shared)[1] for _ in range(6)]
    assert [wire.closed for wire in wires] == [False] * 4 + [True] * 2
    assert [wire.written[:12] for wire in wires[2:4]] == [b"HTTP/1.1 503"] * 2


PARTIAL_HEAD = b"GET /a HTTP/1.1\r\nx-slow: "
PARTIAL_BODY = POST + b"content-length: 10\r\n\r\nx"


@on_loop
async def test_who_has_been_idle_longest_gives_way_to_who_comes() -> None:
    """As many as there may be keep nobody out, but those that have a request under way."""
    for first, gives_way in (
        (b"", True),
        (PARTIAL_HEAD, True),
        (PARTIAL_BODY, False),
        (GET, False),  # it is not answered
    ):
        shared = shared_of(Face(), connections_max=2, connections_refused_max=8)
        old, old_wire = connected(shared)
        if first:
            old.data_received(first)
        shared.tick += 3
        young_wire = connected(shared)[1]
        shared.note_idle(2)
        new_wire = connected(shared)[1]
        await asyncio.sleep(0)
        assert (old_wire.closed, young_wire.closed, new_wire.closed) == (gives_way, False, False)
        assert new_wire.written.startswith(b"HTTP/1.1 503") is not gives_way
        if gives_way:
            assert connected(shared)[1].written.startswith(b"HTTP/1.1 503"), "nobody else is idle"


@on_loop
async def test_a_connection_that_is_used_again_does_not_give_way() -> None:
    face = Face()
    shared = shared_of(face, connections_max=1, connections_refused_max=8)
    connection, wire = connected(shared)
    shared.tick += 3
    shared.note_idle(1)
    connection.data_received(GET)
    assert connected(shared)[1].written.startswith(b"HTTP/1.1 503") and not wire.closed
    face.exchanges[0].respond(OK)
    shared.note_idle(1)
    assert connected(shared)[1].written.startswith(b"HTTP/1.1 503") and not wire.closed
