"""A writer that another one has fenced: its carrier proves that it leads before it opens again."""

import asyncio

from orchestrator.brokers.writer_port import Lost
from orchestrator.model.topic_records import Produced
from orchestrator.outbox.port import RETRY_FIRST_S, RETRY_MAX_S
from tests.unit.outbox.played import Term
from tests.unit.processor.virtual_loop import run


def test_who_uses_the_same_transactional_id_is_met_less_and_less_often() -> None:
    async def story() -> None:
        term = Term()
        term.give(1)
        for _ in range(20):
            term.writer.ready()
            term.writer.answer(Lost("fenced", True))
            assert "transactional id" in dict(term.carrier.reasons())[1]
            count = len(term.writers)
            term.carrier.produced(Produced(5, 77, 1, 0))
            while len(term.writers) == count:
                await asyncio.sleep(RETRY_FIRST_S / 2)
        assert asyncio.get_running_loop().time() > 10 * RETRY_MAX_S
        term.writer.ready()
        term.writer.commit()
        assert not dict(term.carrier.reasons()) and not term.carrier.reason

    run(story())


def test_who_is_fenced_comes_back_only_after_a_record_of_its_own_epoch() -> None:
    async def story() -> None:
        term = Term()
        term.give(1)
        term.writer.ready()
        term.writer.answer(Lost("fenced", True))
        await asyncio.sleep(600)
        assert len(term.writers) == 1
        (proof,) = term.records
        assert proof == Produced(5, 77, 1, 0)
        term.carrier.produced(Produced(5, 77, 1, 0))
        await asyncio.sleep(RETRY_FIRST_S)
        assert len(term.writers) == 2

    run(story())


def test_who_is_fenced_while_it_opens_needs_the_same_proof() -> None:
    """Two leaders that open at the same time would fence each other for ever."""

    async def story() -> None:
        term = Term()
        term.give(1)
        term.give(2)
        term.writer.opened(Lost("fenced", True))
        assert term.writer.is_closed
        await asyncio.sleep(600)
        assert len(term.writers) == 1 and term.records == [Produced(5, 77, 1, 0)]
        assert set(dict(term.carrier.reasons())) == {1, 2}
        term.carrier.produced(Produced(4, 77, 1, 0))  # of an earlier term
        await asyncio.sleep(RETRY_MAX_S)
        assert len(term.writers) == 1
        term.carrier.produced(Produced(5, 77, 1, 0))
        await asyncio.sleep(RETRY_FIRST_S)
        assert len(term.writers) == 2
        term.writer.ready()
        assert term.writer.sent == {1: (1, 1), 2: (1, 1)}

    run(story())
