"""What an idle node does for its sources: nothing of them is looked at while nothing changes."""

import asyncio
import time

from orchestrator.intake.intake import LOOK_EVERY_S
from tests.unit.intake.world import IntakeWorld
from tests.unit.processor.virtual_loop import run

LOOKS = 200


async def idling(partitions: int, subscriptions: int) -> IntakeWorld:
    """Ten partitions led here, and sources that are read to their ends."""
    it = IntakeWorld(10)
    it.facts.make("orders", partitions)
    for number in range(subscriptions):
        it.subscribe(f"sub_{number}", "orders")
    await asyncio.sleep(60)  # offsets for people are committed
    assert len(it.readings) == partitions * subscriptions
    return it


def reads(it: IntakeWorld) -> int:
    return sum(term.scans + term.gets for term in it.terms)


def test_rows_of_sources_are_read_only_when_something_changes() -> None:
    async def story() -> None:
        it = await idling(20, 3)
        before = reads(it)
        await asyncio.sleep(LOOKS * LOOK_EVERY_S)
        assert reads(it) == before
        it.facts.make("later", 1)
        it.subscribe("sub_later", "later")
        await asyncio.sleep(2 * LOOK_EVERY_S)
        assert reads(it) > before and len(it.readings) == 61

    run(story())


def test_a_partition_that_was_added_is_told_to_its_home_alone() -> None:
    async def story() -> None:
        it = await idling(20, 1)
        before = [term.scans for term in it.terms]
        it.facts.by_name["orders"].partitions.append(it.facts.by_name["orders"].partitions[0])
        await asyncio.sleep(2 * LOOK_EVERY_S)
        assert len(it.readings) == 21
        after = [term.scans for term in it.terms]
        assert sum(now > was for now, was in zip(after, before, strict=True)) == 1

    run(story())


def test_twice_the_sources_cost_no_more() -> None:
    """By the processor's clock: 200 looks at 1,000 and at 2,000 sources."""

    def cost_s(partitions: int) -> float:
        spent = 0.0

        async def story() -> None:
            nonlocal spent
            await idling(partitions, 10)
            begun = time.process_time()
            await asyncio.sleep(LOOKS * LOOK_EVERY_S)
            spent = time.process_time() - begun

        run(story())
        return spent

    few = min(cost_s(100) for _ in range(2))
    many = min(cost_s(200) for _ in range(2))
    assert many < 1.5 * few + 0.02, f"{many:.3f} s against {few:.3f} s"
