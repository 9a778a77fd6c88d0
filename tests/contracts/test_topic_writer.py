"""What writes to topics of users: exactly once, one transaction at a time, fenced by the next."""

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from typing import TypeAlias, TypeVar

import pytest
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # not in its __all__
    AdminClient,
    ConfigResource,
    NewTopic,
    ResourceType,
)

from orchestrator.brokers.kafka.configs import WriterOptions
from orchestrator.brokers.kafka.writer import KafkaTopicWriter
from orchestrator.brokers.ledger import read_entry
from orchestrator.brokers.memory_broker import MemoryBroker, MemoryWriter
from orchestrator.brokers.murmur2 import murmur2, place_of_key
from orchestrator.brokers.writer_port import (
    BY_KEY,
    Committed,
    ForeignLedger,
    Lost,
    NotCommitted,
    OutRecord,
    ProblemCode,
    TopicRows,
    TopicWriter,
    WriterReady,
)
from orchestrator.kafka.options import KafkaConnection, client_config
from orchestrator.model.own_topics import LETTERS_KEPT_MS, PUBLIC_PARTITIONS
from tests.parts.kafka import KafkaBroker
from tests.parts.topics import Topics

pytestmark = pytest.mark.timeout(120)
T = TypeVar("T")
_CLUSTERS = (f"{time.time_ns()}x{n}" for n in count())


@pytest.fixture
def options(broker: KafkaBroker) -> WriterOptions:
    connection = KafkaConnection(broker.bootstrap)
    return WriterOptions(
        lambda: client_config(connection, "test"), f"w{next(_CLUSTERS)}", b"log-a", 1, 3
    )


@pytest.fixture
def topic(broker: KafkaBroker) -> Iterator[str]:
    yield make_topic(broker, f"out{next(_CLUSTERS)}")


def make_topic(broker: KafkaBroker, name: str, partitions: int = 3, **config: str) -> str:
    wanted = {key.replace("_", "."): value for key, value in config.items()}
    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    admin.create_topics([NewTopic(name, partitions, config=wanted)])[name].result()
    return name


class KafkaWriters:
    """Writers of one ledger, one after the other, and what they have written."""

    def __init__(self, broker: KafkaBroker, options: WriterOptions) -> None:
        self._broker = broker
        self._options = options

    def make(self) -> TopicWriter:
        return KafkaTopicWriter(self._options)

    def topic(self) -> str:
        return make_topic(self._broker, f"out{next(_CLUSTERS)}")

    def values(self, topic: str, partition: int = 0) -> list[bytes]:
        return [value for value, _ in committed(self._broker, topic, partition)]


class MemoryWriters:
    """The same for a broker in memory."""

    def __init__(self) -> None:
        self._broker = MemoryBroker(lambda: 1)

    def make(self) -> TopicWriter:
        return MemoryWriter(self._broker, asyncio.get_running_loop().call_soon, 1)

    def topic(self) -> str:
        name = f"out{next(_CLUSTERS)}"
        self._broker.make(name, 3)
        return name

    def values(self, topic: str, partition: int = 0) -> list[bytes]:
        return [record.value or b"" for record in self._broker.records[topic][partition]]


AnyWriters: TypeAlias = KafkaWriters | MemoryWriters


@pytest.fixture(params=["memory", "kafka"])
def writers(request: pytest.FixtureRequest) -> AnyWriters:
    if request.param == "memory":
        return MemoryWriters()
    return KafkaWriters(request.getfixturevalue("broker"), request.getfixturevalue("options"))


async def answer(ask: Callable[[Callable[[T], None]], None]) -> T:
    answered: asyncio.Future[T] = asyncio.get_running_loop().create_future()
    ask(answered.set_result)
    return await asyncio.wait_for(answered, 60)


async def opened(options: WriterOptions | AnyWriters) -> tuple[TopicWriter, dict[int, int]]:
    writer = KafkaTopicWriter(options) if isinstance(options, WriterOptions) else options.make()
    found = await answer(writer.open)
    assert isinstance(found, WriterReady), found
    return writer, dict(found.last)


async def write(writer: TopicWriter, *rows: TopicRows) -> Committed | NotCommitted | Lost:
    return await answer(lambda done: writer.write(rows, done))


def rows(lane: int, topic: str, first: int, *values: bytes, partition: int = 0) -> TopicRows:
    return TopicRows(
        lane, topic, first, tuple(OutRecord(partition, b"k", value) for value in values)
    )


def committed(broker: KafkaBroker, topic: str, partition: int) -> list[tuple[bytes, int]]:
    """(value, offset) of all a `read_committed` reader sees, once it is decided: markers come a
    moment after the end of their transaction has been answered."""
    found = Topics(broker).whole(topic)
    return [
        (one.value() or b"", one.offset() or 0) for one in found if one.partition() == partition
    ]


def test_rows_are_committed_in_their_places_and_remembered(writers: AnyWriters) -> None:
    topic = writers.topic()

    async def run() -> None:
        writer, last = await opened(writers)
        assert last == {}
        end = await write(writer, rows(70000, topic, 1, b"a", b"b"), rows(70001, topic, 1, b"c"))
        assert end == Committed({70000: ((0, 0), (0, 1)), 70001: ((0, 2),)})
        writer.close()
        again, last = await opened(writers)
        assert last == {70000: 2, 70001: 1}
        again.close()

    asyncio.run(run())
    assert writers.values(topic) == [b"a", b"b", b"c"]


def test_rows_are_committed_with_their_ledger(
    broker: KafkaBroker, options: WriterOptions, topic: str
) -> None:
    async def run() -> None:
        writer, _ = await opened(options)
        await write(writer, rows(70000, topic, 1, b"a", b"b"))
        writer.close()

    asyncio.run(run())
    entries = committed(broker, options.ledger_topic, options.partition)
    key = (70000).to_bytes(8, "big")
    assert read_entry(options.identity, key, entries[0][0]) == (70000, 2)


def test_keys_are_placed_as_java_places_them(writers: AnyWriters) -> None:
    keys = [b"0", b"1", b"2", b"3", b"4", b"5", b"longer", b"", b"1234"]
    topic = writers.topic()

    async def run() -> list[int]:
        writer, _ = await opened(writers)
        records = tuple(OutRecord(BY_KEY, key, b"v", (("h", None), ("h", b"\xff"))) for key in keys)
        end = await write(writer, TopicRows(70000, topic, 1, records))
        writer.close()
        assert isinstance(end, Committed)
        return [partition for partition, _ in end.places[70000]]

    found = asyncio.run(run())
    assert found == [place_of_key(key, 3) for key in keys] and len(set(found)) > 1


def test_the_hash_is_that_of_java() -> None:
    """Values of Kafka's own UtilsTest.testMurmur2."""
    said = {b"21": -973932308, b"foobar": -790332482, b"a-little-bit-long-string": -985981536}
    assert {data: murmur2(data) for data in said} == {one: at % 2**32 for one, at in said.items()}


def test_the_next_writer_fences_and_knows_what_was_sent(writers: AnyWriters) -> None:
    topic = writers.topic()

    async def run() -> None:
        first, _ = await opened(writers)
        assert isinstance(await write(first, rows(70000, topic, 1, b"a")), Committed)
        second, last = await opened(writers)
        assert last == {70000: 1}
        end = await write(first, rows(70000, topic, 2, b"zombie"))
        assert isinstance(end, Lost) and end.is_fenced
        assert isinstance(await write(second, rows(70000, topic, 2, b"b")), Committed)
        first.close()
        second.close()

    asyncio.run(run())
    assert writers.values(topic) == [b"a", b"b"]


def test_a_partition_that_is_not_there_fails_its_own_lane_alone(writers: AnyWriters) -> None:
    topic = writers.topic()

    async def run() -> None:
        writer, _ = await opened(writers)
        good = rows(70000, topic, 1, b"good")
        end = await write(writer, good, rows(70001, topic, 1, b"x", partition=7))
        assert isinstance(end, NotCommitted)
        assert {lane: one.code for lane, one in end.problems.items()} == {
            70001: ProblemCode.NO_PARTITION
        }
        end = await write(writer, good)
        if isinstance(end, NotCommitted) and not end.problems:
            end = await write(writer, good)  # librdkafka asks for another epoch once
        assert isinstance(end, Committed), end
        writer.close()

    asyncio.run(run())
    assert writers.values(topic) == [b"good"]


def test_the_ledger_of_another_log_is_not_shared_unless_it_is_taken_over(
    options: WriterOptions, topic: str
) -> None:
    async def run() -> None:
        writer, _ = await opened(options)
        await write(writer, rows(70000, topic, 1, b"a"))
        writer.close()
        other = KafkaTopicWriter(replace(options, identity=b"log-b"))
        found = await answer(other.open)
        assert isinstance(found, ForeignLedger) and options.ledger_topic in found.message
        assert b"log-a".hex() in found.message
        other.close()
        heir = replace(options, identity=b"log-b", taken_over=(b"log-a",))
        writer, last = await opened(heir)
        assert last == {}, "numbers of its own"
        assert isinstance(await write(writer, rows(70001, topic, 1, b"b")), Committed)
        writer.close()
        writer, last = await opened(heir)
        assert last == {70001: 1}
        writer.close()
        back = KafkaTopicWriter(options)
        found = await answer(back.open)
        assert isinstance(found, ForeignLedger) and b"log-b".hex() in found.message
        back.close()

    asyncio.run(run())


def test_a_ledger_with_other_partitions_is_refused(options: WriterOptions, topic: str) -> None:
    async def run() -> None:
        writer, _ = await opened(options)
        writer.close()
        other = KafkaTopicWriter(replace(options, partitions=4))
        found = await answer(other.open)
        assert isinstance(found, Lost) and "3 partitions, not 4" in found.reason
        other.close()

    asyncio.run(run())


def test_a_topic_that_is_not_there_fails_its_own_lane_before_anything_is_sent(
    options: WriterOptions, topic: str
) -> None:
    async def run() -> None:
        writer, _ = await opened(options)
        end = await write(writer, rows(70000, topic, 1, b"a"), rows(70001, "nowhere", 1, b"b"))
        assert isinstance(end, NotCommitted)
        assert {lane: each.code for lane, each in end.problems.items()} == {
            70001: ProblemCode.NO_TOPIC
        }
        end = await write(writer, rows(70000, topic, 1, b"a"))
        assert end == Committed({70000: ((0, 0),)})
        writer.close()

    asyncio.run(run())


def test_a_public_topic_that_is_missing_is_made(
    broker: KafkaBroker, options: WriterOptions
) -> None:
    letters = f"{options.cluster}.dlq"

    async def run() -> None:
        writer, _ = await opened(options)
        for _ in range(100):
            end = await write(writer, rows(70000, letters, 1, b"a"))
            if isinstance(end, Committed):
                break
            assert isinstance(end, NotCommitted)
            assert end.problems[70000].code in (ProblemCode.NO_TOPIC, ProblemCode.NOT_NOW)
            await asyncio.sleep(0.05)
        assert isinstance(end, Committed)
        writer.close()

    asyncio.run(run())
    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    resource = ConfigResource(ResourceType.TOPIC, letters)
    config = admin.describe_configs([resource])[resource].result()
    assert config["retention.ms"].value == str(LETTERS_KEPT_MS)
    assert len(admin.list_topics(letters).topics[letters].partitions) == PUBLIC_PARTITIONS


@pytest.mark.parametrize("wrong", ["too_large", "no_partition", "bad_record"])
def test_a_row_that_cannot_be_sent_is_told_and_nothing_of_its_transaction_is_there(
    broker: KafkaBroker, options: WriterOptions, wrong: str
) -> None:
    policy = "compact" if wrong == "bad_record" else "delete"
    topic = make_topic(
        broker, f"strict{next(_CLUSTERS)}", cleanup_policy=policy, max_message_bytes="2000"
    )
    bad = {
        "too_large": OutRecord(0, b"k", b"x" * 3000),
        "no_partition": OutRecord(7, b"k", b"x"),
        "bad_record": OutRecord(0, None, b"x"),  # a compacted topic needs keys
    }[wrong]

    async def run() -> None:
        writer, _ = await opened(options)
        mixed = TopicRows(70000, topic, 1, (OutRecord(0, b"k", b"good"), bad))
        end = await write(writer, mixed)
        assert isinstance(end, NotCommitted), end
        assert end.problems[70000].code == wrong and topic in end.problems[70000].message
        alone = TopicRows(70000, topic, 1, (OutRecord(0, b"k", b"good"),))
        end = await write(writer, alone)  # the same writer goes on
        if isinstance(end, NotCommitted) and not end.problems:
            end = await write(writer, alone)  # librdkafka asks for another epoch once
        assert isinstance(end, Committed), end
        writer.close()

    asyncio.run(run())
    assert [value for value, _ in committed(broker, topic, 0)] == [b"good"]


def test_small_rows_of_a_large_transaction_do_not_add_up_to_a_large_message(
    broker: KafkaBroker, options: WriterOptions, topic: str
) -> None:
    async def run() -> None:
        writer, _ = await opened(options)
        many = rows(70000, topic, 1, *[b"x" * 10_000] * 500)  # 5 MB: five batches of a topic
        assert isinstance(await write(writer, many), Committed)
        writer.close()

    asyncio.run(run())
    assert len(committed(broker, topic, 0)) == 500


def test_the_loop_goes_on_while_a_transaction_is_under_way(
    options: WriterOptions, topic: str
) -> None:
    async def run() -> None:
        writer, _ = await opened(options)
        turns = 0
        done = asyncio.Event()
        writer.write([rows(70000, topic, 1, b"a")], lambda end: done.set())
        while not done.is_set():
            turns += 1
            await asyncio.sleep(0)
        assert turns > 10
        writer.close()

    asyncio.run(run())
