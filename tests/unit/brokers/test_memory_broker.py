"""Topics in memory: read in order, written once, fenced by the next writer."""

from collections import deque
from collections.abc import Callable
from typing import Any

from orchestrator.brokers.memory_broker import (
    BATCH_COUNT,
    MemoryBroker,
    MemoryGroups,
    MemoryReader,
    MemoryWriter,
)
from orchestrator.brokers.reader_port import ReadBatch, ReadPlace, ReadProblem, ReadTrouble
from orchestrator.brokers.writer_port import (
    BY_KEY,
    Committed,
    Lost,
    NotCommitted,
    OutRecord,
    ProblemCode,
    TopicRows,
    WriterReady,
)


class Turns:
    """A loop that runs when it is asked to."""

    def __init__(self) -> None:
        self._ready: deque[Callable[[], object]] = deque()
        self.call_soon = self._ready.append

    def run(self) -> None:
        while self._ready:
            self._ready.popleft()()


def _broker() -> tuple[MemoryBroker, Turns]:
    return MemoryBroker(lambda: 1_000), Turns()


def _place(broker: MemoryBroker, topic: str, partition: int = 0) -> ReadPlace:
    return ReadPlace(topic, broker.make(topic).topic_id, partition)


def _rows(lane: int, first: int, *values: bytes, partition: int = BY_KEY) -> TopicRows:
    records = tuple(OutRecord(partition, b"k", value) for value in values)
    return TopicRows(lane, "out", first, records)


def test_records_are_read_in_order_and_as_they_come() -> None:
    broker, turns = _broker()
    batches: list[ReadBatch] = []
    problems: list[ReadProblem | None] = []
    for number in range(BATCH_COUNT + 1):
        broker.produce("in", b"k", b"%d" % number, ())
    reader = MemoryReader(broker, turns.call_soon)
    reading = reader.open(_place(broker, "in"), 1, -1, batches.append, problems.append)
    assert not batches, "a callback came inside the call that asked for it"
    turns.run()
    assert [one.first for one in batches] == [1] and batches[0].upto == BATCH_COUNT + 1
    reading.pause()
    broker.produce("in", b"k", b"more", ())
    turns.run()
    assert len(batches) == 1
    reading.resume()
    turns.run()
    assert [one.value for one in batches[1].records] == [b"more"]
    reading.seek(0, -1)
    turns.run()
    assert batches[2].first == 0 and len(batches[2].records) == BATCH_COUNT
    reading.close()
    broker.produce("in", b"k", b"unseen", ())
    turns.run()
    assert not problems and batches[-1].upto == BATCH_COUNT + 2


def test_what_cannot_be_read_is_told_once() -> None:
    broker, turns = _broker()
    problems: list[Any] = []
    reader = MemoryReader(broker, turns.call_soon)
    reading = reader.open(_place(broker, "in"), 5, -1, lambda _: None, problems.append)
    turns.run()
    assert problems[0].trouble == ReadTrouble.OUT_OF_RANGE and problems[0].high == 0
    broker.notify_readers()
    turns.run()
    assert len(problems) == 1
    reading.seek(0, -1)
    turns.run()
    assert len(problems) == 1
    other = ReadPlace("in", b"x" * 16, 0)
    reader.open(other, 0, -1, lambda _: None, problems.append)
    turns.run()
    assert problems[1].trouble == ReadTrouble.TOPIC_GONE


def test_a_key_stays_in_its_partition() -> None:
    broker, _ = _broker()
    broker.make("in", 4)
    places = {broker.produce("in", b"ann", b"", ())[0] for _ in range(5)}
    assert len(places) == 1
    assert len({broker.produce("in", b"%d" % n, b"", ())[0] for n in range(40)}) == 4


def test_rows_are_written_once_and_the_ledger_outlives_the_writer() -> None:
    broker, turns = _broker()
    said: list[Any] = []
    first = MemoryWriter(broker, turns.call_soon, 3)
    first.open(said.append)
    first.write([_rows(7, 1, b"a", b"b"), _rows(8, 1, b"c")], said.append)
    assert not said
    turns.run()
    assert said == [WriterReady({}), Committed({7: ((0, 0), (0, 1)), 8: ((0, 2),)})]
    second = MemoryWriter(broker, turns.call_soon, 3)
    second.open(said.append)
    first.write([_rows(7, 3, b"late")], said.append)
    turns.run()
    assert said[2] == WriterReady({7: 2, 8: 1})
    assert isinstance(said[3], Lost) and said[3].is_fenced
    second.write([_rows(7, 3, b"x", partition=9)], said.append)
    turns.run()
    assert isinstance(said[4], NotCommitted)
    assert said[4].problems[7].code == ProblemCode.NO_PARTITION
    assert [one.value for one in broker.records["out"][0]] == [b"a", b"b", b"c"]
    second.write([_rows(7, 3, b"d")], said.append)
    second.close()
    turns.run()
    assert len(said) == 5 and broker.ledgers[3] == {7: 3, 8: 1}


def test_commits_of_groups_are_answered() -> None:
    broker, turns = _broker()
    said: list[str] = []
    groups = MemoryGroups(broker, turns.call_soon)
    groups.commit("g", {("in", 0): 5}, said.append)
    turns.run()
    assert said == [""] and broker.groups["g", "in"] == {0: 5}
    groups.commit("g", {("in", 0): 6}, said.append)
    groups.close()
    turns.run()
    assert said == [""]
