"""How many transactions a node makes of the rows of its partitions, and who waits for company."""

import asyncio
from collections.abc import Callable, Sequence
from itertools import pairwise

from orchestrator.brokers.writer_port import (
    Committed,
    ForeignLedger,
    Lost,
    NotCommitted,
    TopicRows,
    WriterReady,
)
from orchestrator.outbox.pace import REST_S, CommitPace
from orchestrator.outbox.topics import TopicCarrier
from orchestrator.runtime.scheduler import LoopScheduler
from tests.unit.outbox.played import Term
from tests.unit.processor.virtual_loop import run

COMMIT_S = 0.004
PARTITIONS = 8
SECONDS = 2.0


class _Writer:
    """Each transaction takes COMMIT_S."""

    def __init__(self) -> None:
        self.begun_s: list[float] = []
        self.sizes: list[int] = []

    def open(self, done: Callable[[WriterReady | ForeignLedger | Lost], None]) -> None:
        asyncio.get_running_loop().call_soon(done, WriterReady({}))

    def write(
        self, rows: Sequence[TopicRows], done: Callable[[Committed | NotCommitted | Lost], None]
    ) -> None:
        loop = asyncio.get_running_loop()
        self.begun_s.append(loop.time())
        self.sizes.append(sum(len(each.records) for each in rows))
        places = {each.lane: tuple((0, 0) for _ in each.records) for each in rows}
        loop.call_later(COMMIT_S, done, Committed(places))

    def close(self) -> None: ...


class _Partition(Term):
    def __init__(self, pace: CommitPace) -> None:
        super().__init__()
        self.own = _Writer()
        self.carrier = TopicCarrier("c", self, pace, LoopScheduler())

    def open_writer(self, cluster: str) -> _Writer:  # type: ignore[override]
        return self.own


async def _load(every_s: float) -> list[_Partition]:
    """Rows come to the partitions by turns."""
    pace = CommitPace()
    partitions = [_Partition(pace) for _ in range(PARTITIONS)]
    for number in range(int(SECONDS / every_s)):
        partitions[number % PARTITIONS].give(1)
        await asyncio.sleep(every_s)
    await asyncio.sleep(1)
    return partitions


def _counts(partitions: list[_Partition]) -> tuple[int, int]:
    """Rows and transactions."""
    sizes = [size for one in partitions for size in one.own.sizes]
    return sum(sizes), len(sizes)


def test_of_many_rows_few_transactions_are_made() -> None:
    async def story() -> None:
        rows, transactions = _counts(await _load(0.0005))
        assert rows == SECONDS / 0.0005
        assert transactions <= PARTITIONS * SECONDS / 0.025
        more_rows, more_transactions = _counts(await _load(0.00025))
        assert more_rows == 2 * rows and more_transactions <= 1.1 * transactions

    run(story())


def test_one_row_at_a_time_waits_for_no_others() -> None:
    async def story() -> None:
        every_s = 0.0065  # what a round trip takes
        partitions = await _load(every_s)
        begun_s = sorted(at for one in partitions for at in one.own.begun_s)
        assert len(begun_s) == int(SECONDS / every_s)
        gaps_s = [after - at for at, after in pairwise(begun_s)]
        assert max(gaps_s) < every_s * 1.01

    run(story())


def test_a_transaction_begins_only_when_the_brokers_have_ended_the_one_before() -> None:
    async def story() -> None:
        one = _Partition(CommitPace())
        for _ in range(100):
            one.give(1)
            await asyncio.sleep(0.001)
        begun_s = one.own.begun_s
        assert len(begun_s) > 10
        gaps_s = [after - at for at, after in pairwise(begun_s)]
        assert min(gaps_s) >= COMMIT_S + REST_S * 0.999

    run(story())


def test_rows_that_come_while_others_rest_go_together() -> None:
    async def story() -> None:
        term = Term()
        term.give(1)
        term.writer.ready()
        term.writer.commit()
        term.give(1)
        term.give(1, 3)
        assert term.writer.writing is None
        await asyncio.sleep(REST_S)
        assert term.writer.sent == {1: (2, 4)}

    run(story())


def test_a_term_that_ends_within_a_transaction_is_no_company() -> None:
    async def story() -> None:
        pace = CommitPace()
        one, other = _Partition(pace), _Partition(pace)
        one.give(1)
        await asyncio.sleep(COMMIT_S / 2)
        one.carrier.stop()
        for _ in range(2):
            other.give(1)
            await asyncio.sleep(COMMIT_S + REST_S * 2)
        assert len(other.own.begun_s) == 2

    run(story())
