"""What a call costs in the processor, in calls of functions: a limit that no load makes flaky."""

import asyncio
from pathlib import Path

from orchestrator.model.effects import RunResult
from perdure.wire import codes
from perdure.wire.frames import frame
from tests.bench.replay import restored, written
from tests.parts.call_counts import counted
from tests.unit.processor.virtual_loop import run
from tests.unit.processor.world import Attempt, Process, World

AT_ONCE = 64
STEPS = 10
CALLS_MAX = 150  # from the Invoke to the answer: two records proposed, appended and applied
REPLAY_CALLS_MAX = 32  # of a record that is read again, one of two of a call
STEP_CALLS_MAX = 37  # of one more record of an attempt, and what the attempt is told


def _steps(attempt: Attempt) -> None:
    result = frame(codes.RUN_COMPLETION, b"\x08\x01")
    for number in range(1, STEPS + 1):
        attempt.flush(RunResult(number, False, 0, len(result)), frames=result)
    attempt.finish(b"done")


async def _replay_cost(directory: Path, calls: int) -> int:
    log = await written(directory, calls)
    with counted() as counted_calls:
        partition, store = await restored(log, directory)
    assert partition.next_offset > calls // 16
    store.close()
    await log.close()
    return counted_calls.count


def test_a_replayed_record_costs_few_calls_of_functions(tmp_path: Path) -> None:
    """`python -m tests.bench.replay` says what that is in records a second."""
    few, some, many = (
        asyncio.run(_replay_cost(tmp_path / str(count), count)) for count in (100, 200, 400)
    )
    assert many - some < 2.2 * (some - few), "linear"
    assert (many - some) / 400 <= REPLAY_CALLS_MAX, "two records of each call"


async def _cost(process: Process, handler: str) -> float:
    """Of one of many that run at the same time."""
    invokes = [process.make(process.world.uid(), handler) for _ in range(AT_ONCE)]
    with counted() as calls:
        replies = [process.send(invoke) for invoke in invokes]
        while not all(len(one) == 2 for one in replies):
            await asyncio.sleep(0.001)
    return calls.count / AT_ONCE


def test_a_call_costs_few_calls_of_functions() -> None:
    async def story() -> None:
        process = await World(1).led()
        await _cost(process, "echo")  # what is made once is made
        assert await _cost(process, "echo") <= CALLS_MAX
        await process.processor.close()

    run(story())


def test_a_step_costs_few_calls_of_functions() -> None:
    async def story() -> None:
        process = await World(1).led({"steps": _steps})
        await _cost(process, "steps")
        plain, steps = await _cost(process, "echo"), await _cost(process, "steps")
        assert (steps - plain) / STEPS <= STEP_CALLS_MAX
        await process.processor.close()

    run(story())
