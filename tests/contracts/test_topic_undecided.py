"""Nothing is written to a topic before all that it held is committed or aborted.

Brokers that lose the marker of a transaction leave its records undecided; here they are those of a
transaction that is still open, which is the same to whoever comes.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient

from orchestrator.brokers.kafka.writer import KafkaTopicWriter
from orchestrator.brokers.ledger import ledger_key, ledger_value
from orchestrator.brokers.writer_port import (
    Committed,
    Lost,
    NotCommitted,
    ProblemCode,
    TopicRows,
    TopicWriter,
)
from tests.contracts.test_topic_ledger import made
from tests.contracts.test_topic_writer import answer, committed, make_topic, opened, rows, write
from tests.parts.client import fresh
from tests.parts.kafka import KafkaBroker

pytestmark = pytest.mark.timeout(120)


@contextmanager
def open_transaction(
    broker: KafkaBroker, topic: str, partition: int, key: bytes = b"k", value: bytes = b"theirs"
) -> Iterator[Producer]:
    """Of another producer, with one record there; aborted at the end, unless it was committed."""
    config = {"bootstrap.servers": broker.bootstrap, "transactional.id": fresh("other")}
    producer = Producer(config)
    producer.init_transactions()
    producer.begin_transaction()
    producer.produce(topic, value, key, partition)
    assert producer.flush(30) == 0
    yield producer
    producer.abort_transaction()


async def until_committed(writer: TopicWriter, asked: TopicRows) -> None:
    """Markers come a moment after the end of their transaction has been answered."""
    while not isinstance(end := await write(writer, asked), Committed):
        assert isinstance(end, NotCommitted), end


def test_a_topic_waits_for_transactions_of_before_and_others_go_on(broker: KafkaBroker) -> None:
    (options, topic), other = made(broker), make_topic(broker, fresh("out"))

    async def run() -> None:
        with open_transaction(broker, topic, 2):
            writer, _ = await opened(options)
            mine, theirs = rows(70000, topic, 1, b"a"), rows(70001, other, 1, b"b")
            for _ in range(2):
                end = await write(writer, mine, theirs)
                assert isinstance(end, NotCommitted) and set(end.problems) == {70000}
                assert end.problems[70000].code is ProblemCode.NOT_NOW
                said = end.problems[70000].message
                assert f"{topic}, partition 2: a transaction from offset 0 on" in said
                assert "PD0606" in said
            assert isinstance(await write(writer, theirs), Committed)
        await until_committed(writer, mine)
        with open_transaction(broker, topic, 2):  # it began later: nothing of ours is in it
            assert isinstance(await write(writer, rows(70000, topic, 2, b"c")), Committed)
        writer.close()

    asyncio.run(run())
    assert [value for value, _ in committed(broker, topic, 0)] == [b"a", b"c"]
    assert [value for value, _ in committed(broker, other, 0)] == [b"b"]


def test_a_topic_that_was_made_anew_waits_for_nothing_of_the_old_one(broker: KafkaBroker) -> None:
    options, topic = made(broker)
    admin = AdminClient({"bootstrap.servers": broker.bootstrap})

    async def run() -> None:
        with open_transaction(broker, topic, 0):
            writer, _ = await opened(options)
            mine = rows(70000, topic, 1, b"a")
            assert isinstance(await write(writer, mine), NotCommitted)
            admin.delete_topics([topic])[topic].result()
            while not isinstance(end := await write(writer, mine), NotCommitted) or (
                end.problems[70000].code is not ProblemCode.NO_TOPIC
            ):
                assert isinstance(end, NotCommitted), end
            make_topic(broker, topic)
            await until_committed(writer, mine)
            writer.close()

    asyncio.run(run())
    assert [value for value, _ in committed(broker, topic, 0)] == [b"a"]


def test_topics_are_looked_at_again_after_a_transaction_that_failed(broker: KafkaBroker) -> None:
    options, topic = made(broker)

    async def run() -> None:
        writer, _ = await opened(options)
        assert isinstance(await write(writer, rows(70000, topic, 1, b"a")), Committed)
        with open_transaction(broker, topic, 1):
            failed = await write(writer, rows(70000, topic, 2, b"x", partition=7))
            assert isinstance(failed, NotCommitted)
            assert failed.problems[70000].code is ProblemCode.NO_PARTITION
            end = await write(writer, rows(70000, topic, 2, b"b"))
            assert isinstance(end, NotCommitted)
            assert end.problems[70000].code is ProblemCode.NOT_NOW, "it was known before"
        await until_committed(writer, rows(70000, topic, 2, b"b"))
        writer.close()

    asyncio.run(run())
    assert [value for value, _ in committed(broker, topic, 0)] == [b"a", b"b"]


@pytest.mark.parametrize("is_committed", [True, False])
def test_the_ledger_is_not_read_before_it_is_decided(
    broker: KafkaBroker, is_committed: bool
) -> None:
    """What it will say is not known: a row that was sent would be sent again."""
    options, topic = made(broker)

    async def run() -> None:
        writer, _ = await opened(options)
        assert isinstance(await write(writer, rows(70000, topic, 1, b"a")), Committed)
        writer.close()
        entry = ledger_key(70000), ledger_value(options.identity, 2)
        with open_transaction(broker, options.ledger_topic, options.partition, *entry) as other:
            early = KafkaTopicWriter(options)
            found = await answer(early.open)
            assert isinstance(found, Lost) and not found.is_fenced
            assert options.ledger_topic in found.reason and "PD0606" in found.reason
            early.close()
            if is_committed:
                other.commit_transaction()
                other.begin_transaction()
        writer, last = await opened(options)
        assert last == {70000: 2 if is_committed else 1}
        writer.close()

    asyncio.run(run())


def test_the_ledger_is_looked_at_again_after_a_transaction_that_failed(
    broker: KafkaBroker,
) -> None:
    """An entry of it that is committed too late says of a row that is lost that it was sent."""
    options, topic = made(broker)

    async def run() -> None:
        writer, _ = await opened(options)
        with open_transaction(broker, options.ledger_topic, options.partition):
            await write(writer, rows(70000, topic, 1, b"x", partition=7))
            end = await write(writer, rows(70000, topic, 1, b"a"))
            assert isinstance(end, NotCommitted) and not end.problems
            assert options.ledger_topic in end.reason and "PD0606" in end.reason
        await until_committed(writer, rows(70000, topic, 1, b"a"))
        writer.close()

    asyncio.run(run())
    assert [value for value, _ in committed(broker, topic, 0)] == [b"a"]
