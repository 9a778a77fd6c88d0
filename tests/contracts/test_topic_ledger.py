"""The ledger of writers to users' topics: what becomes of rows when something is wrong with it."""

import asyncio

import pytest
from confluent_kafka.admin import AdminClient

from orchestrator.brokers.kafka.configs import WriterOptions
from orchestrator.brokers.writer_port import (
    Committed,
    Lost,
    NotCommitted,
    Problem,
    ProblemCode,
    TopicRows,
)
from orchestrator.kafka.options import KafkaConnection, client_config
from tests.contracts.test_topic_writer import make_topic, opened, rows, write
from tests.parts.client import fresh
from tests.parts.kafka import KafkaBroker
from tests.parts.kafka_rights import allow_again, deny

pytestmark = pytest.mark.timeout(120)


def made(broker: KafkaBroker) -> tuple[WriterOptions, str]:
    """Options of a writer with a ledger of its own, and a topic."""
    connection = KafkaConnection(broker.bootstrap)
    client = client_config(connection, "test")
    return WriterOptions(lambda: client, fresh("w"), b"log-a", 1, 3), make_topic(
        broker, fresh("out")
    )


def test_what_may_not_be_written_is_named_whatever_was_refused(broker: KafkaBroker) -> None:
    """A transaction does not say which of its topics was; and as no partition could be added to it,
    it cannot be aborted. The ledger is no fault of a row, and one topic is none of another's."""
    (options, topic), other = made(broker), make_topic(broker, fresh("out"))
    asked = rows(70000, topic, 1, b"a"), rows(70001, other, 1, b"b")

    async def run() -> None:
        (await opened(options))[0].close()
        deny(broker.bootstrap, "TOPIC", options.ledger_topic, "WRITE")
        deny(broker.bootstrap, "TOPIC", topic, "WRITE")
        try:
            end = await refused(options, *asked)
            assert isinstance(end, Lost) and not end.is_fenced
            assert f"may not write to topic {options.ledger_topic}" in end.reason
            allow_again(broker.bootstrap, options.ledger_topic)
            while isinstance(end, Lost):
                end = await refused(options, *asked)
            said = f"the user may not write to topic {topic}"
            assert end.problems == {70000: Problem(ProblemCode.NO_RIGHT, said)}
        finally:
            allow_again(broker.bootstrap, options.ledger_topic)
            allow_again(broker.bootstrap, topic)

    asyncio.run(run())


async def refused(options: WriterOptions, *asked: TopicRows) -> NotCommitted | Lost:
    """What is said once the broker follows its rules."""
    while True:
        writer, _ = await opened(options)
        end = await write(writer, *asked)
        over = await write(writer, *asked)
        writer.close()
        if not isinstance(end, Committed):
            assert isinstance(over, Lost), "the next writer goes on"
            return end
        await asyncio.sleep(0.05)


def test_a_ledger_that_was_deleted_is_made_again(broker: KafkaBroker) -> None:
    options, topic = made(broker)
    asked = rows(70000, topic, 1, b"a")

    async def run() -> None:
        writer, _ = await opened(options)
        admin = AdminClient({"bootstrap.servers": broker.bootstrap})
        admin.delete_topics([options.ledger_topic])[options.ledger_topic].result()
        end: object = None
        while not isinstance(end, Lost):
            end = await write(writer, asked)
            assert not isinstance(end, Committed), end
        assert options.ledger_topic in end.reason and not end.is_fenced
        writer.close()
        writer, _ = await opened(options)
        assert isinstance(await write(writer, asked), Committed)
        writer.close()

    asyncio.run(run())
