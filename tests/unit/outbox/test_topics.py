"""The carrier of lanes to topics: what it sends, in which transactions, and what it does when one
fails. The writer is played by the test, which answers when it likes."""

import asyncio

from orchestrator.brokers.writer_port import (
    Lost,
    NotCommitted,
    ProblemCode,
)
from orchestrator.model.lanes import Lane, ToTopic
from orchestrator.model.limits import LETTER_BYTES_MAX
from orchestrator.model.topic_records import CloseLane, OutboxRefused, Produce, Produced
from orchestrator.model.topics import EVENT, SEND
from orchestrator.outbox.given import MISSING_S, NO_PARTITION_S
from orchestrator.outbox.pace import REST_S
from orchestrator.outbox.port import RETRY_MAX_S
from orchestrator.outbox.produced import TRIM_ROWS, TRIM_S
from orchestrator.outbox.topics import DELETED_S, QUIET_S
from tests.unit.outbox.played import Term
from tests.unit.processor.virtual_loop import run


def test_lanes_share_a_transaction_and_what_comes_meanwhile_goes_with_the_next() -> None:
    async def story() -> None:
        term = Term()
        term.give(1, 2)
        term.give(2)
        term.writer.ready()
        assert term.writer.sent == {1: (1, 2), 2: (1, 1)}
        term.give(1)
        term.give(3, 4)
        term.writer.commit()
        await asyncio.sleep(REST_S)
        assert term.writer.sent == {1: (3, 1), 3: (1, 4)}
        assert term.taken == {1: 2, 2: 1} and len(term.writers) == 1

    run(story())


def test_what_is_committed_is_trimmed_in_time_and_at_once_where_somebody_waits() -> None:
    async def story() -> None:
        term = Term()
        term.awaited = {(1, 2)}
        term.give(1, 2)
        term.give(2)
        term.writer.ready()
        term.writer.commit()
        assert term.records == [Produced(5, 77, 1, 2, ((2, 0, 102),))]
        await asyncio.sleep(TRIM_S * 2)
        assert term.records[1:] == [Produced(5, 77, 2, 1)]

    run(story())


def test_many_committed_rows_are_trimmed_at_once_and_few_records_do_it() -> None:
    async def story() -> None:
        counts = []
        for transactions in (50, 100):
            term = Term()
            term.give(1, TRIM_ROWS // 2)
            term.writer.ready()
            for _ in range(transactions):
                term.writer.commit()
                term.give(1, TRIM_ROWS // 2)
                await asyncio.sleep(REST_S)
            counts.append(len(term.records))
        assert counts == [25, 50]

    run(story())


def test_other_options_of_the_brokers_need_another_writer() -> None:
    async def story() -> None:
        term = Term()
        term.give(1)
        term.writer.ready()
        term.writer.commit()
        await asyncio.sleep(REST_S)
        term.options = "others"
        term.give(1)
        assert term.writers[0].is_closed and len(term.writers) == 2
        term.writer.ready(l1=1)
        assert term.writer.sent == {1: (2, 1)}

    run(story())


def test_lanes_of_a_broker_cluster_that_was_deleted_are_closed_once_nothing_is_under_way() -> None:
    async def story() -> None:
        term = Term()
        term.give(1)
        term.writer.ready()
        term.options = None
        term.give(1)
        term.give(2)
        term.writer.commit()
        await asyncio.sleep(REST_S)
        assert term.writer.is_closed and not term.records
        await asyncio.sleep(DELETED_S + RETRY_MAX_S)
        assert term.records == [Produced(5, 77, 1, 1), *(CloseLane(5, 77, n) for n in (1, 2))]
        term.carrier.closed(CloseLane(4, 77, 1))
        assert 1 in term.is_busy
        term.carrier.closed(CloseLane(5, 77, 2))
        term.options = "brokers"  # another of its name, and the other lane was not closed
        term.carrier.closed(CloseLane(5, 77, 1))
        await asyncio.sleep(RETRY_MAX_S)
        term.writer.ready()
        assert len(term.writers) == 2 and term.writer.sent[1] == (2, 1)

    run(story())


def test_a_broker_cluster_that_is_not_known_yet_is_waited_for() -> None:
    async def story() -> None:
        term = Term()
        term.options = None
        term.give(1)
        await asyncio.sleep(DELETED_S - 1)
        term.options = "brokers"
        await asyncio.sleep(RETRY_MAX_S)
        term.writer.ready()
        assert term.writer.sent == {1: (1, 1)} and not term.records

    run(story())


def test_a_row_waits_while_there_is_no_room_for_its_dead_letter() -> None:
    async def story() -> None:
        term = Term()
        term.held_bytes = LETTER_BYTES_MAX + 1
        term.give(1)
        term.give(2)
        term.writer.ready()
        term.writer.fail(ProblemCode.TOO_LARGE, 1)
        term.writer.commit()  # the other lane goes on
        await asyncio.sleep(RETRY_MAX_S)
        term.writer.fail(ProblemCode.TOO_LARGE, 1)
        assert [one for one in term.records if isinstance(one, OutboxRefused)] == []
        term.held_bytes = 0
        await asyncio.sleep(RETRY_MAX_S)
        term.writer.fail(ProblemCode.TOO_LARGE, 1)
        assert [one.number for one in term.records if isinstance(one, OutboxRefused)] == [1]

    run(story())


def test_a_lane_whose_rows_cannot_be_sent_says_why() -> None:
    async def story() -> None:
        term = Term()
        reasons = term.carrier.reasons
        term.give(1)
        term.give(2)
        assert not dict(reasons())
        term.writer.opened(Lost("away", False))
        assert dict(reasons()) == {1: "away", 2: "away"}
        await asyncio.sleep(RETRY_MAX_S)
        term.writer.ready()
        term.writer.fail(ProblemCode.NO_TOPIC, 1)
        assert dict(reasons()) == {1: "no"}
        term.writer.commit()
        await asyncio.sleep(RETRY_MAX_S)
        term.writer.commit()
        assert not dict(reasons())

    run(story())


def test_what_the_ledger_knows_is_not_sent_again() -> None:
    async def story() -> None:
        term = Term()
        term.give(1, 3)
        term.writer.ready(l1=2, l2=1)
        assert term.writer.sent == {1: (3, 1)}
        term.give(2, 2)  # a lane of which the leader before had sent the first row
        term.writer.commit()
        await asyncio.sleep(REST_S)
        assert term.writer.sent == {2: (2, 1)}

    run(story())


def test_a_ledger_that_knows_more_than_was_given_stops_that_lane() -> None:
    async def story() -> None:
        term = Term()
        term.give(1)
        term.give(2)
        term.writer.ready(l1=9)
        assert term.writer.sent == {2: (1, 1)} and 1 not in term.taken
        term.writer.commit()
        await asyncio.sleep(60)
        assert term.writer.writing is None

    run(story())


def test_after_an_unknown_end_another_writer_says_what_was_committed() -> None:
    async def story() -> None:
        term = Term()
        term.give(1, 3)
        term.writer.ready()
        first = term.writer
        first.answer(Lost("the commit timed out", False))
        assert first.is_closed
        await asyncio.sleep(RETRY_MAX_S)
        assert term.writer is not first
        term.writer.ready(l1=3)
        assert term.taken == {1: 3} and term.writer.writing is None

    run(story())


def test_a_lane_that_fails_is_tried_alone_and_its_row_refused_then() -> None:
    async def story() -> None:
        term = Term()
        term.give(1, 3)
        term.give(2)
        term.writer.ready()
        term.writer.fail(ProblemCode.TOO_LARGE, 1)
        assert term.writer.sent == {1: (1, 1)}
        term.writer.commit()
        await asyncio.sleep(REST_S)
        term.writer.commit()  # the other lane, and the rest of this one
        assert term.taken == {1: 3, 2: 1}
        await asyncio.sleep(REST_S)
        term.give(1)
        term.writer.fail(ProblemCode.TOO_LARGE, 1)
        assert term.records == [
            Produced(5, 77, 1, 3),
            OutboxRefused(5, 77, 1, 4, "too_large", "no"),
        ]
        term.give(1)
        assert term.writer.writing is None  # nothing after it, before that is applied
        term.refused(4)
        assert term.writer.sent == {1: (5, 1)}

    run(story())


def test_a_topic_that_is_not_there_is_asked_for_a_while_and_others_go_on() -> None:
    async def story() -> None:
        term = Term()
        term.give(1, 2)
        term.writer.ready()
        waited_s = 0.0
        while not term.records:
            term.writer.fail(ProblemCode.NO_TOPIC, 1)
            term.give(2)
            assert set(term.writer.sent) == {2}
            term.writer.commit()
            before = len(term.records)
            await asyncio.sleep(RETRY_MAX_S)
            waited_s += RETRY_MAX_S
            term.records = [one for one in term.records if isinstance(one, OutboxRefused)]
            assert before <= 1
            if term.writer.writing is None:
                break
        assert MISSING_S - 2 * RETRY_MAX_S <= waited_s <= MISSING_S + 2 * RETRY_MAX_S
        assert [one.number for one in term.records if isinstance(one, OutboxRefused)] == [1]
        term.refused(1)
        term.writer.fail(ProblemCode.NO_TOPIC, 1)  # it is remembered
        assert term.records[-1] == OutboxRefused(5, 77, 1, 2, "no_topic", "no")

    run(story())


def test_a_partition_that_is_not_there_fails_the_row_that_names_it_and_no_other() -> None:
    async def story() -> None:
        term = Term()
        term.give(1, 3)
        term.writer.ready()
        term.writer.fail(ProblemCode.NO_PARTITION, 1)
        assert term.writer.sent == {1: (1, 1)}, "which of them it is shows alone"
        term.writer.commit()
        await asyncio.sleep(REST_S)
        term.writer.fail(ProblemCode.NO_PARTITION, 1)
        waited_s = 0.0
        while term.writer.writing is not None:
            assert term.writer.sent == {1: (2, 1)}
            term.writer.fail(ProblemCode.NO_PARTITION, 1)
            await asyncio.sleep(RETRY_MAX_S)
            waited_s += RETRY_MAX_S
        assert NO_PARTITION_S <= waited_s <= NO_PARTITION_S + 2 * RETRY_MAX_S
        assert term.records[-1] == OutboxRefused(5, 77, 1, 2, "no_partition", "no")
        term.refused(2)
        assert term.writer.sent == {1: (3, 1)}

    run(story())


def test_a_refusal_counts_once_it_is_applied() -> None:
    """One of an earlier term, which was dropped, may be heard of in this one."""

    async def story() -> None:
        term = Term()
        term.give(1)
        term.writer.ready()
        term.writer.fail(ProblemCode.TOO_LARGE, 1)
        term.refused(1, epoch=4, applied=False)
        assert term.taken == {} and term.writer.writing is None
        term.refused(1, applied=False)
        assert term.taken == {} and term.writer.sent == {1: (1, 1)}, "tried again"
        term.writer.fail(ProblemCode.TOO_LARGE, 1)
        term.refused(1)
        assert term.taken == {1: 1}

    run(story())


def test_what_the_ledger_knows_counts_for_rows_that_are_given_later() -> None:
    """Several transactions were committed and not trimmed: more rows than one call hands over."""

    async def story() -> None:
        term = Term()
        row = Lane(ToTopic("c", "t1"), given=5)
        items = tuple(Produce(SEND, None, b"k", (), b"v", 0) for _ in range(2))
        settled: list[int] = []
        term.carrier.carry(1, row, 1, lambda: items, settled.append)
        term.writer.ready(_1=4)
        term.carrier.carry(1, row, 3, lambda: items, settled.append)
        assert settled == [2, 4] and term.writer.writing is None
        term.carrier.carry(1, row, 5, lambda: items[:1], settled.append)
        assert term.writer.sent == {1: (5, 1)}

    run(story())


def test_a_feed_is_never_refused() -> None:
    async def story() -> None:
        term = Term()
        term.give(1, 1, EVENT)
        term.writer.ready()
        for _ in range(40):
            term.writer.fail(ProblemCode.NO_RIGHT, 1)
            await asyncio.sleep(RETRY_MAX_S)
        assert term.records == [] and term.writer.sent == {1: (1, 1)}

    run(story())


def test_brokers_that_are_away_are_waited_for_with_the_same_writer() -> None:
    async def story() -> None:
        term = Term()
        term.give(1)
        term.writer.ready()
        for _ in range(5):
            term.writer.answer(NotCommitted("no broker", {}))
            assert term.writer.writing is None and term.carrier.reason == "no broker"
            await asyncio.sleep(RETRY_MAX_S)
        term.writer.commit()
        assert term.taken == {1: 1} and len(term.writers) == 1

    run(story())


def test_a_quiet_writer_is_closed_and_another_one_opened_for_what_comes() -> None:
    async def story() -> None:
        term = Term()
        term.give(1)
        term.writer.ready()
        term.writer.commit()
        await asyncio.sleep(QUIET_S - 1)
        assert not term.writer.is_closed
        await asyncio.sleep(2)
        assert term.writer.is_closed
        term.give(1)
        assert len(term.writers) == 2

    run(story())


def test_a_term_that_is_over_sends_nothing() -> None:
    async def story() -> None:
        term = Term()
        term.give(1, 2)
        term.writer.ready()
        term.carrier.stop()
        assert term.writer.is_closed
        term.give(2)
        await asyncio.sleep(600)
        assert len(term.writers) == 1 and term.records == []

    run(story())


def test_rows_that_cannot_be_read_are_not_sent_when_they_are_given_anew() -> None:
    """The ledger has them: what it says is not forgotten before it was compared."""

    async def story() -> None:
        term = Term()
        term.is_readable = False
        term.give(1, 2)
        term.writer.ready(l1=2)
        assert term.taken == {} and term.writer.writing is None
        term.is_readable = True
        term.is_busy.clear()  # as the sender has it, which was told
        term.send(1)
        assert term.taken == {1: 2} and term.writer.writing is None

    run(story())
