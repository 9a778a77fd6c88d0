"""The sender of an outbox: batches, one under way per lane, resent until taken, trimmed in time."""

import asyncio
from collections.abc import Callable

import pytest
from msgspec.structs import replace

from orchestrator.model import topics
from orchestrator.model.invoke import Invoke
from orchestrator.model.lanes import Lane, ToPartition
from orchestrator.model.limits import TURN_MESSAGE_BYTES
from orchestrator.model.records import Cancel, Item, Transfer
from orchestrator.model.topic_records import DeadLetter
from orchestrator.outbox.port import Rows
from orchestrator.outbox.sender import ADVANCE_ROWS, OutboxSender
from orchestrator.outbox.transfers import TransferCarrier
from orchestrator.runtime.scheduler import LoopScheduler
from orchestrator.store.port import StoreError
from tests.unit.processor.virtual_loop import run

ITEMS_MAX = TransferCarrier.rows_max


class Source:
    """The outbox's rows, and the target that takes or refuses."""

    rows_max = ITEMS_MAX
    trims = False

    def __init__(self) -> None:
        self.lanes: dict[int, Lane] = {}
        self.rows: dict[tuple[int, int], Item] = {}
        self.sent: list[tuple[int, int, int]] = []  # (target, first, count)
        self.waiting: list[Callable[[bool], None]] = []
        self.advanced: list[tuple[tuple[int, int], ...]] = []
        self.unreadable: StoreError | None = None
        self.lost: list[StoreError] = []
        transfers = TransferCarrier(0, self.deliver)
        self.sender = OutboxSender(
            self, lambda lane: transfers, self.advanced.append, LoopScheduler(), self.lost.append
        )

    def lane(self, number: int) -> Lane | None:
        return self.lanes.get(number)

    def item(self, lane: int, number: int) -> Item | None:
        if self.unreadable is not None:
            raise self.unreadable
        return self.rows.get((lane, number))

    def add(self, target: int, item: Item | None = None) -> None:
        lane = self.lanes.setdefault(target, Lane(ToPartition(target)))
        lane.given += 1
        self.rows[target, lane.given] = item or Cancel(b"x" * 24, lane.given)

    def deliver(self, target: int, transfer: Transfer, settled: Callable[[bool], None]) -> None:
        assert transfer.source == 0 and transfer.lane == target
        self.sent.append((target, transfer.first, len(transfer.items)))
        self.waiting.append(settled)

    def carry(
        self,
        number: int,
        lane: Lane,
        first: int,
        rows: Rows,
        settled: Callable[[int], None],
    ) -> None:
        """As a carrier whose destination has had all of it before."""
        settled(lane.given)

    def settle(self, taken: bool) -> None:
        self.waiting.pop(0)(taken)


def large(size_bytes: int) -> Invoke:
    return Invoke(b"x" * 24, "S", "h", "", 0, b"b" * size_bytes, (), 0, 0, 0)


def laden(kind: str, size_bytes: int) -> Invoke | DeadLetter:
    """One whose bytes are elsewhere than in its body."""
    invoke, blob = large(0), b"b" * size_bytes
    source = topics.Source("sub_1", "t", bytes(16), 0, "log")
    origin = topics.RecordOrigin(source, 1, 0, 0, None, (("h", blob),), 0)
    match kind:
        case "headers":
            return replace(invoke, headers=(("h", blob.decode()),))
        case "origin":
            return replace(invoke, origin=origin)
        case "send":
            request = topics.ProduceRequest("log", "t", None, None, (), blob, True)
            return replace(invoke, produce=request)
        case _:
            value, headers = (blob, ()) if kind == "letter" else (None, origin.headers)
            return DeadLetter(0, "no_key", "", 0, replace(origin, headers=headers), value)


@pytest.mark.parametrize("kind", ["headers", "origin", "send", "letter", "letter's headers"])
def test_what_is_large_elsewhere_than_in_a_body_counts(kind: str) -> None:
    """Else a transfer is larger than a message of the log may be, and is tried for ever."""

    async def story() -> None:
        source = Source()
        for _ in range(5):
            source.add(1, laden(kind, TURN_MESSAGE_BYTES * 2 // 5))
        source.sender.send(1)
        assert source.sent == [(1, 1, 2)]

    run(story())


def test_one_transfer_is_under_way_and_the_next_takes_all_that_came() -> None:
    async def story() -> None:
        source = Source()
        source.add(1)
        source.sender.send(1)
        for _ in range(50):
            source.add(1)
            source.sender.send(1)
        assert source.sent == [(1, 1, 1)]
        source.settle(True)
        assert source.sent == [(1, 1, 1), (1, 2, 50)]

    run(story())


def test_lanes_do_not_wait_for_each_other() -> None:
    async def story() -> None:
        source = Source()
        for target in (1, 2):
            source.add(target)
            source.sender.send(target)
        assert source.sent == [(1, 1, 1), (2, 1, 1)]

    run(story())


def test_batches_are_bounded_in_count_and_bytes() -> None:
    async def story() -> None:
        source = Source()
        for _ in range(ITEMS_MAX + 5):
            source.add(1)
        source.sender.send(1)
        assert source.sent == [(1, 1, ITEMS_MAX)]
        for size_bytes in (10, TURN_MESSAGE_BYTES * 2, TURN_MESSAGE_BYTES // 2, 10):
            source.add(2, large(size_bytes))
        source.sender.send(2)
        source.waiting.pop()(True)
        source.waiting.pop()(True)
        assert source.sent[1:] == [(2, 1, 1), (2, 2, 1), (2, 3, 2)]

    run(story())


def test_after_a_failure_it_begins_with_the_first_not_taken() -> None:
    async def story() -> None:
        source = Source()
        source.add(1)
        source.sender.send(1)
        source.settle(True)
        source.add(1)
        source.sender.send(1)
        source.add(1)
        source.settle(False)
        assert len(source.sent) == 2
        source.sender.send(1)  # does not hurry it
        assert len(source.sent) == 2
        await asyncio.sleep(0.06)
        assert source.sent[2:] == [(1, 2, 2)]

    run(story())


def test_a_new_term_begins_after_what_was_trimmed() -> None:
    async def story() -> None:
        source = Source()
        for _ in range(9):
            source.add(1)
        source.lanes[1].trimmed = 4
        source.sender.send(1)
        assert source.sent == [(1, 5, 5)]

    run(story())


def test_trimming_is_proposed_once_a_second_or_when_rows_are_many() -> None:
    async def story() -> None:
        source = Source()
        for _ in range(5):
            source.add(1)
            source.sender.send(1)
            source.settle(True)
            await asyncio.sleep(0.1)
        source.add(2)
        source.sender.send(2)
        source.settle(True)
        assert source.advanced == []
        await asyncio.sleep(1)
        assert source.advanced == [((1, 5), (2, 1))]
        await asyncio.sleep(5)
        assert len(source.advanced) == 1
        for _ in range(ADVANCE_ROWS):
            source.add(1)
        source.sender.send(1)
        for _ in range(ADVANCE_ROWS // ITEMS_MAX):
            source.settle(True)
        assert source.advanced[1:] == [((1, 5 + ADVANCE_ROWS),)]

    run(story())


@pytest.mark.parametrize("rows", [3 * ADVANCE_ROWS, 6 * ADVANCE_ROWS])
def test_one_record_trims_a_bounded_number_of_rows(rows: int) -> None:
    """Carriers may know at once that very many were taken: after a crash before the trimming."""

    async def story() -> None:
        source = Source()
        sender = OutboxSender(
            source, lambda lane: source, source.advanced.append, LoopScheduler(), source.lost.append
        )
        for target in (1, 2):
            for _ in range(rows):
                source.add(target)
            sender.send(target)
        await asyncio.sleep(5)
        upto = {1: 0, 2: 0}
        for pairs in source.advanced:
            trimmed = 0
            for lane, number in pairs:
                trimmed += number - upto[lane]
                upto[lane] = number
            assert 0 < trimmed <= ADVANCE_ROWS
        assert upto == {1: rows, 2: rows}
        assert len(source.advanced) == 2 * rows // ADVANCE_ROWS

    run(story())


def test_a_term_that_is_over_sends_and_proposes_nothing() -> None:
    async def story() -> None:
        source = Source()
        source.add(1)
        source.add(1)
        source.sender.send(1)
        source.sender.stop()
        source.add(1)
        source.settle(True)
        await asyncio.sleep(3)
        assert source.sent == [(1, 1, 2)] and source.advanced == []

    run(story())


def test_a_store_that_fails_is_said_to_whose_it_is_and_to_nobody_else() -> None:
    async def story() -> None:
        source = Source()
        source.add(1)
        source.sender.send(1)
        source.add(1)
        source.unreadable = StoreError("no longer readable")
        source.settle(True)  # in the turn of another partition: it must not raise there
        assert source.lost == [source.unreadable]
        source.unreadable = None
        source.sender.send(1)
        source.settle(False)
        source.unreadable = StoreError("again")
        await asyncio.sleep(1)  # in a timer
        assert source.lost[1:] == [source.unreadable]

    run(story())


def test_a_target_that_is_away_for_hours_is_still_asked() -> None:
    async def story() -> None:
        source = Source()
        source.add(1)
        source.sender.send(1)
        for _ in range(1_200):  # two seconds apart
            source.settle(False)
            await asyncio.sleep(2.1)
        source.settle(True)
        assert set(source.sent) == {(1, 1, 1)}

    run(story())


class Ledger:
    """A carrier whose destination knows what it has."""

    rows_max = ITEMS_MAX
    trims = False

    def __init__(self) -> None:
        self.asked: list[tuple[int, int]] = []  # (first, count)
        self.settle: Callable[[int], None] = lambda upto: None

    def carry(
        self,
        number: int,
        lane: Lane,
        first: int,
        rows: Rows,
        settled: Callable[[int], None],
    ) -> None:
        self.asked.append((first, len(rows())))
        self.settle = settled


def test_what_the_destination_knows_to_have_is_not_sent_again() -> None:
    """A ledger may be ahead of what was trimmed here, or have a part of what was handed over."""

    async def story() -> None:
        source, ledger = Source(), Ledger()
        source.sender = OutboxSender(
            source,
            lambda lane: ledger,
            source.advanced.append,
            LoopScheduler(),
            source.lost.append,
        )
        for _ in range(3):
            source.add(1)
        source.sender.send(1)
        for _ in range(6):
            source.add(1)
        ledger.settle(5)
        assert ledger.asked == [(1, 3), (6, 4)]
        ledger.settle(7)
        assert ledger.asked[2:] == [(8, 2)]
        ledger.settle(9)
        await asyncio.sleep(1.1)
        assert source.advanced == [((1, 9),)]

    run(story())


def test_a_lane_that_is_gone_is_left_alone() -> None:
    async def story() -> None:
        source = Source()
        source.add(1)
        source.sender.send(1)
        del source.lanes[1]
        source.settle(True)
        source.sender.send(2)
        assert source.sent == [(1, 1, 1)]

    run(story())
