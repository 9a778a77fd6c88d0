"""Peers that are silent, talk much, or are held back."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from orchestrator.exchanges import http2
from orchestrator.exchanges.dialing import Dialer
from orchestrator.exchanges.exchange import Exchange, HeaderLines
from orchestrator.exchanges.origin import parse_origin
from orchestrator.exchanges.pool import Pool
from orchestrator.model.records import Failed
from perdure import wire
from perdure.wire import encode
from tests.unit.invoker.partition import Partition
from tests.unit.invoker.scripted import ScriptedService, Served
from tests.unit.invoker.test_faults import answered, good
from tests.unit.invoker.test_lifecycle import until
from tests.unit.invoker.worlds import run, scripted


class _Hears:
    def __init__(self) -> None:
        self.broken = ""

    def on_response(self, status: int, headers: HeaderLines) -> None: ...

    def on_body(self, data: bytes) -> None: ...

    def on_drained(self) -> None: ...

    def on_end(self) -> None: ...

    def on_broken(self, reason: str, untouched: bool) -> None:
        self.broken = reason


def pours(count: int) -> Callable[[Served], Coroutine[Any, Any, None]]:
    """A service that sets a value of 100 KB so many times, as fast as it can."""

    async def pour(served: Served) -> None:
        await served.start()
        served.respond()
        value = encode(wire.SetStateCommand(b"k", b"x" * 100_000))
        for _ in range(count):
            served.send(value)
            await asyncio.sleep(0)
        await served.finish()

    return pour


def test_a_peer_that_answers_no_pings_is_given_up() -> None:
    async def hang(served: Served) -> None:
        await served.was_reset.wait()

    async def test() -> None:
        service = await ScriptedService(hang).start()
        origin = parse_origin(service.target.uri)
        pool = Pool(origin, False, Dialer(), lambda: None, lambda: None)
        hears = _Hears()
        head = [
            (b":method", b"POST"),
            (b":scheme", b"http"),
            (b":authority", origin.authority),
            (b":path", b"/invoke/Svc/run"),
        ]
        pool.open(Exchange(head, [b"x"], False, hears))
        await until(lambda: service.requests)
        pool.sweep(1000.0)
        pool.sweep(1041.0)  # quiet: a ping goes out
        await asyncio.sleep(0.05)  # and is answered
        pool.sweep(1042.0)
        pool.sweep(1062.0)
        assert hears.broken == ""
        pool.sweep(1083.0)  # quiet again: a ping, and nobody answers in time
        pool.sweep(1104.0)
        assert "pings" in hears.broken
        pool.close("done")
        await service.stop()

    run(test)


def test_idle_connections_are_closed() -> None:
    async def test() -> None:
        async with scripted(good) as (partition, service):
            await answered(partition)
            pools = partition.invoker._pools
            pools.sweep(10.0)
            pools.sweep(11.0)
            assert pools
            pools.sweep(400.0)
            pools.sweep(401.0)
            assert not pools
            await answered(partition)
            assert len(service.connections) == 3  # discovery's, and two of attempts

    run(test)


def test_what_a_talkative_service_says_is_recorded_in_pieces() -> None:
    async def test() -> None:
        async with scripted(pours(40)) as (partition, _):
            assert await partition.call("Obj", "run", b"", "k") == b"out"
            assert all(len(j.frames) < 400_000 for j in partition.journals)
            assert not any(isinstance(j.end, Failed) for j in partition.journals)

    run(test)


def test_services_can_be_held_back() -> None:
    async def test() -> None:
        async with scripted(good, pours(40)) as (partition, _):
            await answered(partition)  # there is a connection
            partition.invoker.hold_back(partition, True)
            pending = asyncio.ensure_future(partition.call("Obj", "run", b"", "k"))
            await asyncio.sleep(0.3)
            assert sum(len(j.frames) for j in partition.journals) < 2 * http2.STREAM_WINDOW_BYTES
            assert not pending.done()
            partition.invoker.hold_back(partition, False)
            assert await pending == b"out"
            assert sum(len(j.frames) for j in partition.journals) > 4_000_000

    run(test)


def test_only_the_attempts_of_the_partition_that_piles_up_are_held_back() -> None:
    """They share a connection with the attempts of the others."""

    async def test() -> None:
        async with scripted(good, pours(80)) as (partition, service):
            await answered(partition)  # there is a connection
            other = Partition()
            partition.invoker.hold_back(other, True)
            assert await partition.call("Obj", "run", b"", "k") == b"out"
            assert len(service.connections) == 2  # discovery's, and one of attempts
            partition.invoker.hold_back(partition, True)
            pending = asyncio.ensure_future(partition.call("Obj", "run", b"", "k"))
            await asyncio.sleep(0.3)
            assert not pending.done()
            partition.invoker.forget(partition)
            assert not partition.invoker._held_back - {other}
            pending.cancel()

    run(test)


@pytest.mark.parametrize(
    ("message", "most_ms"),
    [(wire.SetStateCommand(b"k", b"v"), 60), (wire.RunCommand(1, "long"), 250)],
)
def test_what_nobody_waits_for_is_recorded_all_the_same(
    message: wire.Message, most_ms: int
) -> None:
    async def thinks(served: Served) -> None:
        await served.start()
        served.respond()
        served.say(message)
        await asyncio.sleep(0.5)
        await served.finish()

    async def test() -> None:
        async with scripted(thinks) as (partition, _):
            invocation_id = partition.submit("Obj", "run", key="k")
            await until(lambda: partition.invoker.running_count)
            begin = partition.clock.monotonic_ms()
            await until(lambda: partition.journals)
            assert partition.clock.monotonic_ms() - begin < most_ms
            assert await partition.result(invocation_id) == b"out"

    run(test)
