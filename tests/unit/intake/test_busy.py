"""A service that is busy is not given more than it can soon begin; other sources go on."""

import asyncio

from orchestrator.brokers.reader_port import InRecord
from orchestrator.intake.term import READY_MAX
from tests.unit.intake.test_views import reading_orders, shown
from tests.unit.intake.world import IntakeWorld
from tests.unit.processor.virtual_loop import run

RECORD = InRecord(0, 0, None, b"v", ())


def taken(it: IntakeWorld) -> int:
    return sum(row.position for term in it.terms for row in term.rows.values())


def test_records_wait_in_the_topic_while_attempts_wait_for_their_service() -> None:
    async def story() -> None:
        it = await reading_orders()
        it.waiting["dp"] = READY_MAX
        it.readings[0].give(*[RECORD] * 10)
        await asyncio.sleep(60)
        assert taken(it) == 0
        view = await shown(it)
        assert (view.status, view.reason) == (
            "active",
            f"its service is busy: {READY_MAX} attempts wait for their turn",
        )
        it.waiting["dp"] = READY_MAX - 1
        await asyncio.sleep(1)
        assert taken(it) == 10 and not (await shown(it)).reason

    run(story())


def test_what_waits_for_the_log_or_for_brokers_is_a_reason() -> None:
    async def story() -> None:
        it = await reading_orders()
        (term,) = it.terms
        term.pressed = True
        assert not (await shown(it)).reason, "there is nothing to take"
        it.readings[0].give(*[RECORD] * 10)
        await asyncio.sleep(60)
        view = await shown(it)
        assert taken(it) == 0 and view.status == "active"
        assert "too much of partition 0 waits" in view.reason and "sys_lane" in view.reason
        term.pressed = False
        await asyncio.sleep(1)
        assert taken(it) == 10 and not (await shown(it)).reason

    run(story())


def test_another_service_that_is_busy_delays_nothing() -> None:
    async def story() -> None:
        it = await reading_orders()
        it.waiting["dp_other"] = READY_MAX
        it.readings[0].give(*[RECORD] * 10)
        await asyncio.sleep(1)
        assert taken(it) == 10

    run(story())


def test_an_ingress_topic_does_not_wait_for_one_of_its_services() -> None:
    async def story() -> None:
        it = await reading_orders(service="", handler="")
        it.waiting["dp"] = READY_MAX
        it.readings[0].give(*[RECORD] * 10)
        await asyncio.sleep(1)
        assert taken(it) == 10

    run(story())
