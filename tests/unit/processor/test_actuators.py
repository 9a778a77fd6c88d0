"""Timers, retries, the outbox and follow-up records, through a whole process."""

import asyncio

import pytest

from orchestrator.model.effects import Call, Sleep
from orchestrator.model.invoke import Invoke
from orchestrator.model.records import (
    Failed,
    Kill,
    OutboxAdvanced,
    PurgeExpired,
    Resume,
    Suspended,
    TimersFired,
    Transfer,
)
from orchestrator.model.rows import InvocationRow
from orchestrator.model.values import (
    BY_SERVICE,
    SERVICE,
    THEN_RETRY,
    Attempted,
    Caller,
    Future,
)
from orchestrator.processor.port import Result
from perdure.wire import codes
from perdure.wire.calls import CallCommand, encode_call
from perdure.wire.frames import frame
from tests.unit.processor.looking import export, find
from tests.unit.processor.virtual_loop import run
from tests.unit.processor.world import Attempt, Process, Script, World


def sleeper(delay_ms: int) -> Script:
    """Sleeps once, then ends."""

    def script(attempt: Attempt) -> None:
        if attempt.input.entries == 1:
            due = Sleep(attempt.now_ms + delay_ms, 1)
            attempt.flush(due, frames=frame(codes.SLEEP, b""), end=Suspended(Future((1,))))
        else:
            attempt.finish(b"slept")

    return script


def test_a_sleep_ends_at_its_time() -> None:
    async def story() -> None:
        process = await World(1).led({"nap": sleeper(5_000)})
        loop = asyncio.get_running_loop()
        start_s = loop.time()
        _, result = await process.call(process.make(process.world.uid(), "nap"))
        assert isinstance(result, Result) and result.outcome == b"slept"
        assert 5.0 <= loop.time() - start_s < 5.02
        await process.processor.close()

    run(story())


def test_timers_due_together_are_few_records() -> None:
    async def story() -> None:
        process = await World(1).led({"nap": sleeper(1_000)})
        replies = [process.send(process.make(process.world.uid(), "nap")) for _ in range(2_500)]
        await process.until(lambda: all(len(got) == 2 for got in replies))
        fired = [r for r in process.log.records(0) if isinstance(r, TimersFired)]
        assert sum(len(r.keys) for r in fired) == 2_500
        assert len(fired) < 50 and max(len(r.keys) for r in fired) <= 1_000
        await process.processor.close()

    run(story())


def test_long_sleepers_hold_rows_and_no_memory_and_outlive_the_process() -> None:
    async def story() -> None:
        world = World(1)
        process = await world.led({"nap": sleeper(3_600_000)})
        for _ in range(300):
            process.send(process.make(world.uid(), "nap"), wait=False)
        await asyncio.sleep(2)
        seat = process.processor._seats.get(0)
        assert seat is not None and seat.term is not None
        assert len(seat.term.due.timers) == 0
        assert sum(key.startswith(b"t") for key, _ in export(process.processor, b"t")) == 300
        await process.processor.close()
        again = await world.led({"nap": sleeper(0)})
        await asyncio.sleep(3_700)
        assert len(again.invoker.starts) == 300
        assert list(export(again.processor, b"t")) == []
        await again.processor.close()

    run(story())


def failing(times: int, wait_ms: int) -> Script:
    def script(attempt: Attempt) -> None:
        count = attempt.input.retry_count
        if count < times:
            why = Attempted(500, "not yet", at_ms=attempt.now_ms)
            attempt.flush(end=Failed(why, THEN_RETRY, count + 1, attempt.now_ms + wait_ms))
        else:
            attempt.finish(b"at last")

    return script


def test_a_failed_attempt_is_started_again_at_its_time_with_the_next_number() -> None:
    async def story() -> None:
        process = await World(1).led({"flaky": failing(3, 400)})
        loop = asyncio.get_running_loop()
        uid, start_s = process.world.uid(), loop.time()
        _, result = await process.call(process.make(uid, "flaky"))
        assert isinstance(result, Result) and result.outcome == b"at last"
        assert 1.2 <= loop.time() - start_s < 1.25
        numbers = [number for _, number in process.invoker.starts]
        assert numbers == sorted(set(numbers)) and len(numbers) == 4
        await process.processor.close()

    run(story())


def test_a_retry_keeps_its_time_through_a_restart_and_a_resume_starts_it_now() -> None:
    async def story() -> None:
        world = World(1)
        process = await world.led({"flaky": failing(1, 60_000)})
        uid, other = world.uid(), world.uid()
        for identity in (uid, other):
            process.send(process.make(identity, "flaky"), wait=False)
        await asyncio.sleep(1)
        await process.processor.close()
        again = await world.led({"flaky": failing(1, 60_000)})
        await asyncio.sleep(1)
        assert again.invoker.starts == []
        await again.operate(Resume(other, again.clock.now_ms()))
        await again.until(lambda: [i for i, _ in again.invoker.starts] == [other])
        await asyncio.sleep(50)
        assert len(again.invoker.starts) == 1
        await asyncio.sleep(10)
        assert {i for i, _ in again.invoker.starts} == {uid, other}
        await again.processor.close()

    run(story())


def caller_of(target: bytes) -> Script:
    """Calls `echo` of another invocation and ends with its result."""

    def script(attempt: Attempt) -> None:
        given = attempt.input
        if given.entries > 1:
            attempt.finish(b"heard")
            return
        caller = Caller(given.invoke.id, given.incarnation, 2)
        callee = Invoke(
            target, "S", "echo", "", SERVICE, b"", (), attempt.now_ms, 10**8, 10**8,
            caller=caller, by=BY_SERVICE,
        )  # fmt: skip
        attempt.flush(
            Call(callee, 8, 10, 1, 2),
            frames=frame(codes.CALL, encode_call(CallCommand("S", "echo", b"", 1, 2))),
            end=Suspended(Future((2,))),
        )

    return script


async def calls_across(process: Process, count: int) -> None:
    world = process.world
    scripts = process.invoker.scripts
    replies = []
    for number in range(count):
        target = world.uid(1)
        scripts[f"call{number}"] = caller_of(target)
        replies.append(process.send(process.make(world.uid(0), f"call{number}")))
    await process.until(lambda: all(len(got) == 2 for got in replies), 200)
    assert all(isinstance(got[1], Result) and got[1].outcome == b"heard" for got in replies)


def test_calls_cross_partitions_both_ways_once_and_rows_are_trimmed() -> None:
    async def story() -> None:
        world = World(2)
        process = await world.led()
        await calls_across(process, 40)
        await asyncio.sleep(3)
        assert list(export(process.processor, b"x")) == []
        transfers = [r for r in process.log.records(1) if isinstance(r, Transfer)]
        assert sum(len(r.items) for r in transfers) == 40 and len(transfers) < 10
        advanced = [r for r in process.log.records(0) if isinstance(r, OutboxAdvanced)]
        assert len(advanced) <= 3
        await process.processor.close()

    run(story())


@pytest.mark.parametrize("landed", [True, False])
def test_a_transfer_of_unknown_fate_counts_once(landed: bool) -> None:
    async def story() -> None:
        process = await World(2).led()
        for _ in range(6):
            process.log.lose[1] = landed
            await calls_across(process, 5)
            process.invoker.scripts.clear()
        done = list(export(process.processor, b"c"))
        assert len(done) == 60  # callers and callees
        await process.processor.close()

    run(story())


def test_what_expired_is_forgotten_in_bounded_records() -> None:
    async def story() -> None:
        process = await World(1).led(cleanup_s=30.0)
        for _ in range(1_200):
            process.send(process.make(process.world.uid()), wait=False)
        await asyncio.sleep(5)
        assert len(list(export(process.processor, b"c"))) == 1_200
        await asyncio.sleep(86_400 + 200)
        assert list(export(process.processor, b"c")) == []
        assert list(export(process.processor, b"r")) == []
        assert any(isinstance(r, PurgeExpired) for r in process.log.records(0))
        await process.processor.close()

    run(story())


def test_a_kill_reaches_the_children_by_follow_up_records() -> None:
    async def story() -> None:
        world = World(2)
        process = await world.led({"hang": lambda attempt: None})
        parent, child = world.uid(0), world.uid(1)
        process.invoker.scripts["parent"] = caller_of(child)
        process.invoker.scripts["echo"] = lambda attempt: None
        process.send(process.make(parent, "parent"), wait=False)
        await process.until(lambda: child in dict(process.invoker.starts))
        await process.operate(Kill(parent, process.clock.now_ms()))
        await process.until(lambda: (child, True) in process.invoker.stops)
        assert not isinstance(find(process.processor, child), InvocationRow)
        await asyncio.sleep(2)
        assert list(export(process.processor, b"k")) == []
        await process.processor.close()

    run(story())


def test_an_attempt_waits_until_all_that_the_one_before_proposed_is_applied() -> None:
    """Paused and resumed in one turn; a flush of the first attempt comes only with the next."""
    from orchestrator.model.records import Pause

    async def story() -> None:
        attempts: list[Attempt] = []
        process = await World(1).led({"slow": attempts.append})
        uid = process.world.uid()
        process.send(process.make(uid, "slow"), wait=False)
        await process.until(lambda: len(attempts) == 1)
        now_ms = process.clock.now_ms()
        process.log.hold(0)
        done: list[object] = []
        process.processor.engine.operate(Pause(uid, now_ms), done.append)
        process.processor.engine.operate(Resume(uid, now_ms), done.append)
        await asyncio.sleep(0.01)
        attempts[0].flush(frames=frame(codes.RUN, b"r"))
        process.log.let_go(0)
        process.log.hold(0)
        await asyncio.sleep(0.1)
        assert len(done) == 2
        if len(attempts) == 2:  # it saw the flush of the first
            assert attempts[1].input.entries == 2
        process.log.let_go(0)
        await asyncio.sleep(0.1)
        assert len(attempts) == 2 and attempts[1].input.entries == 2
        assert attempts[1].input.attempt > attempts[0].input.attempt
        await process.processor.close()

    run(story())
