"""Readers of broker clusters: one for each that is used, closed once its options are gone."""

import asyncio

from msgspec.structs import replace

from orchestrator.brokers.reader_port import InRecord
from orchestrator.intake.term import HELD_BYTES_MAX, HELD_BYTES_MIN, NODE_BYTES_MAX
from tests.unit.intake.test_views import reading_orders
from tests.unit.intake.world import SHOP, IntakeWorld
from tests.unit.processor.virtual_loop import run


def test_other_options_of_a_broker_cluster_close_its_reader_at_once() -> None:
    async def story() -> None:
        it = await reading_orders()
        it.readings[0].give(*[InRecord(0, 0, b"k", b"v", ())] * 3)
        await asyncio.sleep(0.1)
        (before,) = it.readers
        it.topics.clusters["shop"] = replace(SHOP, options=(("bootstrap.servers", "c:9092"),))
        it.know()
        before_now, after = it.readers
        assert before is before_now and before.is_closed and not after.is_closed
        assert after.cluster == it.topics.clusters["shop"]
        (reading,) = it.readings
        assert reading in after.readings and reading.position == 3
        reading.give(InRecord(0, 0, b"k", b"v", ()))
        await asyncio.sleep(0.1)
        assert (await it.intake.look_at_subscriptions())["sub_1"].sources[0].position == 4

    run(story())


def test_brokers_that_were_asked_by_other_options_are_not_waited_for() -> None:
    """A question that is closed with its client has no answer."""

    async def story() -> None:
        it = IntakeWorld()
        answers, it.facts.topics = it.facts.topics, lambda *asked: None  # type: ignore
        it.facts.make("orders", 1)
        it.subscribe("sub_1", "orders")
        await asyncio.sleep(10)
        assert not it.readings
        it.facts.topics = answers  # type: ignore[method-assign]
        it.topics.clusters["shop"] = replace(SHOP, options=(("bootstrap.servers", "c:9092"),))
        it.know()
        await asyncio.sleep(0.1)
        assert len(it.readings) == 1

    run(story())


def test_the_last_subscription_takes_its_reader_along() -> None:
    async def story() -> None:
        it = await reading_orders()
        it.facts.make("returns", 1)
        it.subscribe("sub_2", "returns", options=(("client.id", "other"),))
        await asyncio.sleep(0.1)
        first, second = it.readers
        del it.topics.subscriptions["sub_2"]
        it.know()
        assert (first.is_closed, second.is_closed) == (False, True)
        one = it.topics.subscriptions["sub_1"]
        it.change(replace(one, paused=True))
        assert not first.is_closed  # it may be resumed at any time
        del it.topics.subscriptions["sub_1"]
        it.know()
        assert first.is_closed

    run(story())


def test_a_group_of_its_own_needs_no_reader_of_its_own() -> None:
    async def story() -> None:
        it = await reading_orders()
        it.facts.make("returns", 1)
        it.subscribe("sub_2", "returns", options=(("group.id", "theirs"),))
        await asyncio.sleep(0.1)
        (reader,) = it.readers
        assert len(it.readings) == 2
        del it.topics.subscriptions["sub_1"]
        it.know()
        assert not reader.is_closed

    run(story())


def test_all_sources_of_a_node_share_what_they_may_hold() -> None:
    async def story() -> None:
        held = []
        for count in (1, 100, 200, 2000):
            it = await reading_orders()
            it.facts.make("many", count - 1)
            it.subscribe("sub_2", "many")
            await asyncio.sleep(0.1)
            assert it.intake.reading_count == count
            held.append(it.intake._terms[0].held_bytes_max())
        assert held[0] == HELD_BYTES_MAX and held[3] == HELD_BYTES_MIN
        assert held[1] * 100 <= NODE_BYTES_MAX and held[2] * 200 <= NODE_BYTES_MAX

    run(story())
