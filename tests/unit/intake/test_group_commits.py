"""Offsets that are committed for people: of what moved, seldom, and without harm if it fails."""

import asyncio

from msgspec.structs import replace

from orchestrator.brokers.reader_port import InRecord
from orchestrator.intake.group_commits import AGAIN_S, BETWEEN_S, EVERY_S
from tests.unit.intake.test_views import reading_orders
from tests.unit.intake.world import SHOP, IntakeWorld
from tests.unit.processor.virtual_loop import run

RECORD = InRecord(0, 0, b"k", b"v", ())


async def look(it: IntakeWorld) -> tuple[str, str]:
    view = (await it.intake.look_at_subscriptions())["sub_1"]
    return view.group, view.group_trouble


def test_what_moved_is_committed_once_and_seldom() -> None:
    async def story() -> None:
        it = await reading_orders(name="mine")
        await asyncio.sleep(EVERY_S)
        (groups,) = it.groups
        assert groups.commits == [("perdure.mine", {("orders", 0): 0})]
        for _ in range(20):
            it.readings[0].give(RECORD)
            await asyncio.sleep(EVERY_S / 10)
        await asyncio.sleep(60)
        assert groups.commits[-1] == ("perdure.mine", {("orders", 0): 20})
        assert len(groups.commits) <= 5
        settled = len(groups.commits)
        await asyncio.sleep(3600)
        assert len(groups.commits) == settled

    run(story())


def test_it_is_below_all_that_is_under_way() -> None:
    async def story() -> None:
        it = await reading_orders(max_in_flight=10, options=(("group.id", "theirs"),))
        it.readings[0].give(*[RECORD] * 5)
        await asyncio.sleep(2 * EVERY_S)
        assert it.groups[0].commits[-1] == ("theirs", {("orders", 0): 0})
        (term,) = it.terms
        ((key, row),) = term.rows.items()
        row.live = [3]
        term.intake.read(key)
        await asyncio.sleep(2 * EVERY_S)
        assert it.groups[0].commits[-1] == ("theirs", {("orders", 0): 3})
        row.live = []
        term.intake.read(key)
        await asyncio.sleep(2 * EVERY_S)
        assert it.groups[0].commits[-1] == ("theirs", {("orders", 0): 5})

    run(story())


def test_what_fails_is_shown_and_tried_again() -> None:
    async def story() -> None:
        it = await reading_orders()
        it.readings[0].give(RECORD)
        await asyncio.sleep(EVERY_S)
        (groups,) = it.groups
        groups.answer = "consumers that are no part of this engine use the group"
        it.readings[0].give(RECORD)
        await asyncio.sleep(2 * EVERY_S)
        assert await look(it) == ("perdure.sub_1", groups.answer)
        tried = len(groups.commits)
        await asyncio.sleep(2 * AGAIN_S)
        assert tried < len(groups.commits) <= tried + 3
        groups.answer = ""
        await asyncio.sleep(2 * AGAIN_S)
        assert await look(it) == ("perdure.sub_1", "")
        assert groups.commits[-1][1] == {("orders", 0): 2}

    run(story())


def test_brokers_that_never_answer_hold_up_no_other_ones() -> None:
    async def story() -> None:
        it = IntakeWorld()
        other = replace(SHOP, name="other")
        it.topics.clusters["other"] = other
        for name in ("orders", "returns"):
            it.facts.make(name, 1)
        it.subscribe("sub_1", "orders")
        it.subscribe("sub_2", "returns", cluster="other")
        await asyncio.sleep(2 * EVERY_S)
        away = next(one for one in it.groups if one.cluster == SHOP)
        away.answer = None
        for reading in it.readings:
            reading.give(RECORD)
        await asyncio.sleep(2 * EVERY_S)
        known = next(one for one in it.groups if one.cluster == other)
        assert known.commits[-1] == ("perdure.sub_2", {("returns", 0): 1})

    run(story())


def test_many_that_move_take_turns() -> None:
    """A commit costs milliseconds, however many subscriptions there are."""

    async def story() -> None:
        it = IntakeWorld()
        it.facts.make("orders", 1)
        for number in range(50):
            it.subscribe(f"sub_{number}", "orders")
        await asyncio.sleep(1)
        span_s = 100.0
        for _ in range(100):
            for reading in it.readings:
                reading.give(RECORD)
            await asyncio.sleep(span_s / 100)
        commits = [one for groups in it.groups for one in groups.commits]
        assert len({group for group, _ in commits}) == 50
        assert len(commits) <= span_s / BETWEEN_S + 1

    run(story())
