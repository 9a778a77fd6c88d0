"""Facts of a broker cluster, in memory and on a real broker; and what brokers refuse."""

import asyncio
import itertools
import os
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # not in its __all__
    AdminClient,
    NewTopic,
)

from orchestrator.brokers.asking import NoFacts, topics_of
from orchestrator.brokers.facts_port import (
    EARLIEST,
    LATEST,
    NOT_MADE,
    BrokerTrouble,
    FoundTopics,
    TopicFact,
    TopicFacts,
)
from orchestrator.brokers.kafka import facts as kafka_facts
from orchestrator.brokers.kafka.facts import KafkaFacts
from orchestrator.brokers.memory import MemoryFacts
from orchestrator.brokers.reader_port import InRecord
from tests.parts.kafka import KafkaBroker
from tests.parts.kafka_rights import allow_again, allow_only, deny
from tests.parts.processes import free_port

_NUMBERS = itertools.count()


@dataclass
class Cluster:
    """One way to have a broker cluster; `add` gives partition 0 a record of that time."""

    make_facts: Callable[[], TopicFacts]
    make_topic: Callable[[str, int], None]
    delete_topic: Callable[[str], None]
    add: Callable[[str, int], None]
    commit: Callable[[str, str, int], None]


def _memory() -> Cluster:
    facts = MemoryFacts()

    def make_topic(name: str, count: int) -> None:
        facts.make(name, count)

    def delete_topic(name: str) -> None:
        del facts.by_name[name]

    def commit(group: str, topic: str, offset: int) -> None:
        facts.groups[(group, topic)] = {0: offset}

    def add(name: str, at_ms: int) -> None:
        times_ms = facts.by_name[name].partitions[0].times_ms
        facts.records[name, 0, len(times_ms)] = InRecord(len(times_ms), at_ms, None, b"x", ())
        times_ms.append(at_ms)

    return Cluster(lambda: facts, make_topic, delete_topic, add, commit)


def _kafka(bootstrap: str) -> Cluster:
    options: dict[str, Any] = {"bootstrap.servers": bootstrap}
    admin = AdminClient(options)
    producer = Producer(options)

    def make_topic(name: str, count: int) -> None:
        admin.create_topics([NewTopic(name, count)])[name].result()
        while name not in admin.list_topics(timeout=5).topics:
            time.sleep(0.02)

    def delete_topic(name: str) -> None:
        admin.delete_topics([name])[name].result()
        while name in admin.list_topics(timeout=5).topics:
            time.sleep(0.02)

    def add(name: str, at_ms: int) -> None:
        producer.produce(name, b"x", partition=0, timestamp=at_ms)
        producer.flush(10)

    def commit(group: str, topic: str, offset: int) -> None:
        consumer = Consumer(options | {"group.id": group})
        consumer.commit(offsets=[TopicPartition(topic, 0, offset)], asynchronous=False)
        consumer.close()

    return Cluster(
        lambda: KafkaFacts(options.items(), "test"), make_topic, delete_topic, add, commit
    )


@pytest.fixture(params=["memory", "kafka"])
def cluster(request: pytest.FixtureRequest) -> Cluster:
    if request.param == "memory":
        return _memory()
    return _kafka(request.getfixturevalue("broker").bootstrap)


def fresh(what: str) -> str:
    return f"{what}{os.getpid()}-{next(_NUMBERS)}"


async def ask(question: Callable[..., None], *arguments: object) -> Any:
    answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    question(*arguments, answer.set_result)
    return await asyncio.wait_for(answer, 20)


def run(facts_of: Callable[[], TopicFacts], work: Callable[[TopicFacts], Awaitable[None]]) -> None:
    async def main() -> None:
        facts = facts_of()
        try:
            await work(facts)
        finally:
            facts.close()

    asyncio.run(main())


def test_topics_that_exist_and_those_that_do_not(cluster: Cluster) -> None:
    name, other = fresh("topic"), fresh("none")
    cluster.make_topic(name, 3)

    async def work(facts: TopicFacts) -> None:
        found = await ask(facts.topics, [name, other])
        assert isinstance(found, FoundTopics) and found.kafka_id
        assert list(found.topics) == [name]
        assert found.topics[name].partition_count == 3 and len(found.topics[name].topic_id) == 16
        again = await ask(facts.topics, [other])  # asking did not make it
        assert again == FoundTopics(found.kafka_id, {})

    run(cluster.make_facts, work)


def test_a_topic_made_anew_has_another_id(cluster: Cluster) -> None:
    name = fresh("topic")

    async def work(facts: TopicFacts) -> None:
        ids = set()
        for _ in range(2):
            await asyncio.to_thread(cluster.make_topic, name, 1)
            ids.add((await ask(facts.topics, [name])).topics[name].topic_id)
            await asyncio.to_thread(cluster.delete_topic, name)
        assert len(ids) == 2

    run(cluster.make_facts, work)


def test_offsets_of_points(cluster: Cluster) -> None:
    name = fresh("topic")
    cluster.make_topic(name, 2)
    start = int(time.time() * 1000) - 100_000
    for n in range(3):
        cluster.add(name, start + 1000 * n)

    async def work(facts: TopicFacts) -> None:
        topic = (await ask(facts.topics, [name])).topics[name]
        assert await ask(facts.offsets, topic, EARLIEST) == (0, 0)
        assert await ask(facts.offsets, topic, LATEST) == (3, 0)
        assert await ask(facts.offsets, topic, start + 1) == (1, 0)
        assert await ask(facts.offsets, topic, start + 1000) == (1, 0)
        assert await ask(facts.offsets, topic, start + 9000) == (3, 0)

    run(cluster.make_facts, work)


def test_offsets_of_a_group(cluster: Cluster) -> None:
    name, group = fresh("topic"), fresh("group")
    cluster.make_topic(name, 2)
    cluster.add(name, 1_700_000_000_000)

    async def work(facts: TopicFacts) -> None:
        topic = (await ask(facts.topics, [name])).topics[name]
        assert await ask(facts.committed, group, topic) == (-1, -1)
        await asyncio.to_thread(cluster.commit, group, name, 1)
        assert await ask(facts.committed, group, topic) == (1, -1)

    run(cluster.make_facts, work)


def test_one_record_by_its_place(cluster: Cluster) -> None:
    name = fresh("topic")
    cluster.make_topic(name, 2)
    for n in range(2):
        cluster.add(name, 1_700_000_000_000 + n)

    async def work(facts: TopicFacts) -> None:
        topic = (await ask(facts.topics, [name])).topics[name]
        found = await ask(facts.record, topic, 0, 1)
        assert found == InRecord(1, 1_700_000_000_001, None, b"x", ())
        for partition, offset in ((0, 2), (0, 99), (1, 0)):
            assert await ask(facts.record, topic, partition, offset) is None

    run(cluster.make_facts, work)


def test_one_record_needs_no_right_to_a_group(broker: KafkaBroker) -> None:
    topic, cluster = fresh("topic"), _kafka(broker.bootstrap)
    cluster.make_topic(topic, 1)
    cluster.add(topic, 1000)
    deny(broker.bootstrap, "GROUP", f"{topic}.again", "DESCRIBE")

    async def work(facts: TopicFacts) -> None:
        found = await ask(facts.record, TopicFact(topic, bytes(16), 1), 0, 0)
        assert isinstance(found, InRecord) and found.value == b"x", found

    try:
        for _ in range(3):  # what comes first differs
            run(cluster.make_facts, work)
    finally:
        allow_again(broker.bootstrap, f"{topic}.again")


def test_a_topic_is_made_where_it_is_missing(cluster: Cluster) -> None:
    name = fresh("made")

    async def work(facts: TopicFacts) -> None:
        compact = {"cleanup.policy": "compact"}
        assert await ask(facts.make_topic, name, 3, compact) is True
        assert await ask(facts.make_topic, name, 5, compact) is False
        while not (found := (await ask(facts.topics, [name])).topics):
            await asyncio.sleep(0.02)
        assert found[name].partition_count == 3

    run(cluster.make_facts, work)


def test_brokers_that_make_no_topic_like_that_say_why(broker: KafkaBroker) -> None:
    async def work(facts: TopicFacts) -> None:
        why = await ask(facts.make_topic, fresh("made"), 1, {})
        assert isinstance(why, BrokerTrouble) and why.code == NOT_MADE and not why.passes
        assert "replication" in why.message.lower()

    run(lambda: KafkaFacts([("bootstrap.servers", broker.bootstrap)], "test", 7), work)


def test_after_close_nothing_is_answered(cluster: Cluster) -> None:
    async def main() -> None:
        facts = cluster.make_facts()
        answers: list[object] = []
        facts.topics([fresh("topic")], answers.append)
        facts.close()
        await asyncio.sleep(0.3)
        assert answers == []

    asyncio.run(main())


def trouble_with(options: dict[str, str], topic: str = "any") -> BrokerTrouble:
    async def main() -> BrokerTrouble:
        facts = KafkaFacts(options.items(), "test")
        found = await ask(facts.topics, [topic])
        facts.close()
        assert isinstance(found, BrokerTrouble), found
        return found

    return asyncio.run(main())


def test_brokers_out_of_reach_are_said_in_time_and_hold_nothing_up() -> None:
    async def main() -> None:
        facts = KafkaFacts([("bootstrap.servers", f"127.0.0.1:{free_port()}")], "test")
        answer = asyncio.ensure_future(ask(facts.topics, ["any"]))
        longest, last = 0.0, time.monotonic()
        while not answer.done():
            await asyncio.sleep(0.01)
            now = time.monotonic()
            longest, last = max(longest, now - last), now
        facts.close()
        found = answer.result()
        assert found.code == "PD0602" and found.passes
        assert longest < 1.0

    asyncio.run(main())


def test_options_that_cannot_be_used(tmp_path: Path) -> None:
    base = {"bootstrap.servers": "127.0.0.1:1"}
    unknown = trouble_with(base | {"no.such.option": "1"})
    assert unknown.code == "PD0601" and "no.such.option" in unknown.message
    missing = trouble_with(base | {"sasl.password": "${PERDURE_NO_SUCH_VARIABLE}"})
    assert missing.code == "PD0601" and "${PERDURE_NO_SUCH_VARIABLE}" in missing.message
    file = trouble_with(base | {"ssl.key.pem": "${file:" + str(tmp_path / "none") + "}"})
    assert file.code == "PD0601" and "none" in file.message
    secret = trouble_with(base | {"ssl.key.pem": "S3CRET-IN-IT", "security.protocol": "ssl"})
    assert secret.code == "PD0601" and "S3CRET" not in secret.message
    assert not any(one.passes for one in (unknown, missing, file, secret))


def test_a_right_that_is_missing(broker: KafkaBroker) -> None:
    name = fresh("topic")
    cluster = _kafka(broker.bootstrap)
    cluster.make_topic(name, 1)
    other = fresh("topic")
    cluster.make_topic(other, 1)
    allow_only(broker.bootstrap, "TOPIC", name, ["ALTER_CONFIGS"])

    async def work(facts: TopicFacts) -> None:
        found = await ask(facts.topics, [name, other])
        assert isinstance(found, FoundTopics) and list(found.topics) == [other]
        refused = found.refused[name]
        assert refused.code == "PD0604" and name in refused.message and not refused.passes
        with pytest.raises(NoFacts):
            await topics_of(facts, [name])
        places = [found.topics[other], TopicFact(name, bytes(16), 1)]
        assert await ask(facts.ends, places) == {other: (0,)}

    try:
        run(cluster.make_facts, work)
    finally:
        allow_again(broker.bootstrap, name)


def test_a_topic_that_is_gone_between_two_questions(broker: KafkaBroker) -> None:
    there = fresh("topic")
    cluster = _kafka(broker.bootstrap)
    cluster.make_topic(there, 2)

    async def work(facts: TopicFacts) -> None:
        gone = TopicFact(fresh("gone"), bytes(16), 1)
        found = await ask(facts.offsets, gone, LATEST)
        assert isinstance(found, BrokerTrouble) and found.passes
        assert await ask(facts.ends, [gone, TopicFact(there, bytes(16), 2)]) == {there: (0, 0)}

    run(cluster.make_facts, work)


def test_a_group_whose_coordinator_moves_is_asked_for_again(
    broker: KafkaBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on brokers that have just started."""
    answers = iter([KafkaError.COORDINATOR_LOAD_IN_PROGRESS, KafkaError.NOT_COORDINATOR])

    def members_now(*asked: object) -> tuple[str, ...]:
        code = next(answers, None)
        if code is not None:
            raise KafkaException(KafkaError(code))
        return ("billing",)

    monkeypatch.setattr(kafka_facts, "members_now", members_now)

    async def work(facts: TopicFacts) -> None:
        assert await ask(facts.members, "theirs") == ("billing",)

    run(_kafka(broker.bootstrap).make_facts, work)
