"""Attempts that end with their partition, or with the server."""

import asyncio
from itertools import pairwise

import pytest

from orchestrator.invoker import forgetting, slices
from orchestrator.invoker.running import RunningAttempt
from orchestrator.model.records import Suspended
from tests.unit.invoker.partition import WAIT_S
from tests.unit.invoker.test_lifecycle import sleeps, until
from tests.unit.invoker.worlds import run, scripted


def test_a_forgotten_partition_gets_no_proposals() -> None:
    async def test() -> None:
        async with scripted(sleeps) as (partition, service):
            partition.submit("Svc", "run")
            await until(lambda: partition.journals)
            before = len(partition.journals)
            partition.invoker.forget(partition)
            assert partition.invoker.running_count == 0
            await asyncio.wait_for(service.requests[0].was_reset.wait(), WAIT_S)
            await asyncio.sleep(0.02)
            assert len(partition.journals) == before

    run(test)


@pytest.mark.parametrize("count", [8, 16])
def test_a_partition_is_forgotten_in_slices(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slices, "AT_ONCE", 4)

    async def test() -> None:
        async with scripted(*[sleeps] * count) as (partition, _):
            invoker = partition.invoker
            for _ in range(count):
                partition.submit("Svc", "run")
            await until(lambda: len(partition.journals) == count)
            left = [invoker.running_count]
            dropped = invoker._forgetting._dropped

            def after_a_slice() -> None:
                left.append(invoker.running_count)
                dropped()

            invoker._forgetting._dropped = after_a_slice
            invoker.forget(partition)
            await until(lambda: not invoker.running_count)
            assert [a - b for a, b in pairwise(left)] == [4] * (count // 4)
            assert len(partition.journals) == count

    run(test)


def test_closing_asks_everyone_to_suspend() -> None:
    async def test() -> None:
        async with scripted(sleeps) as (partition, _):
            for _ in range(5):
                partition.submit("Svc", "run")
            await until(lambda: len(partition.journals) == 5)
            partition.invoker.half_close_all()
            await until(lambda: partition.invoker.running_count == 0)
            ends = [j.end for j in partition.journals if j.end is not None]
            assert len(ends) == 5 and all(isinstance(end, Suspended) for end in ends)
            partition.submit("Svc", "run")
            await asyncio.sleep(0.02)
            assert partition.invoker.running_count == 0

    run(test)


@pytest.mark.parametrize("count", [20, 40])
def test_all_attempts_end_in_slices(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked to suspend, and broken off if they do not, are a few in one round of the loop."""
    monkeypatch.setattr(slices, "AT_ONCE", 4)
    monkeypatch.setattr(forgetting, "AT_ONCE", 4)
    rounds: list[int] = [0]  # what happened in each
    closed: list[int] = []

    def next_round() -> None:
        rounds.append(0)
        asyncio.get_running_loop().call_soon(next_round)

    def counted(name: str) -> None:
        before = getattr(RunningAttempt, name)

        def act(running: RunningAttempt) -> None:
            rounds[-1] += 1
            closed.append(name)
            if name == "drop":
                before(running)

        monkeypatch.setattr(RunningAttempt, name, act)

    async def test() -> None:
        async with scripted(*[sleeps] * count) as (partition, _):
            for _ in range(count):
                partition.submit("Svc", "run")
            await until(lambda: len(partition.journals) == count)
            counted("half_close")
            counted("drop")
            next_round()
            partition.invoker.half_close_all()
            await until(lambda: len(closed) == count)
            await partition.invoker.close()
            assert closed == ["half_close"] * count + ["drop"] * count
            assert max(rounds) == 4
            assert partition.invoker.running_count == 0

    run(test)
