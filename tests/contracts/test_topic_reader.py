"""What reads topics of users: all that is committed, in order, gaps told, nothing guessed."""

import asyncio
import time
from collections.abc import Callable

import pytest
from confluent_kafka import Producer, TopicPartition

from orchestrator.brokers.kafka import reader
from orchestrator.brokers.reader_port import InRecord, ReadBatch, ReadTrouble
from tests.contracts.topics import NEVER, AnyTopics, MemoryTopics, Seen, Topics
from tests.parts.kafka import KafkaBroker

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(params=["memory", "kafka"])
def topics(request: pytest.FixtureRequest) -> AnyTopics:
    if request.param == "memory":
        return MemoryTopics()
    return Topics(request.getfixturevalue("broker"))


@pytest.fixture
def kafka_topics(broker: KafkaBroker) -> Topics:
    return Topics(broker)


async def until(seen: Callable[[], bool], seconds: float = 30) -> None:
    async with asyncio.timeout(seconds):
        while not seen():
            await asyncio.sleep(0.005)


def test_records_come_whole_and_in_order(topics: AnyTopics) -> None:
    topic = topics.make()
    headers = [("a", b"1"), ("a", None), ("b", b"\xff")]
    topics.produce(topic, b"x", None, b"\xfe", headers=headers, timestamp=1234)

    async def run() -> None:
        seen = Seen()
        async with topics.reader() as made:
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


def test_what_was_not_committed_is_a_gap(kafka_topics: Topics) -> None:
    topic = kafka_topics.make()
    producer = Producer({"bootstrap.servers": kafka_topics.bootstrap, "transactional.id": topic})
    producer.init_transactions()
    for word in (b"aborted", b"kept"):
        producer.begin_transaction()
        producer.produce(topic, word)
        producer.flush()
        producer.abort_transaction() if word == b"aborted" else producer.commit_transaction()

    async def run() -> None:
        seen = Seen()
        async with kafka_topics.reader() as made:
            seen.open(made, kafka_topics.place(topic))
            await until(lambda: seen.upto == 4)  # each with the record that ends its transaction
        assert [(one.offset, one.value) for one in seen.records] == [(2, b"kept")]
        assert seen.batches[0].first == 0

    asyncio.run(run())


def test_a_reading_pauses_goes_on_and_is_moved(topics: AnyTopics) -> None:
    topic = topics.make()
    topics.produce(topic, *[b"x"] * 1000)

    async def run() -> None:
        seen = Seen()
        async with topics.reader() as made:

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


def test_a_batch_that_moves_its_reading_is_the_last_one_from_there(topics: AnyTopics) -> None:
    topic = topics.make()
    topics.produce(topic, *[b"x"] * 600)

    async def run() -> None:
        firsts: list[int] = []
        async with topics.reader() as made:

            def take(batch: ReadBatch) -> None:
                firsts.append(batch.first)
                if len(firsts) < 5:
                    one.seek(0, -1)

            one = made.open(topics.place(topic), 0, -1, take, lambda problem: None)
            await until(lambda: len(firsts) > 5)
        assert firsts[:5] == [0] * 5 and firsts[5] > 0

    asyncio.run(run())


def test_one_place_is_read_for_several_and_alone(topics: AnyTopics) -> None:
    topic = topics.make()
    topics.produce(topic, b"a", b"b")

    async def run() -> None:
        first, second = Seen(), Seen()
        async with topics.reader() as made:
            first.open(made, topics.place(topic))
            second.open(made, topics.place(topic), 1)
            await until(lambda: first.upto == second.upto == 2)
        assert (first.offsets, second.offsets) == ([0, 1], [1])

    asyncio.run(run())


def test_an_offset_past_the_end_is_told(topics: AnyTopics) -> None:
    topic = topics.make()
    topics.produce(topic, *[b"x"] * 10)

    async def run() -> None:
        seen = Seen()
        async with topics.reader() as made:
            one = seen.open(made, topics.place(topic), 50)
            await until(lambda: bool(seen.problems))
            assert seen.problems[0].trouble is ReadTrouble.OUT_OF_RANGE
            assert (seen.problems[0].low, seen.problems[0].high) == (0, 10)
            assert not seen.batches
            one.seek(9, -1)
            await until(lambda: seen.upto == 10)
        assert seen.offsets == [9]

    asyncio.run(run())


def test_offsets_that_are_gone_are_told_with_what_there_is(kafka_topics: Topics) -> None:
    topic = kafka_topics.make()
    kafka_topics.produce(topic, *[b"x"] * 10)
    place = TopicPartition(topic, 0, 4)
    kafka_topics.admin.delete_records([place])[place].result()

    async def run() -> None:
        before, past = Seen(), Seen()
        async with kafka_topics.reader() as made:
            one = before.open(made, kafka_topics.place(topic), 2)
            past.open(made, kafka_topics.place(topic), 50)
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
    topics: AnyTopics, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "LOOK_S", 1.0)
    topic = topics.make()
    topics.produce(topic, b"a", b"b")

    async def run() -> None:
        seen, other = Seen(), Seen()
        async with topics.reader() as made:
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

            await topics.do(replace)
            await until(lambda: bool(seen.problems))
            assert seen.problems[0].trouble is ReadTrouble.TOPIC_GONE
            assert seen.offsets == [0, 1]
            other.open(made, await topics.do(topics.place, topic))
            await until(lambda: other.upto == 5)
        assert {one.value for one in other.records} == {b"new"}

    asyncio.run(run())


def test_a_topic_that_is_deleted_is_told(
    topics: AnyTopics, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "LOOK_S", 1.0)
    topic = topics.make()
    topics.produce(topic, b"a")

    async def run() -> None:
        seen = Seen()
        async with topics.reader() as made:
            seen.open(made, topics.place(topic))
            await until(lambda: seen.upto == 1)
            await topics.do(topics.delete, topic)
            await until(lambda: bool(seen.problems))
        assert seen.problems[0].trouble is ReadTrouble.TOPIC_GONE

    asyncio.run(run())


def test_large_records_come_too(kafka_topics: Topics) -> None:
    topic = kafka_topics.make(max_message_bytes=str(20 << 20))
    big = bytes(12 << 20)
    producer = Producer(
        {"bootstrap.servers": kafka_topics.bootstrap, "message.max.bytes": 30 << 20, **NEVER}
    )
    producer.produce(topic, big)
    producer.produce(topic, b"small")
    assert producer.flush(30) == 0

    async def run() -> None:
        seen = Seen()
        async with kafka_topics.reader() as made:
            seen.open(made, kafka_topics.place(topic))
            await until(lambda: seen.upto == 2)
        assert [len(one.value or b"") for one in seen.records] == [len(big), 5]

    asyncio.run(run())


def test_many_places_share_one_consumer(kafka_topics: Topics) -> None:
    """Fifty subscriptions, a hundred partitions: threads are those of one client."""
    topic = kafka_topics.make(partitions=100)

    async def run() -> int:
        async with kafka_topics.reader() as made:
            for partition in range(100):
                Seen().open(made, kafka_topics.place(topic, partition))
            await asyncio.sleep(1)
            return len(made._consumers)  # type: ignore[attr-defined]

    assert asyncio.run(run()) == 1


def test_the_end_of_a_transaction_by_a_later_leader_is_no_lost_tail(broker: KafkaBroker) -> None:
    """The record that ends it has another leader epoch than the last one that is read."""
    topics = Topics(broker)
    topic = topics.make()
    producer = Producer(
        {"bootstrap.servers": broker.bootstrap, "transactional.id": topic, "log_level": 0}
    )
    producer.init_transactions()
    producer.begin_transaction()
    producer.produce(topic, b"x")
    producer.flush()
    broker.kill()
    broker.start()
    producer.commit_transaction(30)

    async def run() -> None:
        async with topics.reader() as made:
            seen = Seen()
            seen.open(made, topics.place(topic))
            await until(lambda: seen.upto == 2)
        last = seen.batches[-1]
        assert (last.first, last.leader_epoch > seen.batches[0].leader_epoch) == (1, True)
        topics.produce(topic, b"y")
        async with topics.reader() as made:
            again = Seen()
            again.open(made, topics.place(topic), last.upto, last.leader_epoch)
            await until(lambda: bool(again.batches or again.problems))
        assert not again.problems
        assert [one.value for one in again.records] == [b"y"]

    asyncio.run(run())
