"""What a failed transaction says of its lanes: nothing of one, if all are blamed together."""

import asyncio

from orchestrator.brokers.writer_port import ProblemCode
from orchestrator.model.topic_records import OutboxRefused
from orchestrator.outbox.pace import REST_S
from tests.unit.outbox.played import Term
from tests.unit.processor.virtual_loop import run


def test_a_lane_of_one_row_is_not_judged_by_what_another_lane_may_have_done() -> None:
    async def story() -> None:
        term = Term()
        term.give(1)
        term.give(2)
        term.writer.ready()
        term.writer.fail(ProblemCode.NO_RIGHT, 1, 2)  # the brokers do not say whose topic
        assert not term.records and term.writer.sent == {1: (1, 1)}
        term.writer.commit()
        await asyncio.sleep(REST_S)
        assert term.writer.sent == {2: (1, 1)}
        term.writer.fail(ProblemCode.NO_RIGHT, 2)
        refused = [one for one in term.records if isinstance(one, OutboxRefused)]
        assert [(one.lane, one.number) for one in refused] == [(2, 1)]

    run(story())
