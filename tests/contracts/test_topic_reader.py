"""What reads topics of users: all that is committed, in order, gaps told, nothing guessed."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from itertools import count

import pytest
from confluent_kafka import Producer, TopicCollection, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # not in its __all__
    AdminClient,
    NewTopic,
)

from orchestrator.brokers.kafka import reader
from orchestrator.brokers.kafka.configs import ReaderOptions
from orchestrator.brokers.kafka.reader import KafkaTopicReader
from orchestrator.brokers.reader_port import (
    InRecord,
    ReadBatch,
    ReadPlace,
    ReadProblem,
    ReadTrouble,
    TopicReading,
)
from orchestrator.kafka.options import KafkaConnection, client_config
from tests.parts.kafka import KafkaBroker

pytestmark = pytest.mark.timeout(120)
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


@pytest.fixture
def topics(broker: KafkaBroker) -> Iterator[Topics]:
    yield Topics(broker)


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
        self, reader: KafkaTopicReader, place: ReadPlace, offset: int = 0, epoch: int = -1
    ) -> TopicReading:
        return reader.open(place, offset, epoch, self.batches.append, self.problems.append)


@asynccontextmanager
async def reading(topics: Topics) -> AsyncIterator[KafkaTopicReader]:
    connection = KafkaConnection(topics.bootstrap)
    options = ReaderOptions(lambda: client_config(connection, "reader"), "test.intake")
    made = KafkaTopicReader(options, topics.ids)
    try:
        yield made
    finally:
        made.close()
        await asyncio.sleep(0)


async def until(seen: Callable[[], bool], seconds: float = 30) -> None:
    async with asyncio.timeout(seconds):
        while not seen():
            await asyncio.sleep(0.005)


def test_records_come_whole_and_in_order(topics: Topics) -> None:
    topic = topics.make()
    headers = [("a", b"1"), ("a", None), ("b", b"\xff")]
    topics.produce(topic, b"x", None, b"\xfe", headers=headers, timestamp=1234)

    async def run() -> None:
        seen = Seen()
        async with reading(topics) as made:
            seen.open(made, topics.place(topic))
            await until(lambda: seen.upto == 3)
            topics.produce(topic, b"later")
            await until(lambda: seen.upto == 4)
        assert [one.value for one in seen.records] == [b"x", None, b"\xfe", b"later"]
        assert seen.records[0] == InRecord(0, 1234, b"0", b"x", tuple(headers))
        assert seen.batches[0].first == 0
        for one, following in zip(seen.batches, seen.batches[1:], strict=False):
            assert following.first == one.upto
        assert seen.batches[0].leader_epoch == 0

    asyncio.run(run())


def test_what_was_not_committed_is_a_gap(topics: Topics) -> None:
    topic = topics.make()
    producer = Producer({"bootstrap.servers": topics.bootstrap, "transactional.id": topic})
    producer.init_transactions()
    for word in (b"aborted", b"kept"):
        producer.begin_transaction()
        producer.produce(topic, word)
        producer.flush()
        producer.abort_transaction() if word == b"aborted" else producer.commit_transaction()

    async def run() -> None:
        seen = Seen()
        async with reading(topics) as made:
            seen.open(made, topics.place(topic))
            await until(lambda: seen.upto == 4)  # each with the record that ends its transaction
        assert [(one.offset, one.value) for one in seen.records] == [(2, b"kept")]
        assert seen.batches[0].first == 0

    asyncio.run(run())


def test_a_reading_pauses_goes_on_and_is_moved(topics: Topics) -> None:
    topic = topics.make()
    topics.produce(topic, *[b"x"] * 1000)

    async def run() -> None:
        seen = Seen()
        async with reading(topics) as made:

            def take(batch: ReadBatch) -> None:
                seen.batches.append(batch)
                if len(seen.batches) == 1:
                    one.pause()

            one = made.open(topics.place(topic), 0, -1, take, seen.problems.append)
            await until(lambda: bool(seen.batches))
            stood = seen.upto
            await asyncio.sleep(0.3)
            assert seen.upto == stood < 1000
            one.resume()
            await until(lambda: seen.upto == 1000)
            assert seen.offsets == list(range(1000))
            seen.batches.clear()
            one.seek(990, -1)
            await until(lambda: seen.upto == 1000)
            assert seen.offsets == list(range(990, 1000)) and seen.batches[0].first == 990
            one.close()
            topics.produce(topic, b"unseen")
            await asyncio.sleep(0.3)
            assert seen.upto == 1000 and not seen.problems

    asyncio.run(run())


def test_a_batch_that_moves_its_reading_is_the_last_one_from_there(topics: Topics) -> None:
    topic = topics.make()
    topics.produce(topic, *[b"x"] * 600)

    async def run() -> None:
        firsts: list[int] = []
        async with reading(topics) as made:

            def take(batch: ReadBatch) -> None:
                firsts.append(batch.first)
                if len(firsts) < 5:
                    one.seek(0, -1)

            one = made.open(topics.place(topic), 0, -1, take, lambda problem: None)
            await until(lambda: len(firsts) > 5)
        assert firsts[:5] == [0] * 5 and firsts[5] > 0

    asyncio.run(run())


def test_one_place_is_read_for_several_and_alone(topics: Topics) -> None:
    topic = topics.make()
    topics.produce(topic, b"a", b"b")

    async def run() -> None:
        first, second = Seen(), Seen()
        async with reading(topics) as made:
            first.open(made, topics.place(topic))
            second.open(made, topics.place(topic), 1)
            await until(lambda: first.upto == second.upto == 2)
        assert (first.offsets, second.offsets) == ([0, 1], [1])

    asyncio.run(run())


def test_offsets_that_are_gone_are_told_with_what_there_is(topics: Topics) -> None:
    topic = topics.make()
    topics.produce(topic, *[b"x"] * 10)
    place = TopicPartition(topic, 0, 4)
    topics.admin.delete_records([place])[place].result()

    async def run() -> None:
        before, past = Seen(), Seen()
        async with reading(topics) as made:
            one = before.open(made, topics.place(topic), 2)
            past.open(made, topics.place(topic), 50)
            await until(lambda: bool(before.problems and past.problems))
            assert before.problems[0].trouble is ReadTrouble.OUT_OF_RANGE
            assert (before.problems[0].low, before.problems[0].high) == (4, 10)
            assert "begins at 4" in before.problems[0].message
            assert "ends at 10" in past.problems[0].message
            assert not before.batches and not past.batches
            one.seek(4, -1)
            await until(lambda: before.upto == 10)
        assert before.offsets == list(range(4, 10))

    asyncio.run(run())


def test_a_topic_made_anew_is_not_read_in_the_place_of_the_old_one(
    topics: Topics, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "LOOK_S", 1.0)
    topic = topics.make()
    topics.produce(topic, b"a", b"b")

    async def run() -> None:
        seen, other = Seen(), Seen()
        async with reading(topics) as made:
            seen.open(made, topics.place(topic))
            await until(lambda: seen.upto == 2)

            def replace() -> None:
                topics.delete(topic)
                deadline = time.monotonic() + 20
                while True:
                    try:
                        topics.make(topic)
                        break
                    except Exception:
                        assert time.monotonic() < deadline
                        time.sleep(0.01)
                topics.produce(topic, *[b"new"] * 5)

            await asyncio.to_thread(replace)
            await until(lambda: bool(seen.problems))
            assert seen.problems[0].trouble is ReadTrouble.TOPIC_GONE
            assert seen.offsets == [0, 1]
            other.open(made, await asyncio.to_thread(topics.place, topic))
            await until(lambda: other.upto == 5)
        assert {one.value for one in other.records} == {b"new"}

    asyncio.run(run())


def test_a_topic_that_is_deleted_is_told(topics: Topics, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "LOOK_S", 1.0)
    topic = topics.make()
    topics.produce(topic, b"a")

    async def run() -> None:
        seen = Seen()
        async with reading(topics) as made:
            seen.open(made, topics.place(topic))
            await until(lambda: seen.upto == 1)
            await asyncio.to_thread(topics.delete, topic)
            await until(lambda: bool(seen.problems))
        assert seen.problems[0].trouble is ReadTrouble.TOPIC_GONE

    asyncio.run(run())


def test_large_records_come_too(topics: Topics) -> None:
    topic = topics.make(max_message_bytes=str(20 << 20))
    big = bytes(12 << 20)
    producer = Producer(
        {"bootstrap.servers": topics.bootstrap, "message.max.bytes": 30 << 20, **NEVER}
    )
    producer.produce(topic, big)
    producer.produce(topic, b"small")
    assert producer.flush(30) == 0

    async def run() -> None:
        seen = Seen()
        async with reading(topics) as made:
            seen.open(made, topics.place(topic))
            await until(lambda: seen.upto == 2)
        assert [len(one.value or b"") for one in seen.records] == [len(big), 5]

    asyncio.run(run())


def test_many_places_share_one_consumer(topics: Topics) -> None:
    """Fifty subscriptions, a hundred partitions: threads are those of one client."""
    topic = topics.make(partitions=100)

    async def run() -> int:
        async with reading(topics) as made:
            for partition in range(100):
                Seen().open(made, topics.place(topic, partition))
            await asyncio.sleep(1)
            return len(made._consumers)

    assert asyncio.run(run()) == 1
