"""What only the log on Kafka has to get right: brokers that go, options, topics, other nodes."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # not in its __all__
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    ResourceType,
)

from orchestrator.kafka import serve
from orchestrator.log.kafka.log import KafkaLog
from orchestrator.log.kafka.options import KafkaOptions
from orchestrator.log.port import Log, LogRefused
from tests.contracts.places import PARTITIONS
from tests.contracts.test_log import Acknowledgements, append, opened, read
from tests.contracts.test_log_follow import Heard
from tests.parts.kafka import KafkaBroker

pytestmark = pytest.mark.timeout(90)


async def until(seen: Callable[[], bool], seconds: float = 30) -> None:
    async with asyncio.timeout(seconds):
        while not seen():
            await asyncio.sleep(0.01)


async def refusal(options: KafkaOptions) -> LogRefused:
    log = KafkaLog(options)
    with pytest.raises(LogRefused) as raised:
        await log.open()
    await log.close()
    assert raised.value.remedy
    return raised.value


def make_topic(options: KafkaOptions, topic: str, count: int, **config: str) -> None:
    wanted = {"retention.ms": "-1", "retention.bytes": "-1", "cleanup.policy": "delete"}
    wanted["max.message.bytes"] = str(options.batch_bytes_max)
    wanted |= {name.replace("_", "."): value for name, value in config.items()}
    admin = AdminClient({"bootstrap.servers": options.bootstrap})
    for future in admin.create_topics([NewTopic(topic, count, config=wanted)]).values():
        future.result()


def delete_topic(options: KafkaOptions, topic: str) -> None:
    """Returns when the broker no longer shows it."""
    admin = AdminClient({"bootstrap.servers": options.bootstrap})
    admin.delete_topics([topic])[topic].result()
    while topic in admin.list_topics(timeout=5).topics:
        time.sleep(0.02)


def unexpected(gone: LogRefused) -> None:
    pytest.fail(str(gone))


@asynccontextmanager
async def leading(log: Log) -> AsyncIterator[list[int]]:
    assigned: list[int] = []
    log.lead(assigned.append, assigned.remove, unexpected)
    await until(lambda: len(assigned) == PARTITIONS)
    yield assigned


# options


@pytest.mark.parametrize("name", ["acks", "group.instance.id", "message.timeout.ms", "error_cb"])
def test_an_option_of_the_engine_is_refused_by_name(options: KafkaOptions, name: str) -> None:
    refused = asyncio.run(refusal(replace(options, librdkafka={name: "1"})))
    assert refused.code == "PD0110" and name in refused.message and name in refused.remedy


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"no.such.option": "1"}, "no.such.option"),
        ({"compression.type": "shredder"}, "shredder"),
        ({"socket.timeout.ms": "x"}, "socket.timeout.ms"),
    ],
)
def test_an_option_that_librdkafka_does_not_take_is_refused(
    options: KafkaOptions, given: dict[str, str], named: str
) -> None:
    refused = asyncio.run(refusal(replace(options, librdkafka=given)))
    assert refused.code == "PD0111" and named in refused.message


def test_other_options_are_passed_on(options: KafkaOptions) -> None:
    async def main() -> None:
        given = {"compression.type": "lz4", "linger.ms": "1", "socket.keepalive.enable": "true"}
        async with opened(KafkaLog(replace(options, librdkafka=given))) as log:
            await append(log, 0, [b"a" * 1000])
            assert [m.value for m in (await read(log, 0, 0))[0]] == [b"a" * 1000]

    asyncio.run(main())


# topics


@pytest.mark.parametrize(
    ("config", "named"),
    [
        ({"retention_ms": "604800000"}, "retention.ms"),
        ({"retention_bytes": "1000000"}, "retention.bytes"),
        ({"cleanup_policy": "compact"}, "cleanup.policy"),
        ({"max_message_bytes": "1000000"}, "max.message.bytes"),
        ({"unclean_leader_election_enable": "true"}, "unclean.leader.election.enable"),
        ({"min_insync_replicas": "2"}, "min.insync.replicas"),
    ],
)
def test_a_topic_that_cannot_keep_a_log_is_refused(
    options: KafkaOptions, config: dict[str, str], named: str
) -> None:
    make_topic(options, options.log_topic, PARTITIONS, **config)
    refused = asyncio.run(refusal(options))
    assert refused.code == "PD0115"
    assert named in refused.message and f"--add-config {named}=" in refused.remedy


def test_a_retention_that_is_set_while_the_log_is_open_is_told_once(
    options: KafkaOptions, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("orchestrator.log.kafka.log._VERIFY_EVERY_MS", 0)
    monkeypatch.setattr("orchestrator.log.kafka.log._CONFIGS_EVERY_MS", 0)
    monkeypatch.setattr("orchestrator.log.kafka.log._TICK_S", 0.1)

    def told() -> int:
        said = (record.getMessage() for record in caplog.records if record.levelname == "ERROR")
        return sum("PD0115" in one and "retention.ms=86400000" in one for one in said)

    def set_retention(value: str) -> None:
        entry = ConfigEntry("retention.ms", value, incremental_operation=AlterConfigOpType.SET)
        topic = ConfigResource(ResourceType.TOPIC, options.log_topic, incremental_configs=[entry])
        admin = AdminClient({"bootstrap.servers": options.bootstrap})
        for done in admin.incremental_alter_configs([topic]).values():
            done.result()

    async def main() -> None:
        async with opened(KafkaLog(options)) as log:
            await asyncio.to_thread(set_retention, "86400000")
            await until(lambda: told() > 0)
            await asyncio.sleep(0.5)
            await append(log, 0, [b"a"])
            assert told() == 1

    asyncio.run(main())


@pytest.mark.parametrize(("topic", "count"), [("log", PARTITIONS + 1), ("meta", 2)])
def test_a_topic_with_another_partition_count_is_refused(
    options: KafkaOptions, topic: str, count: int
) -> None:
    make_topic(options, f"{options.cluster}.{topic}", count)
    refused = asyncio.run(refusal(options))
    assert refused.code == "PD0114" and f"has {count} partitions" in refused.message


def test_a_replication_that_the_brokers_cannot_give_is_refused(options: KafkaOptions) -> None:
    refused = asyncio.run(refusal(replace(options, replication_factor=3)))
    assert refused.code == "PD0116" and "replication" in refused.message.lower()


def test_a_log_made_anew_has_another_identity(options: KafkaOptions) -> None:
    async def identity() -> bytes:
        async with opened(KafkaLog(options)) as log:
            return log.identity

    async def main() -> None:
        before = await identity()
        await asyncio.to_thread(delete_topic, options, options.log_topic)
        assert await identity() != before

    asyncio.run(main())


# offsets that hold no message


def test_gaps_in_offsets_and_an_end_that_is_no_message_are_read_over(
    options: KafkaOptions,
) -> None:
    """As a transaction of somebody else leaves them: markers, and messages that do not count."""

    def write(value: bytes, *, commit: bool) -> None:
        producer = Producer(
            {"bootstrap.servers": options.bootstrap, "transactional.id": options.cluster}
        )
        producer.init_transactions()
        producer.begin_transaction()
        producer.produce(options.log_topic, value, partition=0)
        producer.flush()
        (producer.commit_transaction if commit else producer.abort_transaction)()

    async def marked(log: Log, end: int) -> None:
        while (await log.bounds(0))[1] < end:
            await asyncio.sleep(0.01)

    async def main() -> None:
        async with opened(KafkaLog(options)) as log:
            assert await append(log, 0, [b"a"]) == 0
            await asyncio.to_thread(write, b"theirs", commit=True)  # at 1, its marker at 2
            await marked(log, 3)
            assert await append(log, 0, [b"b"]) == 3
            await asyncio.to_thread(write, b"taken back", commit=False)  # at 4, its marker at 5
            await marked(log, 6)
            found, following = await read(log, 0, 0)
            assert [(m.offset, m.value) for m in found] == [(0, b"a"), (1, b"theirs"), (3, b"b")]
            assert following == 6 == (await log.bounds(0))[1]
            assert await read(log, 0, 4) == ([], 6)
            assert await append(log, 0, [b"c"]) == 6

    asyncio.run(main())


# brokers that go


def test_a_broker_that_is_gone_is_noticed_and_waited_for(
    options: KafkaOptions, broker: KafkaBroker, tmp_path: Path
) -> None:
    late_options = replace(options, directory=tmp_path / "b", cluster=options.cluster + "late")

    async def main() -> None:
        async with opened(KafkaLog(options)) as idle, leading(idle) as assigned:
            broker.kill()
            await until(lambda: not idle.health().writable)
            late = KafkaLog(late_options)
            opening = asyncio.create_task(late.open())
            await until(lambda: options.bootstrap in late.health().reason)
            assert not late.health().writable and not opening.done()
            await asyncio.to_thread(broker.restart)
            await asyncio.wait_for(opening, 30)
            await append(late, 0, [b"a"])
            assert late.health().writable, late.health().reason
            await late.close()
            await until(lambda: idle.health().writable)
            await append(idle, 1, [b"a"])
            await until(lambda: len(assigned) == PARTITIONS)

    asyncio.run(main())


def test_appends_wait_for_a_broker_that_was_killed_and_none_is_lost_or_doubled(
    options: KafkaOptions, broker: KafkaBroker
) -> None:
    async def main() -> None:
        async with opened(KafkaLog(options)) as log, leading(log):
            await append(log, 0, [b"before"])
            acknowledgements = Acknowledgements()
            values = [b"%d" % number for number in range(400)]
            for value in values[:200]:
                log.append([(0, [value])], acknowledgements.done)
            broker.kill()
            for value in values[200:]:
                log.append([(0, [value])], acknowledgements.done)
            await until(lambda: log.health().oldest_unacknowledged_ms >= 2000)
            assert not log.health().writable
            await asyncio.to_thread(broker.restart)
            told = await acknowledgements.wait(400)
            assert [t.error for t in told] == [None] * 400
            found, _ = await read(log, 0, 0)
            assert [m.value for m in found] == [b"before", *values]
            await until(lambda: log.health().writable)

    asyncio.run(main())


def test_who_follows_goes_on_after_a_broker_was_killed(
    options: KafkaOptions, broker: KafkaBroker
) -> None:
    async def main() -> None:
        async with opened(KafkaLog(options)) as log:
            heard = Heard(log, 0)
            await append(log, 0, [b"before"])
            await heard.hears([b"before"])
            broker.kill()
            await asyncio.to_thread(broker.restart)
            await append(log, 0, [b"after"])
            await heard.hears([b"before", b"after"])
            assert not heard.ends

    asyncio.run(main())


# appends of unknown fate


def test_when_a_producer_is_given_up_each_partition_goes_on_after_its_restart(
    options: KafkaOptions,
) -> None:
    async def main() -> None:
        async with opened(KafkaLog(options)) as log:
            await append(log, 0, [b"first"])
            acknowledgements = Acknowledgements()
            values = [b"%d" % number for number in range(300)]
            for value in values:
                log.append([(0, [value]), (1, [value])], acknowledgements.done)
            log.restart(0)
            told = await acknowledgements.wait(600)
            unknown = [t for t in told if t.error is not None]
            assert unknown and not any(t.error and t.error.refused for t in unknown)
            await append(log, 0, [b"fresh"])
            await append(log, 2, [b"not concerned"])
            refused = Acknowledgements()
            log.append([(1, [b"too early"])], refused.done)
            error = (await refused.wait(1))[0].error
            assert error is not None and error.refused
            log.restart(1)
            await append(log, 1, [b"fresh"])
            for partition in (0, 1):
                found = [m.value for m in (await read(log, partition, 0))[0]]
                numbers = [value for value in found if value.isdigit()]
                assert numbers == values[: len(numbers)], "lost in the middle, doubled or moved"
                assert b"fresh" in found and b"too early" not in found

    asyncio.run(main())


# leading


def test_with_another_layout_of_the_client_it_is_polled(
    options: KafkaOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serve, "_KNOWN_LAYOUT", ("0.0.",))

    async def main() -> None:
        async with opened(KafkaLog(options)) as log, leading(log):
            await append(log, 0, [b"a"])
            assert [m.value for m in (await read(log, 0, 0))[0]] == [b"a"]

    asyncio.run(main())
