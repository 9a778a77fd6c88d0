"""Topics to read in tests of the port: on a real broker, and in memory."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from itertools import count
from typing import Any, TypeAlias

from confluent_kafka import Producer, TopicCollection
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # not in its __all__
    AdminClient,
    NewTopic,
)

from orchestrator.brokers.kafka.configs import ReaderOptions
from orchestrator.brokers.kafka.reader import KafkaTopicReader
from orchestrator.brokers.memory_broker import MemoryBroker, MemoryReader
from orchestrator.brokers.reader_port import (
    InRecord,
    ReadBatch,
    ReadPlace,
    ReadProblem,
    TopicReader,
    TopicReading,
)
from orchestrator.brokers.writer_port import OutRecord
from orchestrator.kafka.options import KafkaConnection, client_config
from tests.parts.kafka import KafkaBroker

_NAMES = (f"{time.time_ns()}x{n}" for n in count())
NEVER = {"allow.auto.create.topics": "false"}


class Topics:
    """What a test does to topics, and asks of them."""

    def __init__(self, broker: KafkaBroker) -> None:
        self.bootstrap = broker.bootstrap
        self.admin = AdminClient({"bootstrap.servers": broker.bootstrap, **NEVER})

    def make(self, name: str = "", partitions: int = 1, **config: str) -> str:
        name = name or f"in{next(_NAMES)}"
        wanted = {key.replace("_", "."): value for key, value in config.items()}
        self.admin.create_topics([NewTopic(name, partitions, config=wanted)])[name].result()
        return name

    def delete(self, name: str) -> None:
        self.admin.delete_topics([name])[name].result()

    def ids(self, names: Sequence[str], done: Callable[[Mapping[str, bytes] | str], None]) -> None:
        asyncio.get_running_loop().create_task(self._ids(names, done))

    async def _ids(
        self, names: Sequence[str], done: Callable[[Mapping[str, bytes] | str], None]
    ) -> None:
        done(await asyncio.to_thread(self.ids_now, names))

    def ids_now(self, names: Sequence[str]) -> dict[str, bytes]:
        found = {}
        for name, future in self.admin.describe_topics(TopicCollection(list(names))).items():
            if future.exception() is None:
                topic_id = future.result().topic_id
                halves = (
                    topic_id.get_most_significant_bits(),
                    topic_id.get_least_significant_bits(),
                )
                found[name] = b"".join(half.to_bytes(8, "big", signed=True) for half in halves)
        return found

    def place(self, name: str, partition: int = 0) -> ReadPlace:
        deadline = time.monotonic() + 10
        while name not in (found := self.ids_now([name])) and time.monotonic() < deadline:
            time.sleep(0.02)
        return ReadPlace(name, found[name], partition)

    def produce(self, name: str, *values: bytes | None, **more: object) -> None:
        producer = Producer({"bootstrap.servers": self.bootstrap, "linger.ms": 0, **NEVER})
        for at, value in enumerate(values):
            producer.produce(name, value, key=b"%d" % at, partition=0, **more)  # type: ignore[arg-type]
        assert producer.flush(30) == 0

    @asynccontextmanager
    async def reader(self) -> AsyncIterator[TopicReader]:
        connection = KafkaConnection(self.bootstrap)
        options = ReaderOptions(lambda: client_config(connection, "reader"), "test.intake")
        made = KafkaTopicReader(options, self.ids)
        try:
            yield made
        finally:
            made.close()
            await asyncio.sleep(0)

    async def do(self, call: Callable[..., Any], *args: Any) -> Any:
        """What blocks, beside the loop that reads."""
        return await asyncio.to_thread(call, *args)


class MemoryTopics:
    """The same for topics in memory."""

    def __init__(self) -> None:
        self._now_ms = 0
        self._broker = MemoryBroker(lambda: self._now_ms)

    def make(self, name: str = "", partitions: int = 1, **config: str) -> str:
        name = name or f"in{next(_NAMES)}"
        self._broker.make(name, partitions)
        return name

    def delete(self, name: str) -> None:
        self._broker.delete(name)

    def place(self, name: str, partition: int = 0) -> ReadPlace:
        found = self._broker.find(name)
        assert found is not None
        return ReadPlace(name, found.topic_id, partition)

    def produce(self, name: str, *values: bytes | None, **more: Any) -> None:
        self._now_ms = more.get("timestamp", 1)
        for at, value in enumerate(values):
            headers = tuple(more.get("headers", ()))
            self._broker.append(name, OutRecord(0, b"%d" % at, value, headers))
        self._broker.notify_readers()

    @asynccontextmanager
    async def reader(self) -> AsyncIterator[TopicReader]:
        yield MemoryReader(self._broker, asyncio.get_running_loop().call_soon)

    async def do(self, call: Callable[..., Any], *args: Any) -> Any:
        return call(*args)


AnyTopics: TypeAlias = Topics | MemoryTopics


class Seen:
    """What a reading gave."""

    def __init__(self) -> None:
        self.batches: list[ReadBatch] = []
        self.problems: list[ReadProblem] = []

    @property
    def records(self) -> list[InRecord]:
        return [record for batch in self.batches for record in batch.records]

    @property
    def offsets(self) -> list[int]:
        return [record.offset for record in self.records]

    @property
    def upto(self) -> int:
        return self.batches[-1].upto if self.batches else 0

    def open(
        self, reader: TopicReader, place: ReadPlace, offset: int = 0, epoch: int = -1
    ) -> TopicReading:
        return reader.open(place, offset, epoch, self.batches.append, self.problems.append)
