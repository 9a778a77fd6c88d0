"""How subscriptions and sources are shown: lag, and why nothing is read."""

import asyncio

import pytest
from msgspec.structs import replace

from orchestrator.brokers.facts_port import OUT_OF_REACH, RIGHTS, BrokerTrouble, FoundTopics
from orchestrator.brokers.reader_port import InRecord, ReadProblem, ReadTrouble
from orchestrator.intake.broker_topics import ENDS_FRESH_S
from orchestrator.intake.intake import LOOK_EVERY_S
from orchestrator.intake.views import SubscriptionView
from orchestrator.runtime.metrics import HEADERS_LEFT_OUT, SUBSCRIPTION_LAG
from perdure.wire.ids import invocation_id_to_str
from tests.unit.intake.world import IntakeWorld
from tests.unit.processor.virtual_loop import run

AWAY = BrokerTrouble(OUT_OF_REACH, "no broker answers", passes=True)
RECORD = InRecord(0, 0, b"k", b"v", ())


async def shown(it: IntakeWorld, known_as: str = "sub_1") -> SubscriptionView:
    return (await it.intake.look_at_subscriptions())[known_as]


async def reading_orders(**more: object) -> IntakeWorld:
    it = IntakeWorld()
    it.facts.make("orders", 1).partitions[0].times_ms = [0] * 10
    it.subscribe("sub_1", "orders", **more)
    await asyncio.sleep(LOOK_EVERY_S)
    return it


def test_a_lag_is_what_is_not_taken_yet() -> None:
    async def story() -> None:
        it = await reading_orders()
        assert (await shown(it)).lag == 10
        it.readings[0].give(*[RECORD] * 4)
        await asyncio.sleep(0.1)
        view = await shown(it)
        (source,) = view.sources
        assert (source.position, source.end, source.lag) == (4, 10, 6)
        assert (view.status, view.reason, view.lag) == ("active", "", 6)
        it.facts.by_name["orders"].partitions[0].times_ms += [0] * 5
        await asyncio.sleep(ENDS_FRESH_S)
        assert (await shown(it)).lag == 11

    run(story())


def test_brokers_that_give_no_answer_are_not_waited_for() -> None:
    async def story() -> None:
        it = await reading_orders()
        assert (await shown(it)).lag == 10
        it.facts.ends = lambda topics, on_found: None  # type: ignore[method-assign]
        await asyncio.sleep(ENDS_FRESH_S)
        begun = asyncio.get_running_loop().time()
        assert (await shown(it)).lag == 10
        assert asyncio.get_running_loop().time() - begun < 3

    run(story())


@pytest.mark.parametrize(
    ("problem", "status"),
    [
        (ReadProblem(ReadTrouble.OUT_OF_RANGE, "orders/0 begins at 8 now", 8, 10), "stopped"),
        (ReadProblem(ReadTrouble.TOPIC_GONE, "topic orders is gone"), "stopped"),
        (ReadProblem(ReadTrouble.NO_RIGHT, "the user may not"), "retrying"),
        (ReadProblem(ReadTrouble.NO_ANSWER, "no broker answers"), "retrying"),
    ],
)
def test_what_keeps_a_source_from_being_read_is_told(problem: ReadProblem, status: str) -> None:
    async def story() -> None:
        it = await reading_orders()
        it.readings[0].on_problem(problem)
        view = await shown(it)
        assert (view.status, view.reason) == (status, problem.message)
        assert (view.sources[0].status, view.sources[0].reason) == (status, problem.message)
        it.readings[0].on_problem(None)
        assert (await shown(it)).status == "active"

    run(story())


def test_a_handler_that_is_gone_is_told_before_a_record_comes() -> None:
    async def story() -> None:
        it = await reading_orders()
        it.services = ("Other",)
        it.know()
        view = await shown(it)
        assert view.status == "stopped" and "'Counter' not found" in view.reason
        it.readings[0].give(RECORD)
        it.services = ("Counter",)
        it.know()
        await asyncio.sleep(2)
        view = await shown(it)
        assert (view.status, view.reason, view.sources[0].position) == ("active", "", 1)

    run(story())


def test_a_topic_that_is_deleted_and_made_anew() -> None:
    async def story() -> None:
        it = await reading_orders()
        del it.facts.by_name["orders"]
        await asyncio.sleep(LOOK_EVERY_S)
        view = await shown(it)
        assert (view.status, view.reason) == ("stopped", "the topic orders is gone")
        assert not it.readings
        it.facts.make("orders", 1).partitions[0].times_ms = [0] * 3
        await asyncio.sleep(LOOK_EVERY_S)
        view = await shown(it)
        assert (view.status, view.reason, view.lag) == ("active", "", 3)
        assert [one.status for one in view.sources] == ["active", "gone"]
        assert "deleted, and another one made" in view.sources[1].reason

    run(story())


def test_a_topic_that_is_not_there_yet() -> None:
    async def story() -> None:
        it = IntakeWorld()
        it.subscribe("sub_1", "orders")
        await asyncio.sleep(LOOK_EVERY_S)
        view = await shown(it)
        assert view.status == "active" and "there is no topic orders" in view.reason

    run(story())


def test_what_an_operator_has_paused_keeps_its_lag() -> None:
    async def story() -> None:
        it = await reading_orders()
        one = it.topics.subscriptions["sub_1"]
        it.change(replace(one, paused=True, reason="a deployment"))
        view = await shown(it)
        assert (view.status, view.reason, view.lag) == ("paused", "a deployment", 10)
        assert view.sources[0].status == "paused"
        it.change(replace(one, paused=False))
        view = await shown(it)
        assert (view.status, view.lag) == ("active", 10)

    run(story())


def test_what_was_moved_while_it_is_paused_has_no_lag_until_it_is_resumed() -> None:
    """That of where it stood would say that there is nothing to take."""

    async def story() -> None:
        it = await reading_orders()
        it.readings[0].give(*[RECORD] * 10)
        await asyncio.sleep(0.1)
        assert (await shown(it)).lag == 0
        one = it.topics.subscriptions["sub_1"]
        it.change(replace(one, paused=True, generation=one.generation + 1))
        view = await shown(it)
        assert (view.status, view.lag, view.sources[0].lag) == ("paused", None, None)
        it.change(replace(one, generation=one.generation + 1))
        assert (await shown(it)).lag == 10

    run(story())


def test_brokers_of_another_cluster_are_not_read() -> None:
    """Their topics have other ids, and would be read from the beginning as new ones."""

    async def story() -> None:
        it = await reading_orders(kafka_id="kafka-1")
        assert len(it.readings) == 1
        it.facts.kafka_id = "kafka-2"
        it.facts.make("orders", 1)
        await asyncio.sleep(LOOK_EVERY_S)
        view = await shown(it)
        assert not it.readings and len(view.sources) == 1
        assert view.status == "stopped" and "kafka-2, not kafka-1" in view.reason

    run(story())


def test_all_slots_taken_is_a_reason() -> None:
    async def story() -> None:
        it = await reading_orders(max_in_flight=2)
        it.readings[0].give(*[RECORD] * 5)
        await asyncio.sleep(0.1)
        view = await shown(it)
        assert view.status == "active" and view.sources[0].live == 2
        assert "max_in_flight: 2 of its records are under way, the first is offset 0" in view.reason
        (row,) = (row for term in it.terms for row in term.rows.values())
        row.paused[1] = bytes(24)
        name = invocation_id_to_str(bytes(24))
        said = f"1 of them paused: resume, cancel or kill {name} (offset 1)"
        assert said in (await shown(it)).reason

    run(story())


def test_a_topic_that_may_not_be_asked_for_does_not_stop_the_others() -> None:
    async def story() -> None:
        it = await reading_orders()
        it.facts.make("secret", 1)
        it.subscribe("sub_2", "secret")
        refused = {"secret": BrokerTrouble(RIGHTS, "the user may not describe the topic secret")}
        topics = it.facts.topics

        def refusing(names, on_found):  # type: ignore[no-untyped-def]
            def found(answer):  # type: ignore[no-untyped-def]
                assert isinstance(answer, FoundTopics)
                there = {name: one for name, one in answer.topics.items() if name != "secret"}
                on_found(FoundTopics(answer.kafka_id, there, refused))

            topics(names, found)

        it.facts.topics = refusing  # type: ignore[method-assign]
        it.facts.make("later", 1)
        it.subscribe("sub_3", "later")
        await asyncio.sleep(2 * LOOK_EVERY_S)
        assert (await shown(it, "sub_2")).status == "retrying"
        assert "may not describe" in (await shown(it, "sub_2")).reason
        assert (await shown(it, "sub_1")).status == (await shown(it, "sub_3")).status == "active"
        assert {one.place.topic for one in it.readings} == {"orders", "secret", "later"}

    run(story())


def test_brokers_out_of_reach_are_told_until_they_answer() -> None:
    async def story() -> None:
        it = IntakeWorld()
        it.facts.make("orders", 1)
        it.facts.trouble = AWAY
        it.subscribe("sub_1", "orders")
        await asyncio.sleep(LOOK_EVERY_S)
        assert (await shown(it)).status == "retrying"
        assert (await shown(it)).reason == "no broker answers"
        it.facts.trouble = None
        await asyncio.sleep(LOOK_EVERY_S)
        assert (await shown(it)).status == "active"

    run(story())


def test_lag_and_headers_that_are_left_out_are_metrics() -> None:
    async def story() -> None:
        it = await reading_orders(name="mine")
        it.telemetry.value(SUBSCRIPTION_LAG, "mine")
        await asyncio.sleep(0.1)
        assert it.telemetry.value(SUBSCRIPTION_LAG, "mine") == 10
        headers = (("raw", b"\xff"), ("null", None), ("seen", b"1"))
        it.readings[0].give(RECORD, replace(RECORD, headers=headers))
        await asyncio.sleep(0.1)
        assert it.telemetry.value(SUBSCRIPTION_LAG, "mine") == 8
        assert it.telemetry.value(HEADERS_LEFT_OUT, "mine") == 2

    run(story())
