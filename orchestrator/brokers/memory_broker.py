"""A broker cluster in memory whose topics hold records: for engines that keep all in memory.

Transactions are one step: what is written is committed, with its ledger, before anything else
happens. Topics that are written to come into being.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from orchestrator.brokers.groups_port import Offsets
from orchestrator.brokers.memory import HeldTopic, MemoryFacts
from orchestrator.brokers.murmur2 import place_of_key
from orchestrator.brokers.reader_port import (
    InRecord,
    OnBatch,
    OnProblem,
    ReadBatch,
    ReadPlace,
    ReadProblem,
    ReadTrouble,
)
from orchestrator.brokers.writer_port import (
    Committed,
    ForeignLedger,
    Lost,
    NotCommitted,
    OutRecord,
    Problem,
    ProblemCode,
    TopicRows,
    WriterReady,
)
from orchestrator.model.topics import RecordHeaders
from orchestrator.runtime.scheduler import CallSoon

KAFKA_ID: Final = "memory"
BATCH_COUNT: Final = 500
PARTITIONS_DEFAULT: Final = 1

WriteAnswer = Callable[[Committed | NotCommitted | Lost], None]


class MemoryBroker:
    """Outlives the engines that use it: each asks with the `call_soon` of its own life."""

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms
        self._facts = MemoryFacts(KAFKA_ID)
        self.records: dict[str, list[list[InRecord]]] = {}  # by topic and partition
        self.epochs: dict[int, int] = {}  # of the writers of each engine partition
        self.ledgers: dict[int, dict[int, int]] = {}  # by engine partition and lane: the last row
        self.groups = self._facts.groups
        self._listeners: dict[Callable[[], None], None] = {}

    def facts(self) -> MemoryFacts:
        """For one engine, which closes it."""
        made = MemoryFacts(KAFKA_ID)
        made.by_name, made.groups = self._facts.by_name, self._facts.groups
        return made

    def make(self, name: str, partition_count: int = PARTITIONS_DEFAULT) -> HeldTopic:
        """The topic, made if it is not there."""
        held = self._facts.by_name.get(name)
        if held is None:
            held = self._facts.make(name, partition_count)
        lists = self.records.setdefault(name, [])
        while len(lists) < len(held.partitions):
            lists.append([])
        return held

    def find(self, name: str) -> HeldTopic | None:
        """The topic, if it is there."""
        return self._facts.by_name.get(name)

    def delete(self, name: str) -> None:
        """Delete a topic with its records; another one may have its name then."""
        del self._facts.by_name[name], self.records[name]
        self.notify_readers()

    def append(self, name: str, record: OutRecord) -> tuple[int, int]:
        """Partition and offset."""
        held = self.make(name)
        number = record.partition
        if number < 0:
            count = len(held.partitions)
            number = 0 if record.key is None else place_of_key(record.key, count)
        records, now_ms = self.records[name][number], self._now_ms()
        made = InRecord(len(records), now_ms, record.key, record.value, record.headers)
        records.append(made)
        held.partitions[number].times_ms.append(now_ms)
        return number, made.offset

    def produce(
        self, name: str, key: bytes | None, value: bytes | None, headers: RecordHeaders
    ) -> tuple[int, int]:
        """As users do: partition and offset."""
        place = self.append(name, OutRecord(-1, key, value, headers))
        self.notify_readers()
        return place

    def notify_readers(self) -> None:
        for listener in list(self._listeners):
            listener()

    def listen(self, listener: Callable[[], None]) -> None:
        self._listeners[listener] = None

    def forget(self, listener: Callable[[], None]) -> None:
        self._listeners.pop(listener, None)


class MemoryReading:
    """The `TopicReading` port."""

    def __init__(
        self,
        broker: MemoryBroker,
        call_soon: CallSoon,
        place: ReadPlace,
        offset: int,
        on_batch: OnBatch,
        on_problem: OnProblem,
    ) -> None:
        self._broker = broker
        self._call_soon = call_soon
        self._place = place
        self._offset = offset
        self._on_batch = on_batch
        self._on_problem = on_problem
        self._is_asked = self._is_paused = self._is_closed = self._is_stuck = False
        self._listener = self._ask
        broker.listen(self._listener)
        self._ask()

    def pause(self) -> None:
        self._is_paused = True

    def resume(self) -> None:
        self._is_paused = False
        self._ask()

    def seek(self, offset: int, leader_epoch: int) -> None:
        self._offset, self._is_stuck = offset, False
        self._ask()

    def close(self) -> None:
        self._is_closed = True
        self._broker.forget(self._listener)

    def _ask(self) -> None:
        if not (self._is_asked or self._is_paused or self._is_closed or self._is_stuck):
            self._is_asked = True
            self._call_soon(self._poll)

    def _poll(self) -> None:
        self._is_asked = False
        if self._is_paused or self._is_closed or self._is_stuck:
            return
        place = self._place
        held = self._broker.find(place.topic)
        if held is None or held.topic_id != place.topic_id:
            why = "it was deleted" if held is None else "another topic has its name"
            self._stick(ReadProblem(ReadTrouble.TOPIC_GONE, why))
            return
        records = self._broker.records[place.topic][place.partition]
        if not 0 <= self._offset <= len(records):
            why = f"there are offsets 0 to {len(records)}"
            self._stick(ReadProblem(ReadTrouble.OUT_OF_RANGE, why, 0, len(records)))
            return
        read = tuple(records[self._offset : self._offset + BATCH_COUNT])
        if read:
            first, self._offset = self._offset, self._offset + len(read)
            self._ask()
            self._on_batch(ReadBatch(first, self._offset, 0, read))

    def _stick(self, problem: ReadProblem) -> None:
        self._is_stuck = True
        self._on_problem(problem)


class MemoryReader:
    """The `TopicReader` port of one engine."""

    def __init__(self, broker: MemoryBroker, call_soon: CallSoon) -> None:
        self._broker = broker
        self._call_soon = call_soon

    def open(
        self,
        place: ReadPlace,
        offset: int,
        leader_epoch: int,
        on_batch: OnBatch,
        on_problem: OnProblem,
    ) -> MemoryReading:
        return MemoryReading(self._broker, self._call_soon, place, offset, on_batch, on_problem)

    def close(self) -> None:
        """Whoever opened a reading closes it."""


class MemoryWriter:
    """The `TopicWriter` port of one engine partition; the next one that is opened fences it."""

    def __init__(self, broker: MemoryBroker, call_soon: CallSoon, partition: int) -> None:
        self._broker = broker
        self._call_soon = call_soon
        self._partition = partition
        self._epoch = -1
        self._is_closed = False

    def open(self, done: Callable[[WriterReady | ForeignLedger | Lost], None]) -> None:
        epochs, partition = self._broker.epochs, self._partition
        self._epoch = epochs[partition] = epochs.get(partition, 0) + 1
        ready = WriterReady(dict(self._broker.ledgers.get(partition, {})))
        self._call_soon(partial(self._tell, done, ready))

    def write(self, rows: Sequence[TopicRows], done: WriteAnswer) -> None:
        self._call_soon(partial(self._tell, done, self._written(rows)))

    def _written(self, rows: Sequence[TopicRows]) -> Committed | NotCommitted | Lost:
        broker = self._broker
        if broker.epochs.get(self._partition) != self._epoch:
            return Lost("another writer was opened", True)
        problems = {one.lane: why for one in rows if (why := self._problem(one)) is not None}
        if problems:
            return NotCommitted("a record cannot be written", problems)
        places = {
            one.lane: tuple(broker.append(one.topic, record) for record in one.records)
            for one in rows
        }
        ledger = broker.ledgers.setdefault(self._partition, {})
        for one in rows:
            ledger[one.lane] = max(ledger.get(one.lane, 0), one.last)
        broker.notify_readers()
        return Committed(places)

    def _problem(self, rows: TopicRows) -> Problem | None:
        count = len(self._broker.make(rows.topic).partitions)
        if any(record.partition >= count for record in rows.records):
            return Problem(ProblemCode.NO_PARTITION, f"{rows.topic} has {count} partitions")
        return None

    def _tell(self, done: Callable[..., None], answer: object) -> None:
        if not self._is_closed:
            done(answer)

    def close(self) -> None:
        self._is_closed = True


class MemoryGroups:
    """The `GroupOffsets` port."""

    def __init__(self, broker: MemoryBroker, call_soon: CallSoon) -> None:
        self._broker = broker
        self._call_soon = call_soon
        self._is_closed = False

    def commit(self, group: str, offsets: Offsets, done: Callable[[str], None]) -> None:
        for (topic, partition), offset in offsets.items():
            self._broker.groups.setdefault((group, topic), {})[partition] = offset
        self._call_soon(lambda: None if self._is_closed else done(""))

    def close(self) -> None:
        self._is_closed = True
