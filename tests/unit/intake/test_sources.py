"""Sources of a term: when one is closed, and what happens at a gap that is passed."""

from collections import deque
from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from orchestrator.brokers.reader_port import (
    InRecord,
    OnBatch,
    OnProblem,
    ReadBatch,
    ReadPlace,
    ReadProblem,
    ReadTrouble,
)
from orchestrator.codec.keys import source_key
from orchestrator.intake.reading import SourceReading
from orchestrator.intake.term import TermSources
from orchestrator.intake.wanted import KnownTopic, WantedSource, wanted_sources
from orchestrator.model.limits import LETTER_BYTES_MAX
from orchestrator.model.rows import PartitionRow, SourceRow
from orchestrator.model.topic_records import Intake, SourceClosed, SourceOpened
from orchestrator.model.topics import FeedTopic, Source
from orchestrator.registry.apply_topics import changed_subscription
from orchestrator.registry.records import SubscriptionSought
from orchestrator.registry.schema import Registry
from orchestrator.registry.stored_topics import (
    GO_ON,
    StoredCluster,
    StoredStart,
    StoredSubscription,
    TopicsState,
)

SOURCE = Source("sub_1", "orders", bytes(16), 0, "log")
KEY = source_key(SOURCE)
WANTS = StoredSubscription("sub_1", "", "log", ("orders",), "", "")
KNOWN = {("log", "orders"): KnownTopic(SOURCE.topic_id, 1)}


class Reading:
    """Of one place, played by the test."""

    def __init__(self) -> None:
        self.on_batch: OnBatch
        self.on_problem: OnProblem
        self.seeks: list[int] = []

    def open(
        self, place: ReadPlace, offset: int, epoch: int, on_batch: OnBatch, on_problem: OnProblem
    ) -> "Reading":
        self.on_batch, self.on_problem = on_batch, on_problem
        return self

    def seek(self, offset: int, leader_epoch: int) -> None:
        self.seeks.append(offset)

    def pause(self) -> None: ...

    def resume(self) -> None: ...

    def close(self) -> None: ...


class Term:
    """A term whose records are applied when the test says so."""

    partition, partition_count, epoch = 0, 1, 7
    reading_count = 0

    def __init__(self, version: int, *subscriptions: StoredSubscription) -> None:
        self.rows: dict[bytes, SourceRow] = {}
        self.proposed: deque[Any] = deque()
        self.later: list[Callable[[], None]] = []
        self.reading = Reading()
        self.held_bytes = 0  # of dead letters
        self.know(version, *subscriptions)
        self.intake = TermSources(
            self,
            lambda: self.registry,
            lambda subscription: self.reading,
            self,  # type: ignore[arg-type]
            "perdure",
            1_000,
            self,
        )

    def know(self, version: int, *subscriptions: StoredSubscription) -> None:
        topics = TopicsState({"log": StoredCluster("log", ())}, {s.id: s for s in subscriptions})
        self.registry = Registry(version, {}, {}, topics)

    def look(self) -> None:
        subscriptions = self.registry.topics.subscriptions
        wanted: dict[bytes, WantedSource] = wanted_sources(subscriptions, KNOWN, 1).get(0, {})
        self.intake.want(wanted)

    def now_ms(self) -> int:
        return 5

    def propose(self, record: Any) -> None:
        self.proposed.append(record)

    def source(self, key: bytes) -> SourceRow | None:
        return self.rows.get(key)

    def sources(self) -> list[SourceRow]:
        return list(self.rows.values())

    def own_row(self) -> PartitionRow:
        return PartitionRow(letter_feeds={"log": FeedTopic("log", "perdure.dlq")})

    def letter_bytes(self, subscription: str) -> int:
        return self.held_bytes

    def is_pressed(self) -> bool:
        return False

    def call_later(self, delay_s: float, call: Callable[[], None]) -> None:
        self.later.append(call)

    def ended(self, sources: TermSources) -> None: ...

    def left_out(self, subscription: StoredSubscription, count: int) -> None: ...

    def moved(self, reading: SourceReading) -> None: ...

    def waiting_of(self, deployment: str) -> int:
        return 0

    def take(self) -> Intake:
        """The next Intake is applied."""
        record = self.proposed.popleft()
        assert isinstance(record, Intake)
        row = self.rows[KEY]
        assert record.first == row.position, "what was read before is not passed over"
        row.position = record.upto
        self.intake.applied(record)
        return record


def opened(term: Term) -> None:
    term.look()
    record = term.proposed.popleft()
    assert isinstance(record, SourceOpened)
    row = SourceRow(record.source, record.generation, record.start, 0)
    row.metadata_version = record.metadata_version
    term.rows[KEY] = row
    term.intake.read(KEY)


def test_a_leader_whose_metadata_come_late_closes_no_source() -> None:
    """It would be opened again at its start, and all its records be taken twice."""
    before = Term(9, WANTS)
    opened(before)
    late = Term(8)
    late.rows = before.rows
    late.look()
    assert not late.proposed
    late.know(9, WANTS)
    late.look()
    assert not late.proposed
    late.know(10)
    late.look()
    assert late.proposed.popleft() == SourceClosed(7, 5, SOURCE, WANTS.generation)


def test_another_id_of_its_topic_closes_no_source() -> None:
    """A broker may lag behind: the old one would come back, and begin at its start."""
    term = Term(9, WANTS)
    opened(term)
    term.intake.want({})
    assert not term.proposed


def test_behind_a_gap_that_is_passed_reading_goes_on() -> None:
    term = Term(9, WANTS)
    opened(term)
    records = tuple(InRecord(offset, 1, None, b"v", ()) for offset in (0, 1))
    term.reading.on_batch(ReadBatch(0, 2, 1, records))
    assert term.take().upto == 2
    term.reading.on_problem(ReadProblem(ReadTrouble.OUT_OF_RANGE, "gone", 50, 60))
    term.know(10, _passing(WANTS))
    term.look()
    assert term.reading.seeks == [50]
    term.reading.on_batch(ReadBatch(50, 52, 1, (InRecord(51, 1, None, b"v", ()),)))
    record = term.take()
    assert (record.first, record.upto, len(record.items)) == (2, 52, 1)


def test_a_source_that_a_seek_leaves_goes_on_behind_what_is_on_its_way() -> None:
    """Portions that were read are applied before the new generation is open: where the source
    stands is known only then."""
    term = Term(9, WANTS)
    opened(term)
    term.reading.on_batch(ReadBatch(0, 2, 1, (InRecord(0, 1, None, b"v", ()),)))
    start = StoredStart("orders", SOURCE.topic_id, (0,))
    sought = SubscriptionSought(9, "sub_1", (replace(start, offsets=(GO_ON,)),), "", "kafka-id")
    term.know(10, changed_subscription(WANTS, sought))
    term.look()
    portion, record = term.proposed
    assert isinstance(portion, Intake) and isinstance(record, SourceOpened)
    assert (record.generation, record.start, record.goes_on_from) == (2, 0, 1)
    named = replace(sought, starts=(replace(start, offsets=(1,)),))
    again = Term(9, changed_subscription(WANTS, named))
    again.look()
    (record,) = again.proposed
    assert (record.generation, record.start, record.goes_on_from) == (2, 1, 0)


def test_too_many_bytes_of_dead_letters_stop_a_source_until_some_are_gone() -> None:
    term = Term(9, WANTS)
    opened(term)
    term.held_bytes = LETTER_BYTES_MAX + 1
    term.reading.on_batch(ReadBatch(0, 1, 1, (InRecord(0, 1, None, b"v", ()),)))
    (read,) = term.intake.readings()
    assert not term.proposed and "dead letters" in read.status().reason
    term.held_bytes = LETTER_BYTES_MAX
    term.later.pop(0)()
    assert term.take().upto == 1 and not read.status().reason


def _passing(subscription: StoredSubscription) -> StoredSubscription:
    return replace(subscription, gaps_passed=subscription.gaps_passed + 1)
