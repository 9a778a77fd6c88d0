"""Attempts that are stopped, paused, forgotten; slots, draining, upkeep of connections."""

import asyncio
import logging

import msgspec
import pytest

from orchestrator.exchanges import draining
from orchestrator.model.records import Kill, Pause, Resume, Suspended
from orchestrator.model.rows import InvocationRow
from orchestrator.model.values import PAUSED, Failure
from orchestrator.registry.schema import RetryPolicy
from orchestrator.registry.snapshot import Defaults
from perdure import wire
from tests.unit.invoker.partition import WAIT_S, Partition
from tests.unit.invoker.scripted import END, OUT, Served
from tests.unit.invoker.test_faults import answered, good, half_a_frame
from tests.unit.invoker.worlds import QUICK, run, scripted

AN_HOUR_MS = 3_600_000
NO_RETRY = Defaults(retry=RetryPolicy(AN_HOUR_MS, 1.0, AN_HOUR_MS))


async def sleeps(served: Served) -> None:
    """Sleeps for ever; suspends when it is asked to."""
    start = (await served.start())[0]
    assert isinstance(start, wire.Start)
    served.respond()
    if start.known_entries == 1:
        served.say(wire.SleepCommand(4_000_000_000_000, 1))
    await served.ended.wait()
    served.say(wire.Suspension(wire.WireFuture(completions=[1], signals=[1])))
    served.end()


async def until(condition: object) -> None:
    assert callable(condition)
    async with asyncio.timeout(WAIT_S):
        while not condition():
            await asyncio.sleep(0.005)


def test_kill_breaks_the_stream_off() -> None:
    async def test() -> None:
        async with scripted(sleeps) as (partition, service):
            invocation_id = partition.submit("Svc", "run")
            await until(lambda: partition.journals)
            partition.propose_any(Kill(invocation_id, 1))
            assert isinstance(await partition.result(invocation_id), Failure)
            assert partition.invoker.running_count == 0
            await asyncio.wait_for(service.requests[0].was_reset.wait(), WAIT_S)
            assert len(partition.journals) == 1

    run(test)


def test_pause_half_closes_and_resume_goes_on() -> None:
    async def test() -> None:
        async with scripted(sleeps) as (partition, service):
            invocation_id = partition.submit("Svc", "run")
            await until(lambda: partition.journals)
            partition.propose_any(Pause(invocation_id, 1))
            await until(lambda: partition.row(invocation_id).status == PAUSED)
            assert service.requests[0].ended.is_set()
            assert isinstance(partition.journals[-1].end, Suspended)
            partition.propose_any(Resume(invocation_id, 1))
            await until(lambda: len(service.requests) == 2)

    run(test)


def test_an_attempt_that_begins_while_a_pause_is_wanted_is_asked_at_once() -> None:
    async def test() -> None:
        async with scripted(half_a_frame, sleeps, defaults=NO_RETRY) as (partition, service):
            invocation_id = partition.submit("Svc", "run")
            await until(lambda: partition.failures)
            row: InvocationRow = partition.row(invocation_id)
            row.pause_requested = True
            partition.invoker.start(partition, invocation_id, row.incarnation)
            await until(lambda: len(service.requests) == 2)
            await asyncio.wait_for(service.requests[1].ended.wait(), WAIT_S)

    run(test)


def test_inactivity_zero_is_request_and_response() -> None:
    async def looks(served: Served) -> None:
        await served.start()
        await asyncio.wait_for(served.ended.wait(), WAIT_S)  # before any answer
        served.respond()
        await served.finish()

    async def test() -> None:
        always = msgspec.structs.replace(QUICK, inactivity_timeout_ms=0)
        async with scripted(looks, defaults=always) as (partition, _):
            await answered(partition)

    run(test)


def test_an_active_stream_is_not_inactive() -> None:
    async def talks(served: Served) -> None:
        await served.start()
        served.respond()
        for n in range(1, 9):
            served.say(wire.RunCommand(n))
            await asyncio.sleep(0.05)
        assert not served.ended.is_set()
        await served.finish()

    async def test() -> None:
        short = msgspec.structs.replace(QUICK, inactivity_timeout_ms=150, abort_timeout_ms=100)
        async with scripted(talks, defaults=short) as (partition, _):
            await answered(partition)
            assert partition.failures == []

    run(test)


@pytest.mark.parametrize(("lazy", "service"), [(False, "Obj"), (True, "Obj"), (False, "Svc")])
def test_state_goes_along_unless_it_is_lazy(lazy: bool, service: str) -> None:
    starts: list[wire.Start] = []

    async def sets(served: Served) -> None:
        start = (await served.start())[0]
        assert isinstance(start, wire.Start)
        starts.append(start)
        served.respond()
        if service == "Obj":
            served.say(wire.SetStateCommand(b"k", b"v"))
        await served.finish()

    async def test() -> None:
        defaults = msgspec.structs.replace(QUICK, lazy_state=lazy)
        async with scripted(sets, defaults=defaults) as (partition, _):
            for _ in range(2):
                await answered(partition, service, "k" if service == "Obj" else "")

    run(test)
    first, second = starts
    if service == "Svc" or lazy:
        assert first.partial_state and second.partial_state and not second.state_map
    else:
        assert not first.partial_state and first.state_map == ()
        assert not second.partial_state and second.state_map == ((b"k", b"v"),)
        assert second.key == "k"


def test_starting_twice_is_starting_once() -> None:
    async def test() -> None:
        async with scripted(sleeps) as (partition, service):
            invocation_id = partition.submit("Svc", "run")
            await until(lambda: partition.journals)
            incarnation = partition.row(invocation_id).incarnation
            for _ in range(3):
                partition.invoker.start(partition, invocation_id, incarnation)
            partition.invoker.start(partition, invocation_id, incarnation + 1)  # is no more
            await asyncio.sleep(0.05)
            assert len(service.requests) == 1

    run(test)


def test_a_notification_of_another_incarnation_is_dropped() -> None:
    async def test() -> None:
        async with scripted(sleeps) as (partition, service):
            invocation_id = partition.submit("Svc", "run")
            await until(lambda: partition.journals)
            row = partition.row(invocation_id)
            frame = wire.completion_void(0x800C, 1)
            partition.invoker.notify(invocation_id, row.incarnation + 1, 99, frame, 0)
            partition.invoker.notify(invocation_id, row.incarnation, 0, frame, 0)
            partition.invoker.notify(b"x" * 24, 1, 99, frame, 0)
            await asyncio.sleep(0.05)
            assert len(service.requests[0].data_frames) == 1

    run(test)


def test_a_service_may_wait_until_its_commands_are_durable() -> None:
    stored: list[int] = []

    async def waits(served: Served) -> None:
        partition = partitions[0]
        await served.start()
        served.respond()
        for n in range(1, 4):
            served.say(wire.SetStateCommand(b"k", b"v"))
            served.say(wire.RunCommand(n), flags=wire.REQUESTED_ACK)
            assert await served.message() == wire.CommandAck(2 * n)
            stored.append(sum(j.commands for j in partition.journals))
        await served.finish()

    async def test() -> None:
        async with scripted(waits) as (partition, _):
            partitions.append(partition)
            assert await partition.call("Obj", "run", b"", "k") == b"out"
            assert stored == [2, 4, 6]
            assert partition.failures == []

    partitions: list[Partition] = []
    run(test)


def test_a_service_that_always_refuses_fails_in_the_end() -> None:
    async def refuse(served: Served) -> None:
        served.reset(7)

    async def test() -> None:
        async with scripted(refuse, refuse, refuse, refuse, good) as (partition, service):
            await answered(partition)
            (failed,) = partition.failures
            assert failed.why.restate_code == "RT0010"
            assert len(service.requests) == 5

    run(test)


def test_a_response_that_does_not_end_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draining, "DRAIN_S", 0.1)

    async def never_ends(served: Served) -> None:
        await served.start()
        served.respond()
        served.send(OUT + END)
        await served.ended.wait()
        await served.was_reset.wait()

    async def test() -> None:
        short = msgspec.structs.replace(QUICK, inactivity_timeout_ms=200)
        async with scripted(never_ends, defaults=short) as (partition, service):
            await answered(partition)
            assert partition.invoker.running_count == 0
            await asyncio.wait_for(service.requests[0].was_reset.wait(), 10)
            assert partition.failures == []

    run(test)


def test_a_failed_attempt_is_one_line_with_what_one_needs(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def fails(served: Served) -> None:
        await served.start()
        served.respond()
        served.say(wire.Error(500, "first line\nsecond line"))

    ids: list[bytes] = []

    async def test() -> None:
        async with scripted(fails, good) as (partition, _):
            ids.append(partition.submit("Svc", "run"))
            await partition.result(ids[0])

    with caplog.at_level(logging.WARNING, "perdure.invoker"):
        run(test)
    (line,) = [record.getMessage() for record in caplog.records]
    assert wire.invocation_id_to_str(ids[0]) in line
    assert "attempt=1" in line and "code=RT0007" in line and "next attempt in" in line
    assert r"first line\nsecond line" in line and "\n" not in line


def test_metadata_that_is_gone_fails_the_attempt_until_it_is_back() -> None:
    async def test() -> None:
        async with scripted(good) as (partition, _):
            registry = partition.registry
            invocation_id = partition.submit("Svc", "run")
            partition.registry = type(registry)(99, {}, {})
            await until(lambda: partition.failures)
            assert partition.failures[0].why.restate_code == "RT0011"
            partition.registry = registry
            assert await partition.result(invocation_id) == b"out"

    run(test)
