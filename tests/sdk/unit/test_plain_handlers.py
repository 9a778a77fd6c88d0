"""Plain `def` handlers: what waits, waits in a thread; groups, cancellation, and a lost peer."""

import asyncio
import threading
from datetime import timedelta
from typing import Any

import pytest

import perdure
from tests.sdk.unit.engine import Invocation
from tests.sdk.unit.handlers import handler

MODES = [(version, suspending) for version in (5, 7) for suspending in (False, True)]
DAY = timedelta(days=1)


def double(n: int) -> int:
    return 2 * n


@pytest.mark.parametrize(("version", "suspending"), MODES)
def test_members_of_a_group_run_beside_each_other(version: int, suspending: bool) -> None:
    executed: list[int] = []

    def effect(n: int) -> int:
        executed.append(n)
        return 2 * n

    def member(ctx: perdure.SyncContext, n: int) -> int:
        ctx.sleep(DAY)
        first = ctx.step(effect, n)
        return ctx.step(effect, first)

    def work(ctx: perdure.SyncContext) -> list[Any]:
        with ctx.group() as group:
            members = [group.start(member, ctx, n) for n in (1, 10)]
            called = group.start(ctx.futures.call("A/b", returns=int))
            sooner = members[1].result()
        with ctx.saga() as saga:
            saga.undo(effect, 0)
        name, value = ctx.select(a=ctx.futures.step(double, 4))
        left = [ctx.futures.step(double, n) for n in (5, 6)]
        order = sorted(one.result() for one in ctx.as_completed(*left))
        return [members[0].result(), sooner, called.result(), name, value, order]

    made = Invocation(handler(work), version=version, suspending=suspending, call=lambda m: b"7")
    asyncio.run(made.run())
    assert made.output.value == b'[4,40,7,"a",8,[10,12]]'
    assert sorted(executed) == [1, 2, 10, 20]
    assert not made.errors
    # Once more from the whole journal: the same commands, which a mismatch would tell.
    made.journal = [frame for frame in made.journal if frame[:2] != b"\x04\x01"]
    made.output, made.suspending = None, False
    asyncio.run(made.attempt())
    assert made.output.value == b'[4,40,7,"a",8,[10,12]]'


@pytest.mark.parametrize("suspending", [False, True])
def test_one_that_fails_cancels_the_others(suspending: bool) -> None:
    cancelled: list[str] = []

    def fails(ctx: perdure.SyncContext) -> None:
        ctx.step(double, 1)
        raise perdure.Terminal("no", 418)

    def waits(ctx: perdure.SyncContext) -> None:
        try:
            ctx.awakeable().result()
        except perdure.Cancelled:
            cancelled.append("member")
            raise

    def work(ctx: perdure.SyncContext) -> int:
        try:
            with ctx.group() as group:
                group.start(waits, ctx)
                group.start(fails, ctx)
        except perdure.Terminal as error:
            return ctx.step(double, error.code)
        return 0

    made = Invocation(handler(work), suspending=suspending)
    asyncio.run(made.run())
    assert made.output.value == b"836"
    assert cancelled


@pytest.mark.parametrize("grouped", [False, True])
@pytest.mark.parametrize("suspending", [False, True])
def test_a_cancellation_is_raised_at_the_next_call(grouped: bool, suspending: bool) -> None:
    told: list[str] = []

    def waits(ctx: perdure.SyncContext) -> None:
        try:
            ctx.futures.awakeable().result()
        except perdure.Cancelled:
            told.append("told")
            raise

    def work(ctx: perdure.SyncContext) -> str:
        try:
            if grouped:
                with ctx.group() as group:
                    group.start(waits, ctx)
            else:
                waits(ctx)
        except perdure.Cancelled as error:
            ctx.sleep(DAY)
            return f"{error.code}"
        return ""

    made = Invocation(handler(work), suspending=suspending)

    async def drive() -> None:
        first = asyncio.create_task(made.attempt())
        await asyncio.sleep(0.05)
        made.cancel()
        await first
        if made.output is None:
            await made.run()

    asyncio.run(drive())
    assert made.output.value == b'"409"'
    assert told


def test_a_thread_of_a_lost_attempt_ends_at_its_next_wait() -> None:
    goes_on, ended = threading.Event(), threading.Event()
    raised: list[BaseException] = []

    def work(ctx: perdure.SyncContext) -> None:
        future = ctx.futures.awakeable()
        goes_on.wait(10)
        try:
            future.result()
        except BaseException as error:
            raised.append(error)
            raise
        finally:
            ended.set()

    made = Invocation(handler(work))

    async def drive() -> None:
        running = asyncio.create_task(made.attempt())
        await asyncio.sleep(0.05)
        made._break()
        await running
        goes_on.set()
        assert await asyncio.to_thread(ended.wait, 10), "the thread waits for ever"

    asyncio.run(drive())
    assert "AttemptEnded" in type(raised[0]).__name__
