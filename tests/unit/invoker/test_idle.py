"""Services that suspend on what nobody will complete: asked again, but after a while."""

import asyncio

import pytest

from orchestrator.model.records import Signal
from perdure import wire
from perdure.wire import codes
from tests.unit.invoker.scripted import MANIFEST, Served
from tests.unit.invoker.test_lifecycle import until
from tests.unit.invoker.worlds import run, scripted

FORMS = {
    "all of nothing, and a cancel": wire.WireFuture(
        codes.FIRST_COMPLETED, [], [codes.CANCEL_SIGNAL], nested=[wire.WireFuture(2)]
    ),
    "a sleep that is over": wire.WireFuture(codes.FIRST_COMPLETED, [1], [codes.CANCEL_SIGNAL]),
    "that and one that is not": wire.WireFuture(codes.FIRST_COMPLETED, [1, 2]),
    "a completion of no command": wire.WireFuture(codes.FIRST_COMPLETED, [9]),
}
OF_V7_ONLY = "all of nothing, and a cancel"  # lists have no combinators


@pytest.mark.parametrize("version", [5, 6, 7])
@pytest.mark.parametrize("form", sorted(FORMS))
def test_it_is_asked_again_after_a_while(form: str, version: int) -> None:
    async def suspends(served: Served) -> None:
        start = (await served.start())[0]
        assert isinstance(start, wire.Start)
        served.respond()
        if start.known_entries == 1:
            served.say(wire.SleepCommand(1, 1), wire.SleepCommand(4_000_000_000_000, 2))
        served.say(wire.Suspension(FORMS[form]))
        await served.ended.wait()
        served.end()

    async def test() -> None:
        if form == OF_V7_ONLY and version < 7:
            return
        manifest = MANIFEST | {"maxProtocolVersion": version}
        async with scripted(suspends, manifest=manifest) as (partition, service):
            invocation_id = partition.submit("Svc", "run")
            await until(lambda: len(service.requests) >= 3)
            await asyncio.sleep(0.5)
            assert len(service.requests) <= 6
            row = partition.row(invocation_id)
            assert row.retry_at_ms and row.last_failure is not None
            assert row.last_failure.restate_code == "RT0012"

    run(test)


def test_something_new_ends_the_wait() -> None:
    async def suspends(served: Served) -> None:
        entries = await served.start()
        served.respond()
        if any(isinstance(entry, wire.Notification) for entry in entries):
            await served.finish()
            return
        served.say(wire.Suspension(wire.WireFuture(codes.FIRST_COMPLETED, [9])))
        await served.ended.wait()
        served.end()

    async def test() -> None:
        async with scripted(suspends) as (partition, service):
            invocation_id = partition.submit("Svc", "run")
            await until(lambda: len(service.requests) >= 2)
            await until(lambda: partition.row(invocation_id).retry_at_ms)
            partition.propose_any(Signal(invocation_id, 17, "", b"v", partition.clock.now_ms()))
            assert await partition.result(invocation_id) == b"out"

    run(test)
