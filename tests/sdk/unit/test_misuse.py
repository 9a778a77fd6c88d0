"""What cannot work, or is likely meant otherwise, is named where it is written."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

import perdure
from perdure import wire
from perdure.replay import Machine, TooMuchBuffered
from perdure.replay.slot import Slot
from tests.sdk.unit.engine import ID, Invocation
from tests.sdk.unit.handlers import handler
from tests.sdk.unit.test_runtime import run

DAY = timedelta(days=1)


def first_error(fn: Any) -> str:
    made = Invocation(handler(fn))
    asyncio.run(made.attempt())
    return str(made.errors[0].message)


def test_a_context_is_not_used_in_its_steps(caplog: pytest.LogCaptureFixture) -> None:
    async def in_a_task(ctx: Any) -> None:
        async def effect() -> None:
            await ctx.sleep(DAY)

        await ctx.step(effect)

    async def in_a_thread(ctx: Any) -> None:
        await ctx.step(lambda: ctx.uuid() and None)

    async def by_its_future(ctx: Any) -> None:
        future = ctx.awakeable()

        async def effect() -> None:
            await future

        await ctx.step(effect)

    for work in (in_a_task, in_a_thread):
        assert "used inside a step" in first_error(work), work
        assert "test_misuse.py" in first_error(work)
    assert "awaited outside the handler" in first_error(by_its_future)


def test_what_a_step_may_know_of_its_handler() -> None:
    async def work(ctx: Any) -> list[Any]:
        return await ctx.step(lambda: [ctx.id == ctx.request.id, ctx.key, ctx.request.attempt])  # type: ignore[no-any-return]

    assert run(work, key="k").output.value == b'[true,"k",0]'


def test_the_context_of_another_handler_is_refused(caplog: pytest.LogCaptureFixture) -> None:
    kept: list[Any] = []

    async def lends(ctx: Any) -> None:
        kept.append(ctx)
        await ctx.awakeable()

    async def borrows(ctx: Any) -> None:
        kept[0].set("a", 1)

    async def drive() -> None:
        lending = asyncio.create_task(Invocation(handler(lends)).attempt())
        await asyncio.sleep(0.01)
        made = Invocation(handler(borrows))
        await made.attempt()
        assert "context of another handler" in made.errors[0].message
        lending.cancel()
        await asyncio.gather(lending, return_exceptions=True)

    asyncio.run(drive())


def test_a_step_that_nobody_waits_for_is_named() -> None:
    executed: list[int] = []

    async def work(ctx: Any) -> int:
        ctx.step(executed.append, 1, name="forgotten")
        return 1

    with pytest.warns(perdure.MisuseWarning, match="'forgotten' of Test/work was never awaited"):
        assert run(work).output.value == b"1"
    assert not executed


def test_a_sleep_that_nobody_waits_for_is_named() -> None:
    async def work(ctx: Any) -> int:
        ctx.sleep(timedelta(days=1))
        return 1

    with pytest.warns(perdure.MisuseWarning, match="a sleep of Test/work was never awaited"):
        assert run(work).output.value == b"1"


def test_a_call_that_nobody_waits_for_is_named() -> None:
    async def work(ctx: Any) -> int:
        ctx.call("Other/h")
        return 1

    with pytest.warns(perdure.MisuseWarning, match="a call of Test/work was never awaited: ctx.s"):
        assert run(work).output.value == b"1"


def test_what_lost_a_race_is_not_forgotten() -> None:
    async def work(ctx: Any) -> int:
        called, unused = ctx.call("Other/h"), ctx.call("Other/h")
        first = ctx.race(ctx.step(str), called.timeout(timedelta(days=1)), ctx.awakeable())
        await first
        ctx.awakeable()
        unused.invocation_id.map(str)
        return len(await ctx.select(a=ctx.step(str), b=unused))

    assert run(work).output.value == b"2"


def test_signals_that_nobody_takes_count_as_buffered() -> None:
    machine = Machine(7)
    machine._buffer_bytes_max = 10_000
    start = wire.start_message(
        7, ID, wire.invocation_id_to_str(ID), 1, partial_state=False, random_seed=1
    )
    machine.feed(start + wire.input_command((), b""))
    signal = wire.signal_notification("news", value=bytes(1_000))
    with pytest.raises(TooMuchBuffered):
        for _ in range(12):
            machine.feed(signal)
            machine.deliver()
    taken = Machine(7)
    taken._buffer_bytes_max = 10_000
    taken.feed(start + wire.input_command((), b""))
    for _ in range(100):
        taken.feed(signal)
        taken.deliver()
        slot = Slot()
        taken.signal(slot, "news")
        assert slot.raw == bytes(1_000)


@pytest.mark.parametrize("version", [5, 6, 7])
def test_a_pause_is_told_from_version_7_on(version: int, caplog: pytest.LogCaptureFixture) -> None:
    async def work(ctx: Any) -> None:
        raise perdure.Pause("somebody must look")

    made = Invocation(handler(work), version=version)
    asyncio.run(made.attempt())
    (error,) = made.errors
    assert (error.behavior == wire.codes.BEHAVIOR_PAUSE) == (version >= 7)
    assert "somebody must look" in error.message


@pytest.mark.parametrize("suspending", [False, True])
def test_a_journal_of_megabytes_is_replayed(suspending: bool) -> None:
    def big(n: int) -> bytes:
        return bytes([n]) * (1 << 20)

    async def work(ctx: Any) -> list[int]:
        found = [await ctx.step(big, n) for n in range(4)]
        await ctx.sleep(DAY)
        return [len(one) for one in found] + [one[0] for one in found]

    made = run(work, suspending=suspending)
    assert made.output.value == b"[1048576,1048576,1048576,1048576,0,1,2,3]"
