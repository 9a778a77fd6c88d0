"""A broker cluster in memory, for tests: topics, their records' times, and what goes wrong."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from orchestrator.brokers.facts_port import (
    EARLIEST,
    LATEST,
    BrokerTrouble,
    FoundTopics,
    OnEnds,
    OnMade,
    OnMembers,
    OnOffsets,
    OnRecord,
    OnTopics,
    TopicFact,
)
from orchestrator.brokers.reader_port import InRecord

T = TypeVar("T")


@dataclass
class HeldPartition:
    """Times of the records in ms, by offset; records below `first` have been deleted."""

    times_ms: list[int] = field(default_factory=list)
    first: int = 0


@dataclass
class HeldTopic:
    topic_id: bytes
    partitions: list[HeldPartition]
    settings: dict[str, str] = field(default_factory=dict)


class MemoryFacts:
    """`TopicFacts` over what a test has put there; `trouble` is the answer to everything."""

    def __init__(self, kafka_id: str = "memory") -> None:
        self.kafka_id = kafka_id
        self.by_name: dict[str, HeldTopic] = {}
        self.groups: dict[tuple[str, str], dict[int, int]] = {}
        self.group_members: dict[str, tuple[str, ...]] = {}
        self.records: dict[tuple[str, int, int], InRecord] = {}
        self.trouble: BrokerTrouble | None = None
        self.refusal: BrokerTrouble | None = None  # of topics that are to be made
        self._is_closed = False
        self._made = 0

    def make(self, name: str, partition_count: int) -> HeldTopic:
        """A new topic, with a new id even if the name was used before."""
        self._made += 1
        partitions = [HeldPartition() for _ in range(partition_count)]
        self.by_name[name] = HeldTopic(self._made.to_bytes(16, "big"), partitions)
        return self.by_name[name]

    def topics(self, names: Sequence[str], on_found: OnTopics) -> None:
        found = {
            name: TopicFact(name, topic.topic_id, len(topic.partitions))
            for name, topic in self.by_name.items()
            if name in names
        }
        self._say(on_found, FoundTopics(self.kafka_id, found))

    def offsets(self, topic: TopicFact, point: int, on_found: OnOffsets) -> None:
        partitions = self.by_name[topic.name].partitions
        self._say(on_found, tuple(_offset(one, point) for one in partitions))

    def ends(self, topics: Sequence[TopicFact], on_found: OnEnds) -> None:
        found = {
            topic.name: tuple(_offset(one, LATEST) for one in self.by_name[topic.name].partitions)
            for topic in topics
            if topic.name in self.by_name
        }
        self._say(on_found, found)

    def committed(self, group: str, topic: TopicFact, on_found: OnOffsets) -> None:
        known = self.groups.get((group, topic.name), {})
        self._say(on_found, tuple(known.get(n, -1) for n in range(topic.partition_count)))

    def record(self, topic: TopicFact, partition: int, offset: int, on_found: OnRecord) -> None:
        self._say(on_found, self.records.get((topic.name, partition, offset)))

    def make_topic(
        self, name: str, partition_count: int, settings: Mapping[str, str], on_made: OnMade
    ) -> None:
        is_missing = name not in self.by_name
        if is_missing and self.trouble is None and self.refusal is None:
            self.make(name, partition_count).settings = dict(settings)
        self._say(on_made, self.refusal or is_missing)

    def members(self, group: str, on_found: OnMembers) -> None:
        self._say(on_found, self.group_members.get(group, ()))

    def close(self) -> None:
        self._is_closed = True

    def _say(self, on_found: Callable[[T | BrokerTrouble], None], answer: T) -> None:
        said: T | BrokerTrouble = answer if self.trouble is None else self.trouble
        asyncio.get_running_loop().call_soon(self._tell, on_found, said)

    def _tell(self, on_found: Callable[[T], None], said: T) -> None:
        if not self._is_closed:
            on_found(said)


def _offset(partition: HeldPartition, point: int) -> int:
    end = len(partition.times_ms)
    if point == EARLIEST:
        return partition.first
    if point == LATEST:
        return end
    later = (n for n in range(partition.first, end) if partition.times_ms[n] >= point)
    return next(later, end)
