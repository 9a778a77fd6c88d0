"""asyncio inside handlers: tasks, groups and timeouts over durable results, in the same order in
every attempt."""

import asyncio
import contextvars
import gc
import time
from datetime import timedelta
from typing import Any

import anyio
import pytest

import perdure
from perdure import wire
from tests.sdk.unit.engine import Invocation
from tests.sdk.unit.handlers import handler

MODES = [(version, suspending) for version in (5, 6, 7) for suspending in (False, True)]
DAY = timedelta(days=1)


async def double(n: int) -> int:
    await asyncio.sleep(0)
    return 2 * n


async def twice(ctx: Any, n: int) -> int:
    await asyncio.sleep(0)
    return await ctx.step(double, await ctx.step(double, n))  # type: ignore[no-any-return]


async def by_gather(ctx: Any) -> list[int]:
    return await asyncio.gather(*[twice(ctx, n) for n in range(3)], ctx.step(double, 9))


async def by_task_group(ctx: Any) -> list[int]:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(twice(ctx, n)) for n in range(3)]
        last = await ctx.step(double, 9)
    return [*[task.result() for task in tasks], last]


async def by_anyio(ctx: Any) -> list[int]:
    found: dict[int, int] = {}

    async def member(n: int) -> None:
        found[n] = await twice(ctx, n)

    with anyio.move_on_after(3600):
        async with anyio.create_task_group() as group:
            for n in range(3):
                group.start_soon(member, n)
            await anyio.lowlevel.checkpoint()
    return [*[found[n] for n in range(3)], await ctx.step(double, 9)]


async def by_queue(ctx: Any) -> list[int]:
    """Workers that take from a queue and give to another."""
    todo: asyncio.Queue[int] = asyncio.Queue()
    done: asyncio.Queue[tuple[int, int]] = asyncio.Queue()

    async def worker() -> None:
        while True:
            n = await todo.get()
            await done.put((n, await twice(ctx, n)))

    workers = [asyncio.create_task(worker()) for _ in range(2)]
    for n in range(3):
        todo.put_nowait(n)
    found = dict([await done.get() for _ in range(3)])
    for one in workers:
        one.cancel()
    await asyncio.gather(*workers, return_exceptions=True)
    return [*[found[n] for n in range(3)], await ctx.step(double, 9)]


async def by_timeouts(ctx: Any) -> list[int]:
    async with asyncio.timeout(3600):
        first = await twice(ctx, 0)
        second = await asyncio.wait_for(twice(ctx, 1), 3600)
        third = await asyncio.shield(asyncio.create_task(twice(ctx, 2)))
    await ctx.sleep(DAY)
    return [first, second, third, await ctx.step(double, 9)]


@pytest.mark.parametrize(("version", "suspending"), MODES)
@pytest.mark.parametrize("way", [by_gather, by_task_group, by_anyio, by_queue, by_timeouts])
def test_what_libraries_do_with_asyncio_is_replayed(
    way: Any, version: int, suspending: bool
) -> None:
    executed: list[int] = []

    async def work(ctx: Any) -> list[int]:
        assert asyncio.current_task() is not None
        found: list[int] = await way(ctx)
        executed.append(1)
        return found

    made = Invocation(handler(work), version=version, suspending=suspending)
    asyncio.run(made.run())
    assert made.output.value == b"[0,4,8,18]"
    assert not made.errors
    assert (made.attempts > 1) == suspending
    # Once more from the whole journal: the same commands, which a mismatch would tell.
    made.journal = [frame for frame in made.journal if frame[:2] != b"\x04\x01"]
    made.output, made.suspending = None, False
    asyncio.run(made.attempt())
    assert made.output.value == b"[0,4,8,18]"
    assert not made.errors
    gc.collect()


def test_a_timeout_of_asyncio_must_not_end_a_durable_wait(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def in_the_handler(ctx: Any) -> None:
        async with asyncio.timeout(0.01):
            await ctx.awakeable()

    async def in_a_task(ctx: Any) -> None:
        await asyncio.wait_for(ctx.awakeable(), 0.01)

    async def in_anyio(ctx: Any) -> None:
        with anyio.fail_after(0.01):
            await ctx.awakeable()

    async def passed_meanwhile(ctx: Any) -> None:
        deadline_s = asyncio.get_running_loop().time() + 0.01
        time.sleep(0.02)
        async with asyncio.timeout_at(deadline_s):
            await ctx.awakeable()

    for work in (in_the_handler, in_a_task, in_anyio, passed_meanwhile):
        made = Invocation(handler(work))
        asyncio.run(made.attempt())
        (error,) = made.errors
        assert "timeout or cancellation of asyncio" in error.message, work
        assert "use .timeout(...)" in error.message
    assert "test_own_loop.py" in caplog.text


def test_a_timeout_of_asyncio_ends_what_is_its_own() -> None:
    async def work(ctx: Any) -> str:
        try:
            async with asyncio.timeout(0.01):
                await asyncio.Event().wait()
        except TimeoutError:
            return await ctx.step(lambda: "late")  # type: ignore[no-any-return]
        return ""

    made = Invocation(handler(work))
    asyncio.run(made.run())
    assert made.output.value == b'"late"'


def test_a_timeout_around_a_failing_task_group_is_over_with_it() -> None:
    """From Python 3.13 on the group cancels its task anew, and the timeout takes that back."""

    async def fails_late() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise ValueError("late") from None

    async def work(ctx: Any) -> str:
        try:
            async with asyncio.timeout(0.01), asyncio.TaskGroup() as group:
                group.create_task(fails_late())
        except* ValueError:
            pass
        task = asyncio.current_task()
        assert task is not None and not task.cancelling()
        return await ctx.step(lambda: "on")  # type: ignore[no-any-return]

    made = Invocation(handler(work))
    asyncio.run(made.run())
    assert made.output.value == b'"on"' and made.attempts == 1


@pytest.mark.parametrize("suspending", [False, True])
def test_a_failure_in_a_task_group_cancels_the_others(suspending: bool) -> None:
    cancelled: list[str] = []

    async def fails(ctx: Any) -> None:
        await ctx.step(double, 1)
        raise perdure.Terminal("no", 418)

    async def waits(ctx: Any, name: str) -> None:
        try:
            await ctx.awakeable()
        except asyncio.CancelledError:
            cancelled.append(name)
            raise

    async def work(ctx: Any) -> int:
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(fails(ctx))
                group.create_task(waits(ctx, "task"))
                await waits(ctx, "handler")
        except* perdure.Terminal as errors:
            (error,) = errors.exceptions
            assert isinstance(error, perdure.Terminal)
            code = error.code
        return await ctx.step(double, code)  # type: ignore[no-any-return]

    made = Invocation(handler(work), suspending=suspending)
    asyncio.run(made.run())
    assert made.output.value == b"836"
    assert set(cancelled) == {"task", "handler"}


def test_a_cancellation_reaches_a_handler_that_waits_for_tasks() -> None:
    async def work(ctx: Any) -> str:
        try:
            await asyncio.gather(ctx.awakeable(), ctx.call("A/b"))
        except perdure.Cancelled:
            return "cancelled"
        return ""

    made = Invocation(handler(work), call=lambda m: None)  # type: ignore[arg-type, return-value]

    async def drive() -> None:
        first = asyncio.create_task(made.attempt())
        await asyncio.sleep(0.01)
        made.cancel()
        await first

    asyncio.run(drive())
    assert made.output.value == b'"cancelled"'


def test_what_is_done_outside_is_borne_and_named() -> None:
    def blocking() -> int:
        return 3

    async def work(ctx: Any) -> list[Any]:
        await asyncio.sleep(0.001)
        loop = asyncio.get_running_loop()
        address = await loop.getaddrinfo("127.0.0.1", 80)
        return [await asyncio.to_thread(blocking), bool(address), await ctx.step(double, 1)]

    made = Invocation(handler(work), suspending=True)
    with pytest.warns(perdure.MisuseWarning) as warned:
        asyncio.run(made.run())
    assert made.output.value == b"[3,true,2]"
    texts = dict.fromkeys(str(one.message) for one in warned)  # again in each attempt, under pytest
    assert [text.partition(" in a handler")[0] for text in texts] == [
        "asyncio.sleep",
        "input or output",
        "a thread",
    ]
    assert "test_own_loop.py" in warned[0].filename


def test_code_that_polls_is_not_waited_for_for_ever() -> None:
    async def work(ctx: Any) -> int:
        future = ctx.call("A/b", returns=int)
        while not future.done:
            await asyncio.sleep(0)
        polled = asyncio.create_task(poll(ctx))
        await ctx.sleep(DAY)
        polled.cancel()
        return await future  # type: ignore[no-any-return]

    async def poll(ctx: Any) -> None:
        while True:
            await asyncio.sleep(0)

    made = Invocation(handler(work), call=lambda m: b"7")
    asyncio.run(asyncio.wait_for(made.run(1), 10))
    assert made.output.value == b"7"


@pytest.mark.parametrize("suspending", [False, True])
def test_context_variables_are_those_of_one_context(suspending: bool) -> None:
    variable: contextvars.ContextVar[int] = contextvars.ContextVar("variable", default=0)

    async def member(ctx: Any, n: int) -> int:
        variable.set(n)
        await ctx.step(double, n)
        return variable.get()

    async def work(ctx: Any) -> list[int]:
        token = variable.set(1)
        await ctx.step(double, 1)
        async with ctx.group() as group:
            futures = [group.start(member, ctx, n) for n in (5, 6)]
        await asyncio.sleep(0)
        found = [variable.get(), *[await one for one in futures]]
        variable.reset(token)
        return [*found, variable.get()]

    made = Invocation(handler(work), suspending=suspending)
    asyncio.run(made.run())
    assert made.output.value == b"[1,5,6,0]"


def test_the_loop_and_task_of_the_transport_are_left_alone() -> None:
    seen: list[Any] = []

    class Looking(Invocation):
        def _got(self, data: bytes) -> None:
            seen.append((asyncio.get_running_loop(), asyncio.current_task()))
            super()._got(data)

    async def work(ctx: Any) -> int:
        seen.append((asyncio.get_running_loop(), asyncio.current_task()))
        return 1

    made = Looking(handler(work))

    async def drive() -> None:
        mine = (asyncio.get_running_loop(), asyncio.current_task())
        await made.run()
        assert seen[0] != mine
        assert seen[1] == mine

    asyncio.run(drive())


def test_a_mismatch_in_a_task_fails_the_attempt() -> None:
    async def work(ctx: Any) -> Any:
        return await asyncio.gather(ctx.step(double, 1, name="new"), return_exceptions=True)

    async def inner(ctx: Any) -> Any:
        return await asyncio.gather(named(ctx), return_exceptions=True)

    async def named(ctx: Any) -> Any:
        return await ctx.step(double, 1, name="new")

    for code in (work, inner):
        made = Invocation(handler(code))
        made.journal.append(wire.encode(wire.RunCommand(1, "old")))
        asyncio.run(made.attempt())
        assert made.errors[0].code == 570
