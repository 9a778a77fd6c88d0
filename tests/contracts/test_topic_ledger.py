"""The ledger of writers to users' topics: what becomes of rows when something is wrong with it."""

import asyncio

import pytest
from confluent_kafka.admin import AdminClient

from orchestrator.brokers.kafka.configs import WriterOptions
from orchestrator.brokers.writer_port import (
    Committed,
    Lost,
    NotCommitted,
    ProblemCode,
    TopicRows,
    TopicWriter,
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


def test_a_ledger_that_may_not_be_written_is_no_fault_of_a_row(broker: KafkaBroker) -> None:
    """The transaction does not say which of its topics was refused."""
    options, topic = made(broker)
    asked = rows(70000, topic, 1, b"a")

    async def run() -> None:
        writer, _ = await opened(options)
        deny(broker.bootstrap, "TOPIC", options.ledger_topic, "WRITE")
        deny(broker.bootstrap, "TOPIC", topic, "WRITE")
        try:
            end = await refused(writer, asked, with_problems=False)
            assert f"may not write to topic {options.ledger_topic}" in end.reason
            allow_again(broker.bootstrap, options.ledger_topic)
            end = await refused(writer, asked, with_problems=True)
            assert end.problems[70000].code is ProblemCode.NO_RIGHT
        finally:
            allow_again(broker.bootstrap, options.ledger_topic)
            allow_again(broker.bootstrap, topic)
        writer.close()

    asyncio.run(run())


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


async def refused(writer: TopicWriter, asked: TopicRows, with_problems: bool) -> NotCommitted:
    """What is said once the broker follows its new rules."""
    while True:
        end = await write(writer, asked)
        if isinstance(end, NotCommitted) and bool(end.problems) == with_problems:
            return end
        await asyncio.sleep(0.05)
