"""Streams that a peer refuses, resets, or loses with its connection."""

import asyncio
import gc
import sys
import weakref

import pytest

from orchestrator.exchanges.exchange import Exchange
from orchestrator.exchanges.http1 import Http1Connection
from orchestrator.exchanges.http2 import Http2Connection
from tests.unit.invoker.scripted import END, OUT, Served
from tests.unit.invoker.test_faults import answered, good
from tests.unit.invoker.wires import HEAD, Hears, Wire
from tests.unit.invoker.worlds import run, scripted


def test_refused_streams_are_tried_again_at_once_and_cost_nothing() -> None:
    async def refuse(served: Served) -> None:
        served.reset(7)

    async def test() -> None:
        async with scripted(refuse, good) as (partition, service):
            await answered(partition)
            assert partition.failures == []
            assert len(service.requests) == 2

    run(test)


def test_streams_above_the_last_one_of_a_goaway_go_elsewhere() -> None:
    async def go_away(served: Served) -> None:
        served.go_away(0)

    async def test() -> None:
        async with scripted(go_away, good) as (partition, service):
            await answered(partition)
            assert partition.failures == []
            assert len(service.connections) >= 2

    run(test)


def test_streams_of_a_connection_that_goes_away_are_finished_on_it() -> None:
    async def finish_then_close(served: Served) -> None:
        await served.start()
        served.go_away(served.id)
        await asyncio.sleep(0.05)
        served.respond()
        await served.finish()

    async def test() -> None:
        async with scripted(finish_then_close, good) as (partition, service):
            await asyncio.gather(answered(partition))
            await answered(partition)
            assert partition.failures == []
            paths = [c.streams for c in service.connections]
            assert sum(len(streams) for streams in paths) == 3

    run(test)


def test_a_reset_without_error_after_the_end_is_no_failure() -> None:
    async def end_and_reset(served: Served) -> None:
        await served.start()
        served.respond()
        served.send(OUT + END)
        served.end()
        served.reset(0)

    async def test() -> None:
        async with scripted(end_and_reset) as (partition, _):
            for _ in range(5):
                await answered(partition)
            assert partition.failures == []

    run(test)


def test_trailers_end_a_response() -> None:
    async def with_trailers(served: Served) -> None:
        await served.start()
        served.respond()
        served.send(OUT)
        served.trailers()

    async def test() -> None:
        async with scripted(with_trailers, good) as (partition, _):
            await answered(partition)
            assert "without an End" in partition.failures[0].why.message

    run(test)


def test_a_lost_connection_keeps_nothing_of_what_was_to_be_sent() -> None:
    wire = Wire()
    connection = Http2Connection(wire, wire.soon.append)
    connection.connection_made(wire)  # type: ignore[arg-type]
    bodies = [bytes([number]) * 1_000_000 for number in range(4)]
    hears = [Hears() for _ in bodies]
    exchanges = [
        Exchange(HEAD, [body], False, heard) for body, heard in zip(bodies, hears, strict=True)
    ]
    before = [sys.getrefcount(body) for body in bodies]
    for exchange in exchanges:
        connection.start(exchange)
    wire.run()
    assert [sys.getrefcount(body) for body in bodies] == before, "what was sent is still queued"
    connection.connection_lost(None)
    after = [sys.getrefcount(body) for body in bodies]
    assert after == [count - 1 for count in before], "only the exchanges' lists had them"
    assert all(heard.broken for heard in hears)
    for exchange in exchanges:  # asked of a connection that is gone: nothing happens
        exchange.cancel()
        connection.send(exchange, b"late")
        connection.end(exchange)
    assert not connection.queued_bytes(exchanges[0])


@pytest.mark.parametrize("kind", [Http1Connection, Http2Connection])
def test_a_lost_connection_is_freed_without_a_look_for_cycles(kind: type) -> None:
    gc.disable()
    try:
        wire = Wire()
        connection = kind(wire, wire.soon.append)
        connection.connection_made(wire)
        wire.run()
        gone = weakref.ref(connection)
        connection.connection_lost(None)
        del connection
        assert gone() is None
    finally:
        gc.enable()
