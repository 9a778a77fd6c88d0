"""Over HTTP/1.1 a journal is sent in windows, too: it is not kept in memory."""

import asyncio

import pytest

from orchestrator.invoker.options import InvokerOptions
from orchestrator.model.records import Signal
from perdure import wire
from perdure.wire import encode
from tests.unit.invoker.partition import Partition
from tests.unit.invoker.scripted import END, OUT
from tests.unit.invoker.scripted_http1 import Request
from tests.unit.invoker.test_lifecycle import until
from tests.unit.invoker.worlds import run, scripted_http1

FIRST = 17  # signals below are the protocol's own
WINDOW_BYTES = 50_000
SIZE = 100_000  # of a signal


def _suspending(count: int) -> bytes:
    """Until the last one of so many signals is there."""
    return encode(wire.Suspension(wire.WireFuture(1, [], [FIRST + count - 1])))


async def _good(request: Request) -> None:
    request.respond(OUT + END)


def _give(partition: Partition, invocation_id: bytes, count: int) -> None:
    for number in range(count):
        value = bytes((number % 251,)) * SIZE
        now_ms = partition.clock.now_ms()
        partition.propose_any(Signal(invocation_id, FIRST + number, "", value, now_ms))


@pytest.mark.parametrize("count", [100, 200])
def test_a_journal_is_read_as_fast_as_the_service_reads_it(count: int) -> None:
    async def suspends(request: Request) -> None:
        request.respond(_suspending(count))

    async def test() -> None:
        options = InvokerOptions(stream_bytes_max=WINDOW_BYTES)
        async with scripted_http1(suspends, _good, options=options) as (partition, service):
            invocation_id = partition.submit("Svc", "run")
            await until(lambda: any(journal.end for journal in partition.journals))
            service.reads.clear()
            _give(partition, invocation_id, count)
            await until(lambda: partition.invoker.running_count)
            (running,) = partition.invoker._running.values()
            await asyncio.sleep(0.2)
            exchange = running.exchange
            assert exchange is not None and exchange.carrier is not None
            assert 0 < exchange.carrier.queued_bytes(exchange) <= WINDOW_BYTES + SIZE + 1_000
            assert partition.invoker._slots.memory_bytes <= WINDOW_BYTES + SIZE + 1_000
            service.reads.set()
            assert await partition.result(invocation_id) == b"out"
            frames = wire.FrameReader(1 << 30).feed(service.requests[1].body)
            assert [len(body) > SIZE for _, _, body in frames] == [False, False] + [True] * count
            assert await partition.call("Svc", "run") == b"out"
            assert service.connection_count == 1, "a request that was sent whole leaves it in order"

    run(test)


def test_an_answer_before_the_end_of_the_request_is_heard_and_ends_the_connection() -> None:
    async def suspends(request: Request) -> None:
        request.respond(_suspending(100))

    async def test() -> None:
        options = InvokerOptions(stream_bytes_max=WINDOW_BYTES)
        async with scripted_http1(suspends, _good, options=options) as (partition, service):
            invocation_id = partition.submit("Svc", "run")
            await until(lambda: any(journal.end for journal in partition.journals))
            service.reads.clear()
            _give(partition, invocation_id, 100)
            await until(lambda: partition.invoker.running_count)
            await asyncio.sleep(0.1)
            (writer,) = service._writers
            await _good(Request("", service.requests[0].headers, b"", writer))
            assert await partition.result(invocation_id) == b"out"
            service.reads.set()
            assert await partition.call("Svc", "run") == b"out"
            assert service.connection_count == 2

    run(test)
