"""Steps begin at once, as tasks of the real loop: what ends without waiting takes no turn of it,
and what waits is an ordinary task."""

import asyncio
import contextvars
import gc
import weakref
from datetime import timedelta
from typing import Any

import anyio
import pytest

import perdure
from perdure import wire
from perdure.runtime import Attempt
from perdure.wire import codes
from tests.parts.call_counts import calls_of
from tests.sdk.unit.engine import ID, Invocation
from tests.sdk.unit.handlers import handler
from tests.sdk.unit.test_runtime import run

CALLS_MAX = 95
"""Of a step: its result is there, the handler goes on to the next one, which ends at once."""
NEAR_CALLS_MAX = 85
"""The same where the engine is in this process."""

_word: contextvars.ContextVar[str] = contextvars.ContextVar("_word", default="")


def _begun(fn: Any, sent: list[Any], version: int = 7, in_process: bool = False) -> Attempt:
    """An attempt that was given its input, on the loop that runs."""
    loop = asyncio.get_running_loop()
    attempt = Attempt(handler(fn), version, sent.append, lambda: None, loop, {})
    if in_process:
        attempt.answer_engine()
    start = wire.Start(ID, "", 1)
    attempt.open(start, wire.InputCommand((), b""))
    return attempt


def _codes(data: bytes) -> list[int]:
    return [code for code, _, _, _ in wire.split(data)]


def test_what_never_waits_is_announced_and_proposed_in_one_piece() -> None:
    async def quick(n: int) -> int:
        return n

    async def work(ctx: Any) -> int:
        return await ctx.step(quick, 1) + await ctx.step(quick, 2)  # type: ignore[no-any-return]

    async def test() -> None:
        sent: list[bytes] = []
        attempt = _begun(work, sent)
        attempt.feed(wire.run_ack(1))
        attempt.feed(wire.run_ack(2))
        assert attempt.over
        assert list(map(_codes, sent)) == [
            [codes.RUN, codes.PROPOSE_RUN_COMPLETION],
            [codes.RUN, codes.PROPOSE_RUN_COMPLETION],
            [codes.OUTPUT, codes.END],
        ]

    asyncio.run(test())


@pytest.mark.parametrize("version", [6, 7])
def test_an_engine_in_this_process_is_given_results_as_it_stores_them(version: int) -> None:
    async def quick(n: int) -> int:
        return n

    async def bad() -> None:
        raise perdure.Terminal("bad")

    async def work(ctx: Any) -> int:
        first, _ = await ctx.gather(ctx.step(quick, 1), ctx.step(quick, 2))
        try:
            await ctx.step(bad)
        except perdure.Terminal:
            pass
        return first + await ctx.step(quick, 3)  # type: ignore[no-any-return]

    async def test() -> None:
        sent: list[list[bytes]] = []
        attempt = _begun(work, sent, version, in_process=True)
        stored = wire.completion_value
        result = codes.RUN_COMPLETION if version >= 7 else codes.PROPOSE_RUN_COMPLETION
        if version >= 7:
            attempt.acknowledge([1, 2])
            attempt.acknowledge([3])
            attempt.acknowledge([4])
            assert sent[0][2:] == [stored(result, 1, b"1"), stored(result, 2, b"2")]
        else:
            attempt.feed(b"".join(stored(codes.RUN_COMPLETION, n, b"%d" % n) for n in (1, 2)))
            failure = wire.WireFailure(500, "bad")
            attempt.feed(wire.completion_failure(codes.RUN_COMPLETION, 3, failure))
            attempt.feed(stored(codes.RUN_COMPLETION, 4, b"3"))
        assert attempt.over
        assert [[frame[0] << 8 | frame[1] for frame in frames] for frames in sent] == [
            [codes.RUN, codes.RUN, result, result],
            [codes.RUN, codes.PROPOSE_RUN_COMPLETION],  # a failure is for the engine to look at
            [codes.RUN, result],
            [codes.OUTPUT, codes.END],
        ]
        attempt.acknowledge([5])  # nobody listens any more

    asyncio.run(test())


def test_what_was_never_proposed_is_not_acknowledged() -> None:
    async def work(ctx: Any) -> None:
        await ctx.sleep(timedelta(days=1))

    async def test() -> None:
        sent: list[list[bytes]] = []
        attempt = _begun(work, sent, in_process=True)
        attempt.acknowledge([1])
        assert attempt.over and sent[-1][-1][:2] == codes.ERROR.to_bytes(2, "big")

    asyncio.run(test())


def test_steps_side_by_side_go_out_together() -> None:
    async def quick() -> None:
        pass

    async def slow() -> None:
        await asyncio.sleep(0.001)

    async def work(ctx: Any) -> None:
        await ctx.gather(ctx.step(quick), ctx.step(slow), ctx.step(quick))

    async def test() -> None:
        sent: list[bytes] = []
        attempt = _begun(work, sent)
        assert list(map(_codes, sent)) == [
            [codes.RUN] * 3 + [codes.PROPOSE_RUN_COMPLETION] * 2,
        ]
        while len(sent) < 2:
            await asyncio.sleep(0.001)
        attempt.feed(b"".join(map(wire.run_ack, (1, 2, 3))))
        assert attempt.over

    asyncio.run(test())


@pytest.mark.parametrize("suspending", [False, True])
def test_a_step_is_one_task_however_long_it_takes(suspending: bool) -> None:
    seen: list[Any] = []

    async def looks() -> int:
        first = asyncio.current_task()
        async with asyncio.timeout(5), asyncio.TaskGroup() as group:
            group.create_task(asyncio.sleep(0.001))
        with anyio.move_on_after(5):
            await anyio.sleep(0.001)
        seen.append((first, asyncio.current_task(), asyncio.get_running_loop()))
        return 7

    async def work(ctx: Any) -> int:
        seen.append(asyncio.current_task())
        return await ctx.step(looks)  # type: ignore[no-any-return]

    made = run(work, suspending=suspending)
    assert made.output.value == b"7"
    handlers_own, (first, last, loop) = seen[:2]
    assert first is last is not handlers_own and first.get_loop() is loop
    assert first.done() and first.result() == 7 and first.get_name() == "looks"


def test_a_task_that_ended_at_once_is_done_for_those_who_kept_it() -> None:
    kept: list[Any] = []

    async def fine() -> str:
        kept.append(asyncio.current_task())
        return "fine"

    async def bad() -> None:
        kept.append(asyncio.current_task())
        raise perdure.Terminal("bad")

    async def work(ctx: Any) -> str:
        try:
            await ctx.step(bad)
        except perdure.Terminal:
            pass
        return await ctx.step(fine)  # type: ignore[no-any-return]

    assert run(work).output.value == b'"fine"'
    assert isinstance(kept[0].exception(), perdure.Terminal) and kept[1].result() == "fine"
    assert repr(kept[0])


def test_variables_of_a_step_are_its_own_across_waits() -> None:
    async def speaks() -> str:
        before = _word.get()
        _word.set("step")
        await asyncio.sleep(0.001)
        return before + _word.get()

    async def work(ctx: Any) -> str:
        _word.set("handler ")
        said = await ctx.step(speaks)
        return said + " " + _word.get()  # type: ignore[no-any-return]

    assert run(work).output.value == b'"handler step handler "'


def test_a_context_is_not_there_in_a_step_and_is_there_after_it() -> None:
    async def looks() -> bool:
        with pytest.raises(perdure.Misuse):
            perdure.current_context()
        return True

    async def work(ctx: Any) -> bool:
        await ctx.step(looks)
        return perdure.current_context() is ctx

    assert run(work).output.value == b"true"


@pytest.mark.parametrize("waits", [False, True])
def test_a_step_that_cancels_itself_fails_the_attempt(waits: bool) -> None:
    tries: list[int] = []

    async def gives_up() -> int:
        tries.append(1)
        if len(tries) == 1:
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
            if waits:
                await asyncio.sleep(10)
        return len(tries)

    async def work(ctx: Any) -> int:
        return await ctx.step(gives_up)  # type: ignore[no-any-return]

    made = run(work)
    assert made.output.value == b"2" and made.attempts == 2
    assert "CancelledError" in made.errors[0].message


def test_a_step_that_waits_is_cancelled_when_nobody_wants_it() -> None:
    left: list[str] = []

    async def waits() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            left.append("cancelled")
            raise

    async def work(ctx: Any) -> None:
        await ctx.step(waits)

    async def test() -> None:
        attempt = _begun(work, [])
        await asyncio.sleep(0)
        attempt.lost()
        await asyncio.sleep(0.001)
        assert left == ["cancelled"]

    asyncio.run(test())


def test_an_attempt_without_more_input_suspends_once_all_its_steps_ran() -> None:
    ran: list[int] = []

    async def effect(n: int) -> int:
        ran.append(n)
        return n

    async def work(ctx: Any) -> list[int]:
        return await ctx.gather(*(ctx.step(effect, n) for n in range(3)))  # type: ignore[no-any-return]

    made = Invocation(handler(work), suspending=True)
    asyncio.run(made.run())
    assert made.output.value == b"[0,1,2]"
    assert ran == [0, 1, 2] and made.attempts == 2


def test_a_step_costs_few_calls_of_functions() -> None:
    async def quick(n: int) -> int:
        return n

    async def work(ctx: Any) -> int:
        return sum([await ctx.step(quick, n) for n in range(30)])

    async def test() -> None:
        attempt = _begun(work, [])
        for number in range(1, 10):
            attempt.feed(wire.run_ack(number))
        assert calls_of(lambda: attempt.feed(wire.run_ack(10))) <= CALLS_MAX
        near = _begun(work, [], in_process=True)
        for number in range(1, 10):
            near.acknowledge([number])
        assert calls_of(lambda: near.acknowledge([10])) <= NEAR_CALLS_MAX

    asyncio.run(test())


@pytest.mark.filterwarnings("ignore:a call of Test/work")
def test_an_attempt_that_is_over_leaves_nothing_to_the_collector() -> None:
    async def quick(n: int) -> int:
        return n

    async def work(ctx: Any) -> int:
        called = ctx.call("Other/h", 1, returns=int)
        await ctx.gather(ctx.step(quick, 1), ctx.step(quick, 2))
        del called
        return await ctx.step(quick, 3)  # type: ignore[no-any-return]

    async def test() -> None:
        gc.collect()
        gc.disable()
        try:
            attempt = _begun(work, [])
            attempt.feed(b"".join(map(wire.run_ack, (3, 4))))
            attempt.feed(wire.run_ack(5))
            assert attempt.over
            kept = weakref.ref(attempt.machine)
            del attempt
            assert kept() is None
        finally:
            gc.enable()

    asyncio.run(test())
