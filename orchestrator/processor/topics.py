"""Topics in one term of leadership: the carriers of its lanes to topics, and its sources."""

from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from orchestrator.brokers.writer_port import TopicWriter
from orchestrator.codec.keys import outbox_key
from orchestrator.intake.port import IntakeTerm, NodeIntake, SourceRecord, TermIntake
from orchestrator.model.lanes import Lane, ToPartition, ToTopic
from orchestrator.model.records import AnyRecord
from orchestrator.model.rows import PartitionRow, SourceRow
from orchestrator.model.topic_records import (
    CloseLane,
    Intake,
    OutboxRefused,
    Produce,
    Produced,
    SourceClosed,
    SourceOpened,
)
from orchestrator.outbox.pace import CommitPace
from orchestrator.outbox.port import LaneView
from orchestrator.outbox.topics import TopicCarrier
from orchestrator.runtime.clock import Clock
from orchestrator.runtime.scheduler import Scheduler
from orchestrator.store.port import StoreError
from orchestrator.tables.state import State

LANES_ROWS_MAX = 10_000  # in all lanes of a partition, before its sources wait
LANES_BYTES_MAX = 64 << 20  # of what is to be produced
FULL_FOR_MS = 10  # how long a count of the lanes is used: each portion of a source asks for it

OpenWriter = Callable[[str, int], TopicWriter | None]
"""(broker cluster, partition) -> a new writer; None: there is no such broker cluster."""
OptionsOf = Callable[[str], Hashable | None]
"""How a broker cluster is reached now: another writer is needed where that changes; None: there
is no such broker cluster."""


class _NothingRead(TermIntake):
    def read(self, key: bytes) -> None: ...

    def applied(self, record: SourceRecord) -> None: ...

    def stop(self) -> None: ...


class NoIntake(NodeIntake):
    """Of a node that reads no topics."""

    def begin(self, term: IntakeTerm) -> TermIntake:
        return _NothingRead()


@dataclass(frozen=True, slots=True)
class NodeTopics:
    """What a node reads topics with, and writes to them; by default it does neither."""

    open_writer: OpenWriter = lambda cluster, partition: None
    intake: NodeIntake = field(default_factory=NoIntake)
    options_of: OptionsOf = lambda cluster: None
    make_pace: Callable[[], CommitPace] = CommitPace
    paces: dict[str, CommitPace] = field(default_factory=dict)  # by broker cluster


class TopicsAround(Protocol):
    """What the topics of a term need of its process."""

    clock: Clock
    scheduler: Scheduler
    topics: NodeTopics


class TermTopics:
    """Of one term; it is both the `LaneTerm` of its carriers and the `IntakeTerm` of its intake."""

    def __init__(
        self,
        state: State,
        around: TopicsAround,
        propose: Callable[[AnyRecord], None],
        is_holding_back: Callable[[], bool],
    ) -> None:
        self._state = state
        self._around = around
        self.propose = propose
        self._is_holding_back = is_holding_back
        self._carriers: dict[str, TopicCarrier] = {}  # by broker cluster
        self._intake: TermIntake = _NothingRead()
        self._are_lanes_full = False
        self._lanes_asked_ms = -FULL_FOR_MS  # when that was found
        self.partition = state.partition
        self.partition_count = state.partition_count
        self.epoch = state.partition_row.epoch
        self.now_ms = around.clock.now_ms
        self.settled: dict[type, Callable[[AnyRecord], None]] = {
            Produced: self._produced,
            OutboxRefused: self._refused,
            CloseLane: self._closed,
            SourceOpened: self._source_changed,
            Intake: self._source_changed,
            SourceClosed: self._source_changed,
        }

    def begin(self) -> None:
        self._intake = self._around.topics.intake.begin(self)

    def stop(self) -> None:
        self._intake.stop()
        for carrier in self._carriers.values():
            carrier.stop()

    # lanes

    def carrier(self, cluster: str) -> TopicCarrier:
        carrier = self._carriers.get(cluster)
        if carrier is None:
            topics = self._around.topics
            pace = topics.paces.setdefault(cluster, topics.make_pace())
            carrier = TopicCarrier(cluster, self, pace, self._around.scheduler)
            self._carriers[cluster] = carrier
        return carrier

    def open_writer(self, cluster: str) -> TopicWriter | None:
        return self._around.topics.open_writer(cluster, self.partition)

    def broker_troubles(self) -> Iterator[tuple[str, str]]:
        """Broker clusters that nothing can be sent to now, and why."""
        for cluster, carrier in self._carriers.items():
            if carrier.reason:
                yield cluster, carrier.reason

    def lane_views(self) -> Iterator[tuple[int, LaneView]]:
        """Of lanes to topics that have rows, by their numbers."""
        carriers = self._carriers.values()
        reasons = {lane: reason for carrier in carriers for lane, reason in carrier.reasons()}
        for number, lane in self._state.partition_row.lanes.items():
            if lane.given > lane.trimmed and isinstance(lane.destination, ToTopic):
                yield number, LaneView(self._oldest_ms(number, lane), reasons.get(number, ""))

    def _oldest_ms(self, number: int, lane: Lane) -> int | None:
        try:
            row = self._state.outbox.get(outbox_key(number, lane.trimmed + 1))
        except StoreError:  # whoever sends it finds out, too
            return None
        return row.item.now_ms if row is not None and isinstance(row.item, Produce) else None

    def _produced(self, record: AnyRecord) -> None:
        assert isinstance(record, Produced)
        for carrier in self._carriers.values():
            carrier.produced(record)

    def _refused(self, record: AnyRecord) -> None:
        assert isinstance(record, OutboxRefused)
        for carrier in self._carriers.values():
            carrier.refused(record)

    def options_of(self, cluster: str) -> Hashable | None:
        return self._around.topics.options_of(cluster)

    def _closed(self, record: AnyRecord) -> None:
        assert isinstance(record, CloseLane)
        for carrier in self._carriers.values():
            carrier.closed(record)

    # sources

    def read(self, key: bytes) -> None:
        self._intake.read(key)

    def _source_changed(self, record: AnyRecord) -> None:
        assert isinstance(record, SourceOpened | Intake | SourceClosed)
        self._intake.applied(record)

    def source(self, key: bytes) -> SourceRow | None:
        return self._state.sources.get(key)

    def sources(self) -> list[SourceRow]:
        return [row for _, row in self._state.sources.scan(b"")]

    def own_row(self) -> PartitionRow:
        return self._state.partition_row

    def letter_bytes(self, subscription: str) -> int:
        return self._state.partition_row.letter_bytes.get(subscription, 0)

    def is_pressed(self) -> bool:
        """As the lanes were up to FULL_FOR_MS ago."""
        now_ms = self._around.clock.monotonic_ms()
        if now_ms - self._lanes_asked_ms >= FULL_FOR_MS:
            self._lanes_asked_ms = now_ms
            self._are_lanes_full = _is_full(self._state.partition_row.lanes.values())
        return self._are_lanes_full or self._is_holding_back()


def _is_full(lanes: Iterable[Lane]) -> bool:
    rows = held_bytes = 0
    for lane in lanes:
        rows += lane.given - lane.trimmed
        if not isinstance(lane.destination, ToPartition):
            held_bytes += lane.held_bytes
    return rows > LANES_ROWS_MAX or held_bytes > LANES_BYTES_MAX
