"""One source that is read: portions in order, no more than may be, again from the position."""

import asyncio
from collections.abc import Callable

from orchestrator.brokers.reader_port import (
    InRecord,
    OnBatch,
    OnProblem,
    ReadBatch,
    ReadPlace,
    ReadProblem,
    ReadTrouble,
)
from orchestrator.intake.items import SourceFacts
from orchestrator.intake.read_status import STOPPED, ReadStatus
from orchestrator.intake.reading import (
    GAP_S,
    GONE_S,
    HELD_RECORDS_MAX,
    PORTION_BYTES,
    PORTION_ITEMS,
    UNDER_WAY_MAX,
    IntakeItem,
    SourceReading,
)
from orchestrator.model.invoke import Invoke
from orchestrator.model.rows import SourceRow
from orchestrator.model.topic_records import Intake
from orchestrator.model.topics import RecordHeaders, RecordOrigin, Source
from orchestrator.registry.stored_topics import StoredSubscription
from tests.unit.processor.virtual_loop import run

SOURCE = Source("sub_1", "t", b"i" * 16, 0, "c")


class Reader:
    """One place, read by the test."""

    def open(
        self, place: ReadPlace, offset: int, epoch: int, on_batch: OnBatch, on_problem: OnProblem
    ) -> "Reader":
        self.position, self.on_batch, self.on_problem = offset, on_batch, on_problem
        self.is_paused = self.is_closed = False
        self.seek_count = 0
        return self

    def give(self, count: int, gap: int = 0, headers: RecordHeaders = ()) -> None:
        first, self.position = self.position, self.position + count + gap
        records = tuple(InRecord(first + n, 0, b"k", b"v", headers) for n in range(count))
        self.on_batch(ReadBatch(first, self.position, 0, records))

    def pause(self) -> None:
        self.is_paused = True

    def resume(self) -> None:
        self.is_paused = False

    def seek(self, offset: int, leader_epoch: int) -> None:
        self.position = offset
        self.seek_count += 1

    def close(self) -> None:
        self.is_closed = True


class Host:
    """A term in small."""

    epoch = 3

    def __init__(self, max_in_flight: int = 0) -> None:
        subscription = StoredSubscription(
            "sub_1", "", "c", ("t",), "S", "h", max_in_flight=max_in_flight
        )
        self.facts = SourceFacts("e", SOURCE, 1, 0, subscription, 1 << 20)
        self.row = SourceRow(SOURCE, 1, 0, 0)
        self.proposed: list[Intake] = []
        self.ready_max = 1_000_000
        self.refusal = ""
        self.reader = Reader()
        self.reading = SourceReading(b"key", self, self.facts)
        self.reading.begin(self.reader, self.row)  # type: ignore[arg-type]

    def now_ms(self) -> int:
        return 7

    def room(self, subscription: StoredSubscription) -> int:
        return self.ready_max

    def held_back(self, subscription: StoredSubscription) -> str:
        return ""

    def propose(self, record: Intake) -> None:
        self.proposed.append(record)

    def call_later(self, delay_s: float, call: Callable[[], None]) -> None:
        asyncio.get_running_loop().call_later(delay_s, call)

    def make_item(self, record: InRecord, facts: SourceFacts) -> IntakeItem | str:
        if self.refusal:
            return self.refusal
        origin = RecordOrigin(
            SOURCE, 1, record.offset, 0, b"k", (), 0,
            holds_slot=facts.subscription.max_in_flight > 0,
        )  # fmt: skip
        return Invoke(b"x" * 24, "S", "h", "", 0, b"v", (), 0, 0, 0, origin=origin)

    def held_bytes_max(self) -> int:
        return 1 << 20

    def moved(self, reading: SourceReading) -> None:
        self.committed = reading.committed()

    def apply(self, count: int = 1) -> None:
        """Each with an append of its own."""
        for _ in range(count):
            self.apply_together(1)

    def apply_together(self, count: int) -> None:
        """As the machine does: the position moves only from where it is. Records that share an
        append are told once all of them are applied."""
        records, self.proposed = self.proposed[:count], self.proposed[count:]
        for record in records:
            if record.first == self.row.position:
                self.row.position = record.upto
                if self.facts.subscription.max_in_flight:
                    self.row.live += [item.origin.offset for item in record.items]  # type: ignore
        for record in records:
            self.reading.applied(record, self.row)

    @property
    def spans(self) -> list[tuple[int, int, int]]:
        return [(one.first, one.upto, len(one.items)) for one in self.proposed]


def test_portions_that_share_an_append_are_no_reason_to_begin_again() -> None:
    async def story() -> None:
        host = Host()
        host.reader.give(PORTION_ITEMS * 3)
        host.apply_together(3)
        assert host.reader.seek_count == 0 and not host.proposed
        host.reader.give(1)
        assert host.spans == [(PORTION_ITEMS * 3, PORTION_ITEMS * 3 + 1, 1)]

    run(story())


def test_portions_that_share_an_append_and_are_dropped_are_read_again() -> None:
    async def story() -> None:
        host = Host()
        host.reader.give(PORTION_ITEMS * 2)
        host.row.position = 7  # as if something else had moved it
        host.apply_together(2)
        assert host.reader.seek_count == 1 and host.reader.position == 7
        host.reader.give(1)
        assert host.spans == [(7, 8, 1)]

    run(story())


def test_portions_follow_each_other_and_a_few_are_under_way() -> None:
    async def story() -> None:
        host = Host()
        host.reader.give(PORTION_ITEMS * 6)
        assert host.spans == [
            (n * PORTION_ITEMS, (n + 1) * PORTION_ITEMS, PORTION_ITEMS)
            for n in range(UNDER_WAY_MAX)
        ]
        host.apply()
        assert len(host.proposed) == UNDER_WAY_MAX
        host.apply(5)
        assert host.row.position == PORTION_ITEMS * 6 and not host.proposed

    run(story())


def test_reading_pauses_while_much_waits_and_goes_on() -> None:
    async def story() -> None:
        host = Host()
        host.reader.give(PORTION_ITEMS * UNDER_WAY_MAX + HELD_RECORDS_MAX)
        assert not host.reader.is_paused
        host.reader.give(1)
        assert host.reader.is_paused
        while host.proposed:
            host.apply()
        assert not host.reader.is_paused
        assert host.row.position == PORTION_ITEMS * UNDER_WAY_MAX + HELD_RECORDS_MAX + 1

    run(story())


def test_no_more_are_taken_than_there_are_slots() -> None:
    async def story() -> None:
        host = Host(max_in_flight=10)
        host.reader.give(25)
        assert host.spans == [(0, 10, 10)]
        host.apply()
        assert not host.proposed and host.row.live == list(range(10))
        del host.row.live[:3]
        host.reading.look(host.row)
        assert host.spans == [(10, 13, 3)]

    run(story())


def test_a_gap_goes_with_the_records_before_it_or_alone_after_a_while() -> None:
    async def story() -> None:
        host = Host()
        host.reader.give(2, gap=3)
        assert host.spans == [(0, 5, 2)]
        host.apply()
        host.reader.give(0, gap=4)
        assert not host.proposed
        await asyncio.sleep(GAP_S * 1.5)
        assert host.spans == [(5, 9, 0)]
        host.apply()
        await asyncio.sleep(GAP_S * 3)
        assert not host.proposed and host.row.position == 9

    run(story())


def test_what_was_dropped_is_read_again_from_the_position() -> None:
    async def story() -> None:
        host = Host()
        host.reader.give(5)
        host.reader.give(5)
        assert host.spans == [(0, 5, 5), (5, 10, 5)]
        host.row.position = 3  # as if the first had been taken in part by a term before
        host.apply()
        assert host.reader.position == 3 and not host.spans[1:]
        host.apply()  # of before: nothing comes of it
        host.reader.give(4)
        assert host.spans == [(3, 7, 4)]

    run(story())


def test_nothing_is_added_to_what_waits_already() -> None:
    async def story() -> None:
        host = Host()
        host.ready_max = 0
        host.reader.give(3)
        await asyncio.sleep(1)
        assert not host.proposed
        host.ready_max = 1_000_000
        await asyncio.sleep(1)
        assert host.spans == [(0, 3, 3)]

    run(story())


def test_no_more_is_under_way_than_there_is_room_for() -> None:
    async def story() -> None:
        host = Host()
        host.ready_max = PORTION_ITEMS + 50
        host.reader.give(PORTION_ITEMS * 3)
        assert [items for _, _, items in host.spans] == [PORTION_ITEMS, 50]
        host.apply()
        assert [items for _, _, items in host.spans] == [50, PORTION_ITEMS]

    run(story())


def test_a_handler_that_is_gone_stops_it_until_it_is_back() -> None:
    async def story() -> None:
        host = Host()
        host.refusal = "service 'S' not found"
        host.reader.give(3)
        assert not host.proposed and host.reading.status() == ReadStatus(STOPPED, host.refusal)
        host.refusal = ""
        await asyncio.sleep(5)
        assert host.spans == [(0, 3, 3)]

    run(story())


def test_a_gap_of_retention_is_passed_only_when_it_may_be() -> None:
    async def story() -> None:
        host = Host()
        problem = ReadProblem(ReadTrouble.OUT_OF_RANGE, "begins at 8 now", 8, 20)
        host.reader.on_problem(problem)
        await asyncio.sleep(60)
        assert not host.proposed and host.reading.status() == ReadStatus(STOPPED, "begins at 8 now")
        host.reading.pass_gap()
        await asyncio.sleep(GAP_S * 2)
        assert host.spans == [(0, 8, 0)] and host.reader.position == 8
        host.apply()
        host.reader.give(2)
        assert host.spans == [(8, 10, 2)]

    run(story())


def test_a_source_that_is_stopped_proposes_nothing() -> None:
    async def story() -> None:
        host = Host()
        host.ready_max = 0
        host.reader.give(3)
        host.reading.stop()
        host.ready_max = 1_000_000
        await asyncio.sleep(60)
        assert not host.proposed and host.reader.is_closed

    run(story())


def test_what_could_not_be_taken_is_read_again_from_where_the_source_stands() -> None:
    async def story() -> None:
        host = Host()
        host.reader.give(3)
        host.apply()
        host.reader.give(2)
        host.reader.on_problem(ReadProblem(ReadTrouble.NOT_TAKEN, "a fault"))
        assert host.reading.status().status == "retrying"
        host.proposed.clear()  # with the term's end, say
        await asyncio.sleep(GONE_S + 1)
        assert (host.reader.seek_count, host.reader.position) == (1, 3)
        host.reader.give(2)
        assert host.spans == [(3, 5, 2)] and host.reading.status().status == "active"

    run(story())


def test_headers_count_like_values() -> None:
    """Ten records of a few bytes each, which together no message of the log would hold."""

    async def story() -> None:
        host = Host()
        host.reader.give(10, headers=(("h", b"x" * (PORTION_BYTES // 5)),))
        assert [count for _, _, count in host.spans] == [2] * UNDER_WAY_MAX

    run(story())
