"""A log that is deleted, or made anew under its name, is never taken for the one that was."""

import asyncio
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient

from orchestrator.log.embedded.log import EmbeddedLog, EmbeddedOptions
from orchestrator.log.kafka.log import KafkaLog
from orchestrator.log.kafka.options import KafkaOptions
from orchestrator.log.known import LogGone, known_unless_given_up, log_id
from orchestrator.log.port import META, Log, LogRefused
from tests.contracts.places import PARTITIONS, kafka_options
from tests.contracts.test_log import Acknowledgements, append, opened, read
from tests.contracts.test_log_follow import Heard
from tests.contracts.test_log_kafka import delete_topic, make_topic, until
from tests.parts.kafka import KafkaBroker

pytestmark = pytest.mark.timeout(90)


@pytest.fixture
def options(tmp_path: Path, broker: KafkaBroker) -> KafkaOptions:
    return kafka_options(tmp_path / "a", broker.bootstrap)


async def is_lost(log: Log, gone: list[LogRefused]) -> None:
    """Everybody is told once, nothing is taken and nothing is read."""
    await until(lambda: bool(gone) or not log.health())
    assert [one.code for one in gone] == ["PD0109"] and log_id(log.identity) in gone[0].remedy
    assert not log.health().writable and "PD0109" in log.health().reason
    for partition in (META, 0):
        with pytest.raises(LogGone):
            await read(log, partition, 0)
        with pytest.raises(LogGone):
            await log.bounds(partition)
    refused = Acknowledgements()
    log.append([(1, [b"late"])], refused.done)
    error = (await refused.wait(1))[0].error
    assert error is not None and error.refused and "PD0109" in error.reason
    late = Heard(log, 2)
    await until(lambda: bool(late.ends))
    assert isinstance(late.ends[0], LogGone)
    await asyncio.sleep(0.1)
    assert len(gone) == 1


@pytest.fixture
def looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestrator.log.kafka.log._VERIFY_EVERY_MS", 100)


@pytest.mark.usefixtures("looks_often")
@pytest.mark.parametrize("topic", ["log", "meta"])
@pytest.mark.parametrize("anew", [False, True], ids=["deleted", "made anew"])
def test_a_topic_that_goes_while_the_log_is_open_is_noticed(
    options: KafkaOptions, topic: str, anew: bool
) -> None:
    name = f"{options.cluster}.{topic}"

    def replace_topic() -> None:
        delete_topic(options, name)
        if anew:
            make_topic(options, name, PARTITIONS if topic == "log" else 1)

    async def main() -> None:
        revoked: list[int] = []
        gone: list[LogRefused] = []
        async with opened(KafkaLog(options)) as log:
            await append(log, 0, [b"a", b"b", b"c"])
            heard = Heard(log, 0)
            await heard.hears([b"a", b"b", b"c"])
            led: list[int] = []
            log.lead(led.append, revoked.append, gone.append)
            await until(lambda: len(led) == PARTITIONS)
            await asyncio.to_thread(replace_topic)
            await is_lost(log, gone)
            assert [type(end) for end in heard.ends] == [LogGone]
            assert heard.values == [b"a", b"b", b"c"]
            if not anew:
                await asyncio.sleep(1)
                admin = AdminClient({"bootstrap.servers": options.bootstrap})
                topics = await asyncio.to_thread(admin.list_topics, timeout=5)
                assert name not in topics.topics, "it was made by looking at it"

    asyncio.run(main())


def test_what_another_log_acknowledges_is_of_unknown_fate(options: KafkaOptions) -> None:
    """An append that meets the new topic before anybody has looked."""

    def make_anew() -> None:
        delete_topic(options, options.log_topic)
        make_topic(options, options.log_topic, PARTITIONS)

    async def main() -> None:
        async with opened(KafkaLog(options)) as log:
            await append(log, 0, [b"a", b"b", b"c"])
            await asyncio.to_thread(make_anew)
            acknowledgements = Acknowledgements()
            log.append([(0, [b"d"])], acknowledgements.done)
            told = await acknowledgements.wait(1)
            assert told[0].error is not None and not told[0].error.refused
            with pytest.raises(LogGone):
                await read(log, 0, 0)

    asyncio.run(main())


def test_a_topic_that_went_while_the_log_was_closed_is_not_made_again(
    options: KafkaOptions,
) -> None:
    async def main() -> None:
        async with opened(KafkaLog(options)) as log:
            await append(log, 0, [b"a"])
            identity = log.identity
        known = replace(options, known=identity)
        async with opened(KafkaLog(known)) as log:
            assert [m.value for m in (await read(log, 0, 0))[0]] == [b"a"]
        await asyncio.to_thread(delete_topic, options, options.log_topic)
        for _ in range(2):
            lost = KafkaLog(known)
            with pytest.raises(LogGone, match=f"no topic {options.log_topic}") as raised:
                await lost.open()
            assert f"--new-log {log_id(identity)}" in raised.value.remedy
            await lost.close()
        await asyncio.to_thread(make_topic, options, options.log_topic, PARTITIONS)
        another = KafkaLog(known)
        with pytest.raises(LogGone, match="the one that is there is"):
            await another.open()
        await another.close()
        given_up = known_unless_given_up(identity, log_id(identity))
        async with opened(KafkaLog(replace(options, known=given_up))) as log:
            assert log.identity != identity and (await read(log, 0, 0))[0] == []

    asyncio.run(main())


def test_only_the_log_that_is_named_is_given_up() -> None:
    assert known_unless_given_up(b"one", None) == b"one"
    assert known_unless_given_up(b"one", log_id(b"two")) == b"one"
    assert known_unless_given_up(b"one", log_id(b"one")) is None
    assert known_unless_given_up(None, "x") is None


def test_files_that_go_while_the_log_is_open_are_noticed(tmp_path: Path) -> None:
    async def main() -> None:
        gone: list[LogRefused] = []
        async with opened(EmbeddedLog(EmbeddedOptions(tmp_path / "log", PARTITIONS))) as log:
            await append(log, 0, [b"a"])
            heard = Heard(log, 0)
            log.lead(lambda number: None, lambda number: None, gone.append)
            assert log.health().writable
            shutil.rmtree(tmp_path / "log")
            await asyncio.sleep(0.6)
            log.health()
            await is_lost(log, gone)
            assert [type(end) for end in heard.ends] == [LogGone]

    asyncio.run(main())


@pytest.mark.parametrize("emptied", [True, False], ids=["emptied", "another one"])
def test_files_that_went_while_the_log_was_closed_are_not_made_again(
    tmp_path: Path, emptied: bool
) -> None:
    async def main() -> None:
        options = EmbeddedOptions(tmp_path / "log", PARTITIONS)
        async with opened(EmbeddedLog(options)) as log:
            await append(log, 0, [b"a"])
            identity = log.identity
        shutil.rmtree(tmp_path / "log")
        if not emptied:
            async with opened(EmbeddedLog(options)):
                pass
        lost = EmbeddedLog(replace(options, known=identity))
        with pytest.raises(LogGone, match=log_id(identity)):
            await lost.open()
        await lost.close()
        async with opened(EmbeddedLog(options)) as log:
            assert log.identity != identity and (await read(log, 0, 0))[0] == []

    asyncio.run(main())
