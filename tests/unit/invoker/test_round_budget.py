"""Attempts that take much along begin one after the other; all others as ever."""

import asyncio

import pytest

from orchestrator.codec.keys import object_key
from orchestrator.invoker.slices import RoundBudget
from orchestrator.model.rows import ObjectRow
from tests.unit.invoker.partition import Partition
from tests.unit.invoker.test_faults import good
from tests.unit.invoker.worlds import run, scripted

ATTEMPTS = 12


async def _most_in_a_round(partition: Partition, body: bytes = b"") -> int:
    """Attempts that one round of the loop began, at most, until all are over."""
    calls = [partition.call("Obj", "look", body, key="k") for _ in range(ATTEMPTS)]
    over = asyncio.gather(*calls)
    most = seen = 0
    while not over.done():
        await asyncio.sleep(0)
        most, seen = max(most, len(partition.begun) - seen), len(partition.begun)
    assert seen == ATTEMPTS and not partition.failures
    return most


@pytest.mark.parametrize(
    ("values", "size_bytes", "most"), [(3_000, 5, 1), (700, 5, 3), (1, 9 << 20, 1), (90, 5, 12)]
)
def test_a_round_begins_few_attempts_with_a_large_state(
    values: int, size_bytes: int, most: int
) -> None:
    async def test() -> None:
        async with scripted(good) as (partition, _):
            pairs = {b"%d" % number: b"v" * size_bytes for number in range(values)}
            partition.state.objects.add(
                object_key("Obj", "k"), ObjectRow(1, "Obj", "k", state=pairs)
            )
            assert await _most_in_a_round(partition) == most

    run(test)


@pytest.mark.parametrize(
    ("body_bytes", "most"), [(9 << 20, 1), (3 << 20, 2), (1 << 20, 4), (90_000, 12)]
)
def test_a_round_begins_few_attempts_with_a_large_input(body_bytes: int, most: int) -> None:
    async def test() -> None:
        async with scripted(good) as (partition, _):
            assert await _most_in_a_round(partition, bytes(body_bytes)) == most

    run(test)


def test_a_budget_that_was_spent_is_whole_in_the_next_round() -> None:
    soon, refilled = [], []
    budget = RoundBudget(soon.append, lambda: refilled.append(budget.is_spent))
    budget.spend(90, 1_000)
    budget.spend(1_500, 100_000)
    assert not budget.is_spent and not soon
    budget.spend(1_500, 100_000)
    budget.spend(1_500, 100_000)
    assert budget.is_spent and len(soon) == 1
    soon.pop()()
    assert refilled == [False] and not budget.is_spent
