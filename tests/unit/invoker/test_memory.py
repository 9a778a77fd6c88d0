"""Large messages share what memory there is: those that find none wait, and one always goes on."""

import asyncio

import msgspec

from orchestrator.exchanges import http2
from orchestrator.invoker import memory
from orchestrator.invoker.options import InvokerOptions
from orchestrator.registry.schema import RetryPolicy
from perdure import wire
from tests.unit.invoker.scripted import END, Served
from tests.unit.invoker.test_faults import answered, good
from tests.unit.invoker.test_lifecycle import until
from tests.unit.invoker.worlds import QUICK, run, scripted


def test_memory_of_half_received_messages_is_limited() -> None:
    async def large(served: Served) -> None:
        await served.start()
        served.respond()
        served.send(b"\x04\x01\x00\x00\x00\x10\x00\x00" + b"x" * 500_000)
        await served.was_reset.wait()

    async def test() -> None:
        small = InvokerOptions(memory_bytes_max=600_000)
        async with scripted(large, large, good, options=small) as (partition, _):
            calls = [partition.call("Svc", "run") for _ in range(2)]
            await asyncio.wait({asyncio.ensure_future(call) for call in calls}, timeout=0.5)
            assert partition.failures == [] and partition.invoker.running_count == 2
            window_bytes = http2.STREAM_WINDOW_BYTES
            assert partition.invoker._slots.memory_bytes <= 500_000 + 2 * window_bytes

    run(test)


def test_of_several_large_messages_one_always_becomes_whole() -> None:
    """Together they are more than the memory there is, and each comes in many pieces."""
    large = wire.encode(wire.OutputCommand(value=b"x" * 400_000), version=7)

    async def in_pieces(served: Served) -> None:
        await served.start()
        served.respond()
        for at in range(0, len(large), 20_000):
            if served.was_reset.is_set():
                return
            served.send(large[at : at + 20_000])
            await asyncio.sleep(0.005)
        served.send(END)
        served.end()

    async def test() -> None:
        small = InvokerOptions(memory_bytes_max=600_000)
        retry = RetryPolicy(initial_interval_ms=10, max_interval_ms=20)
        patient = msgspec.structs.replace(QUICK, retry=retry)
        async with scripted(in_pieces, options=small, defaults=patient) as (partition, _):
            calls = [partition.call("Svc", "run", b"y" * 100_000) for _ in range(8)]
            outcomes = await asyncio.wait_for(asyncio.gather(*calls), 10)
            assert outcomes == [b"x" * 400_000] * 8
            assert partition.failures == [], "they wait"
            assert partition.invoker._slots.memory_bytes == 0

    run(test)


LARGE_HEAD = b"\x04\x01\x00\x00\x00\x10\x00\x00"  # of a message of 1 MiB


def test_who_waits_for_memory_is_not_taken_for_one_that_hangs() -> None:
    """And goes on when one that hangs in the middle of a large message is broken off."""
    large = wire.encode(wire.OutputCommand(value=b"x" * 500_000), version=7)
    hanging: list[Served] = []

    async def hangs(served: Served) -> None:
        await served.start()
        served.respond()
        served.send(LARGE_HEAD + b"x" * 500_000)
        await asyncio.sleep(0.1)
        hanging.append(served)
        await served.was_reset.wait()

    async def answers(served: Served) -> None:
        await served.start()
        served.respond()
        await until(lambda: hanging)
        served.send(large + END)
        served.end()

    async def test() -> None:
        small = InvokerOptions(memory_bytes_max=600_000)
        short = msgspec.structs.replace(QUICK, inactivity_timeout_ms=300, abort_timeout_ms=500)
        async with scripted(hangs, answers, options=small, defaults=short) as (partition, _):
            calls = [asyncio.ensure_future(partition.call("Svc", "run")) for _ in range(6)]
            await until(lambda: len(partition.invoker._memory._waiting) == 5)
            assert await asyncio.gather(*calls) == [b"x" * 500_000] * 6
            (failure,) = partition.failures
            assert "for 500 ms" in failure.why.message

    run(test)


def test_only_so_many_attempts_of_a_deployment_wait_for_memory() -> None:
    count = memory.WAITING_MAX + 10

    async def large(served: Served) -> None:
        await served.start()
        served.respond()
        served.send(LARGE_HEAD + b"x" * 500_000)
        await served.was_reset.wait()

    async def test() -> None:
        # Room until the first of them says something: they begin all at once.
        options = InvokerOptions(memory_bytes_max=600_000)
        async with scripted(large, options=options) as (partition, _):
            for _ in range(count):
                partition.submit("Svc", "run")
            await until(lambda: partition.failures)
            waiting = partition.invoker._memory._waiting
            assert len(waiting) <= memory.WAITING_MAX
            assert all("no memory" in f.why.message for f in partition.failures)
            partition.invoker.hold_back(partition, True)
            partition.invoker.hold_back(partition, False)
            assert all(one.exchange and one.exchange.is_held_back for one in waiting)

    run(test)


def test_attempts_wait_for_memory_but_one_always_runs() -> None:
    async def test() -> None:
        small = InvokerOptions(memory_bytes_max=1)
        async with scripted(good, options=small) as (partition, service):
            await asyncio.gather(*(answered(partition) for _ in range(10)))
            assert len(service.requests) == 10
            assert partition.failures == []

    run(test)
