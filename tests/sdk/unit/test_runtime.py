"""Attempts of handlers against a server in this process: what they do, and how they end."""

import asyncio
import contextlib
import logging
from datetime import timedelta
from typing import Any

import pytest

import perdure
from perdure import wire
from perdure.wire import codes
from tests.sdk.unit.engine import Invocation
from tests.sdk.unit.handlers import handler

MODES = [(version, suspending) for version in (5, 6, 7) for suspending in (False, True)]
DAY = timedelta(days=1)


def run(fn: Any, argument: bytes = b"", **options: Any) -> Invocation:
    kind = options.pop("kind", "exclusive")
    invocation = Invocation(handler(fn, kind), argument, **options)
    asyncio.run(invocation.run())
    return invocation


async def double(n: int) -> int:
    return 2 * n


def shout(text: str) -> str:
    return text.upper()


@pytest.mark.parametrize(("version", "suspending"), MODES)
@pytest.mark.parametrize("lazy", [False, True])
def test_a_handler_ends_alike_however_it_is_cut(version: int, suspending: bool, lazy: bool) -> None:
    effects: list[int] = []

    async def effect(n: int) -> int:
        effects.append(n)
        return n + 1

    async def work(ctx: Any, name: str) -> dict[str, Any]:
        seen = await ctx.get("seen", int, 0)
        ctx.set("seen", seen + 1)
        one = await ctx.step(effect, 1)
        await ctx.sleep(DAY)
        two, called = await ctx.gather(ctx.step(effect, one), ctx.call("Other/h", one, returns=int))
        async with ctx.group() as group:
            three = group.start(effect_twice, ctx, 10)
            four = group.start(effect_twice, ctx, 20)
        return {
            "name": name,
            "seen": seen,
            "got": [one, two, called, await three, await four],
            "shout": await ctx.step(shout, "x"),
            "id": str(ctx.uuid()),
            "keys": await ctx.state_keys(),
        }

    async def effect_twice(ctx: Any, n: int) -> int:
        return await ctx.step(effect, await ctx.step(effect, n))  # type: ignore[no-any-return]

    made = run(
        work,
        b'"ann"',
        version=version,
        suspending=suspending,
        lazy=lazy,
        state={b"seen": b"4"},
        call=lambda m: b"70",
    )
    result = perdure.serde.serde_for(Any).decode(made.output.value)
    assert made.output.failure is None
    assert result["got"] == [2, 3, 70, 12, 22]
    assert (result["seen"], result["shout"], result["keys"]) == (4, "X", ["seen"])
    assert sorted(effects) == [1, 2, 10, 11, 20, 21]
    assert made.state[b"seen"] == b"5"
    assert not made.errors
    assert (made.attempts > 3) == suspending


@pytest.mark.parametrize(("version", "suspending"), MODES)
def test_plain_handlers_wait_in_their_thread(version: int, suspending: bool) -> None:
    def work(ctx: perdure.SyncContext, n: int) -> list[Any]:
        seen = ctx.get("seen", int, 0)
        ctx.set("seen", seen + 1)
        ctx.sleep(DAY)
        a, b = ctx.futures.step(double, n), ctx.futures.call("Other/h", returns=int)
        return [seen, ctx.step(double, n), ctx.gather(a, b), ctx.step(shout, "y")]

    made = run(work, b"4", version=version, suspending=suspending, call=lambda m: b"1")
    assert made.output.value == b'[0,8,[8,1],"Y"]'


def test_a_greet_is_one_write() -> None:
    sent: list[bytes] = []

    class Counting(Invocation):
        def _got(self, data: bytes) -> None:
            sent.append(data)
            super()._got(data)

    async def greet(ctx: Any, name: str) -> str:
        return f"Hello {name}"

    made = Counting(handler(greet, "plain"), b'"ann"')
    asyncio.run(made.run())
    assert made.output.value == b'"Hello ann"'
    assert len(sent) == 1


def test_combinators_decide_by_the_order_of_the_journal() -> None:
    async def work(ctx: Any) -> list[Any]:
        slow, quick = ctx.sleep(DAY), ctx.awakeable(str)
        ctx.resolve_awakeable(quick.id, "q")
        name, value = await ctx.select(slow=slow, quick=quick)
        left = [ctx.awakeable(int), ctx.awakeable(int), ctx.awakeable(int)]
        order = [await future async for future in ctx.as_completed(*left)]
        settled = await ctx.all_settled(ctx.signal("bad"), ctx.signal("good", int))
        first = await ctx.race(ctx.signal("never"), ctx.signal("bad2").map(str)).timeout(DAY)
        return [name, value, order, [one.ok for one in settled], settled[1].value, first]

    made = Invocation(handler(work), answers_sleep=False, suspending=True)

    async def drive() -> None:
        await made.attempt()
        failure = wire.WireFailure(500, "no")
        for index, value in ((17, b'"q"'), (20, b"3"), (18, b"1"), (19, b"2")):
            made.notify(wire.signal_notification(index, value=value))
            await made.attempt()
        made.notify(wire.signal_notification("bad", failure=failure))
        made.notify(wire.signal_notification("good", value=b"5"))
        await made.attempt()
        made.notify(wire.signal_notification("bad2", value=b"9"))
        await made.attempt()

    asyncio.run(drive())
    assert made.output.value == b'["quick","q",[3,1,2],[false,true],5,"9"]'
    combinator = made.suspensions[0].nested[0]
    assert combinator.combinator == codes.FIRST_COMPLETED
    assert (combinator.completions, combinator.signals) == ([1], [17])
    assert made.suspensions[0].signals == [codes.CANCEL_SIGNAL]


def test_a_timeout_is_an_error_of_its_own() -> None:
    async def work(ctx: Any) -> str:
        try:
            await ctx.awakeable().timeout(DAY)
        except TimeoutError as error:
            return type(error).__name__
        return ""

    assert run(work).output.value == b'"DurableTimeout"'


def test_terminal_errors_reach_the_caller() -> None:
    async def fails() -> None:
        raise perdure.Terminal("no luck", 418, {"why": "tea"})

    async def work(ctx: Any) -> None:
        await ctx.step(fails)

    failure = run(work).output.failure
    assert (failure.code, failure.message, failure.metadata) == (418, "no luck", (("why", "tea"),))


def test_failures_of_calls_are_terminal() -> None:
    async def work(ctx: Any) -> str:
        with contextlib.suppress(perdure.Terminal):
            await ctx.gather(ctx.call("A/b"), ctx.sleep(DAY))
            return "passed"
        return "failed"

    made = run(work, call=lambda m: wire.WireFailure(500, "no"))
    assert made.output.value == b'"failed"'


def test_other_errors_are_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    tries: list[int] = []

    async def flaky() -> int:
        tries.append(1)
        if len(tries) < 3:
            raise ValueError("not yet")
        return len(tries)

    async def work(ctx: Any) -> int:
        return await ctx.step(flaky, retry=perdure.Retry(initial=timedelta(seconds=1), factor=3))  # type: ignore[no-any-return]

    made = run(work)
    assert made.output.value == b"3"
    assert [error.next_retry_delay for error in made.errors] == [1000, 3000]
    assert made.errors[0].related_command_name == "flaky"
    assert "test_runtime.py" in made.errors[0].stacktrace
    assert "sdk/perdure" not in made.errors[0].stacktrace


def test_a_step_that_is_used_up_is_terminal() -> None:
    async def flaky() -> int:
        raise ValueError("never")

    async def work(ctx: Any) -> int:
        return await ctx.step(flaky, retry=perdure.Retry(max_attempts=3))  # type: ignore[no-any-return]

    made = run(work)
    assert (len(made.errors), made.output.failure.message) == (2, "never")


@pytest.mark.parametrize("suspending", [False, True])
def test_a_saga_undoes_last_to_first(suspending: bool) -> None:
    undone: list[str] = []

    async def undo(what: str) -> None:
        undone.append(what)

    async def work(ctx: Any) -> None:
        async with ctx.saga() as saga:
            for what in ("flight", "hotel"):
                saga.undo(undo, what)
                await ctx.step(double, 1)
            raise perdure.Terminal("full", 409)

    made = run(work, suspending=suspending)
    assert undone == ["hotel", "flight"]
    assert made.output.failure.message == "full"


@pytest.mark.parametrize("suspending", [False, True])
def test_a_cancellation_is_raised_and_passed_on(suspending: bool) -> None:
    async def work(ctx: Any) -> str:
        try:
            async with ctx.group() as group:
                group.start(wait, ctx)
                await ctx.call("Other/h")
        except perdure.Cancelled:
            pass
        await ctx.sleep(DAY)
        return "tidied"

    async def wait(ctx: Any) -> None:
        await ctx.awakeable()

    made = Invocation(handler(work), suspending=suspending, call=lambda m: None)  # type: ignore[arg-type, return-value]

    async def drive() -> None:
        first = asyncio.create_task(made.attempt())
        await asyncio.sleep(0.01)
        made.cancel()
        await first
        if made.output is None:
            await made.run()

    asyncio.run(drive())
    assert made.output.value == b'"tidied"'
    assert [(s.signal, s.void) for s in made.sent] == [(codes.CANCEL_SIGNAL, True)]


def test_an_argument_that_does_not_fit_is_the_callers_fault() -> None:
    async def work(ctx: Any, n: int) -> int:
        return n

    failure = run(work, b'"x"').output.failure
    assert failure.code == 400
    assert "Expected `int`" in failure.message


def test_a_changed_handler_is_named_with_both_sides(caplog: pytest.LogCaptureFixture) -> None:
    async def work(ctx: Any) -> None:
        with contextlib.suppress(Exception):
            await ctx.step(shout, "x")

    made = Invocation(handler(work))
    made.journal.append(wire.encode(wire.RunCommand(1, "double")))
    made.journal.append(wire.completion_value(codes.RUN_COMPLETION, 1, b"4"))
    asyncio.run(made.attempt())
    (error,) = made.errors
    assert error.code == 570
    assert "'double' in the journal and 'shout' in the code" in error.message
    assert "test_runtime.py" in error.stacktrace


def test_a_new_wait_in_the_past_is_noticed() -> None:
    async def work(ctx: Any) -> None:
        await ctx.awakeable()
        await ctx.step(shout, "x")

    made = Invocation(handler(work))
    made.journal.append(wire.encode(wire.RunCommand(1, "shout")))
    asyncio.run(made.attempt())
    assert made.errors[0].code == 570


def test_misuse_is_named_by_line(caplog: pytest.LogCaptureFixture) -> None:
    kept: list[Any] = []

    async def twice(ctx: Any) -> None:
        kept.append(ctx)
        future = ctx.sleep(DAY)
        await future
        await future

    made = Invocation(handler(twice))
    asyncio.run(made.attempt())
    assert "awaited before" in made.errors[0].message
    assert "test_runtime.py" in made.errors[0].message
    with pytest.raises(perdure.Misuse, match=r"outside its handler.*test_runtime.py"):
        kept[0].sleep(DAY)


def test_a_swallowed_suspension_is_named(caplog: pytest.LogCaptureFixture) -> None:
    async def work(ctx: Any) -> str:
        try:
            await ctx.awakeable()
        except:  # noqa: E722
            return "swallowed"
        return ""

    made = Invocation(handler(work), suspending=True)
    asyncio.run(made.attempt())
    assert made.output is None
    assert "swallowed Suspended" in caplog.text
    assert "test_runtime.py" in caplog.text


def test_asyncio_works_in_steps_and_is_borne_in_handlers() -> None:
    async def busy(n: int) -> int:
        async with asyncio.timeout(5):
            await asyncio.gather(asyncio.sleep(0), asyncio.sleep(0.001))
        return n

    async def work(ctx: Any) -> list[int]:
        await asyncio.sleep(0)
        await asyncio.sleep(0.001)
        return [await ctx.step(busy, 1), await ctx.step(lambda: busy(2))]

    with pytest.warns(perdure.MisuseWarning, match="use ctx.sleep"):
        assert run(work).output.value == b"[1,2]"


def test_steps_are_ordinary_functions_elsewhere() -> None:
    @perdure.step
    async def charge(n: int) -> int:
        return n + 1

    async def work(ctx: Any) -> int:
        return await charge(1)

    made = run(work)
    assert made.output.value == b"2"
    assert made.commands()[1].name == "charge"
    assert asyncio.run(charge(5)) == 6


def test_logs_are_silent_on_replay(caplog: pytest.LogCaptureFixture) -> None:
    async def work(ctx: Any) -> int:
        for n in range(3):
            await ctx.step(double, n)
            ctx.logger.info("after %d", n)
        return 0

    with caplog.at_level(logging.INFO):
        run(work, suspending=True)
    assert [r.getMessage() for r in caplog.records if r.name == "perdure.handler"] == [
        "after 0",
        "after 1",
        "after 2",
    ]


def test_promises_of_a_workflow() -> None:
    async def work(ctx: Any) -> list[Any]:
        promise = ctx.promise("p", int)
        before = await promise.peek()
        await promise.resolve(7)
        with contextlib.suppress(perdure.Terminal):
            await promise.resolve(8)
            return []
        return [before, await promise, await ctx.promise("p", int).timeout(DAY)]

    assert run(work, kind="workflow").output.value == b"[null,7,7]"
