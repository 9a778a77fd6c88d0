"""SASL/SCRAM over TLS, with an authorizer that allows what PD0113 says and nothing else."""

import asyncio
import itertools
import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # not in its __all__
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from orchestrator.brokers.facts_port import BrokerTrouble, FoundTopics
from orchestrator.brokers.kafka.configs import WriterOptions
from orchestrator.brokers.kafka.facts import KafkaFacts
from orchestrator.brokers.writer_port import Committed, NotCommitted, OutRecord, TopicRows
from orchestrator.cli.pages import explanation
from orchestrator.kafka.broker_options import broker_config, client_options
from orchestrator.log.kafka.log import KafkaLog
from orchestrator.log.kafka.options import KafkaOptions
from tests.contracts.places import kafka_options
from tests.contracts.test_log import append, opened, read
from tests.contracts.test_log_kafka import refusal, until
from tests.contracts.test_topic_facts import ask
from tests.contracts.test_topic_writer import opened as opened_writer
from tests.contracts.test_topic_writer import write
from tests.parts.client import Client, eventually
from tests.parts.kafka_guarded import ADMIN, USER, GuardedBroker
from tests.parts.laboratory import Laboratory
from tests.parts.server import PerdureServer
from tests.parts.server_options import ServerOptions
from tests.parts.topics import Headers, Topics, subscribe

pytestmark = pytest.mark.timeout(120)

_NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GuardedBroker]:
    made = GuardedBroker(tmp_path_factory.mktemp("kafka-scram"))
    made.broker.start()
    yield made
    made.broker.stop()


def log_options(guarded: GuardedBroker, directory: Path, password: str = USER[1]) -> KafkaOptions:
    sasl = {name: value for name, value in guarded.options(USER).items() if "sasl." in name}
    return replace(
        kafka_options(directory, guarded.broker.bootstrap),
        cluster=f"secured{next(_NUMBERS)}",
        ca_file=guarded.ca_file,
        librdkafka=sasl | {"sasl.password": password},
    )


def commands() -> list[str]:
    found = re.findall(r"^kafka-acls\.sh .*$", explanation("PD0113") or "", re.MULTILINE)
    assert len(found) == 5
    return found


def allow(guarded: GuardedBroker, line: str) -> None:
    """What a line of `kafka-acls.sh` does."""
    words = iter(shlex.split(line)[1:])
    kind, name, pattern, operations = "", "", "literal", []
    for word in words:
        match word:
            case "--topic" | "--group" | "--transactional-id":
                kind, name = word.removeprefix("--"), next(words)
            case "--operation":
                operations.append(next(words))
            case "--resource-pattern-type":
                pattern = next(words)
            case "--allow-principal":
                assert next(words) == "User:perdure"
            case "--bootstrap-server" | "--command-config":
                next(words)
            case other:
                assert other == "--add", other
    rules = [
        AclBinding(
            ResourceType[kind.upper().replace("-", "_")],
            name,
            ResourcePatternType[pattern.upper()],
            "User:perdure",
            "*",
            AclOperation[re.sub(r"(?<=[a-z])(?=[A-Z])", "_", operation).upper()],
            AclPermissionType.ALLOW,
        )
        for operation in operations
    ]
    admin = AdminClient(guarded.options(ADMIN))
    for future in admin.create_acls(rules).values():
        future.result()


def allow_cluster(guarded: GuardedBroker, cluster: str) -> None:
    for line in commands()[:3]:
        allow(guarded, line.replace(" perdure.", f" {cluster}."))


def test_the_lines_of_the_page_are_enough_for_the_log(
    guarded: GuardedBroker, tmp_path: Path
) -> None:
    options = log_options(guarded, tmp_path)
    refused = asyncio.run(refusal(options))
    assert refused.code == "PD0113" and "perdure explain PD0113" in refused.remedy
    allow_cluster(guarded, options.cluster)
    assert not [line for line in commands() if "Delete" in line or "--operation All" in line]

    async def main() -> None:
        async with opened(KafkaLog(options)) as log:
            led: list[int] = []
            log.lead(led.append, lambda number: None, lambda refused: None)
            await until(lambda: bool(led))
            await append(log, 0, [b"a"])
            assert [m.value for m in (await read(log, 0, 0))[0]] == [b"a"]

    asyncio.run(main())


def test_a_wrong_password_of_the_log_is_said_at_once(
    guarded: GuardedBroker, tmp_path: Path
) -> None:
    refused = asyncio.run(refusal(log_options(guarded, tmp_path, "wrong")))
    assert refused.code == "PD0112" and "wrong" not in str(refused)


def facts_of(options: dict[str, Any], *topics: str) -> FoundTopics | BrokerTrouble:
    async def main() -> FoundTopics | BrokerTrouble:
        facts = KafkaFacts(options.items(), "test")
        found: FoundTopics | BrokerTrouble = await ask(facts.topics, topics)
        facts.close()
        return found

    return asyncio.run(main())


def test_a_broker_cluster_with_a_password_from_a_file(
    guarded: GuardedBroker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic = f"orders{next(_NUMBERS)}"
    guarded.make_topic(topic, 2)
    (tmp_path / "password").write_text(USER[1] + "\n")
    monkeypatch.setenv("PERDURE_TEST_USER", USER[0])
    options = guarded.options(("${PERDURE_TEST_USER}", "${file:" + f"{tmp_path}/password" + "}"))
    denied = facts_of(options, topic)
    assert isinstance(denied, FoundTopics) and denied.refused[topic].code == "PD0604", denied
    allow(guarded, commands()[3].replace("--topic orders", f"--topic {topic}"))
    found = facts_of(options, topic)
    assert isinstance(found, FoundTopics) and found.topics[topic].partition_count == 2
    (tmp_path / "password").write_text("wrong-s3cret")
    refused = facts_of(options, topic)
    assert isinstance(refused, BrokerTrouble) and refused.code == "PD0603", refused
    assert "s3cret" not in refused.message and not refused.passes


def test_the_lines_of_the_page_are_enough_to_send(guarded: GuardedBroker) -> None:
    topic, cluster = f"answers{next(_NUMBERS)}", f"secured{next(_NUMBERS)}"
    guarded.make_topic(topic, 1)
    allow_cluster(guarded, cluster)
    given = guarded.options(USER)
    options = WriterOptions(
        lambda: broker_config(client_options(given.items()), "test"), cluster, b"log", 0, 1
    )
    rows = TopicRows(1, topic, 1, (OutRecord(0, b"k", b"v"),))

    async def send() -> object:
        writer, _ = await opened_writer(options)
        done = await write(writer, rows)
        writer.close()
        return done

    assert isinstance(asyncio.run(send()), NotCommitted)
    allow(guarded, commands()[4].replace("--topic answers", f"--topic {topic}"))
    assert isinstance(asyncio.run(send()), Committed)


def test_the_lines_of_the_page_are_enough_for_a_server(
    guarded: GuardedBroker, tmp_path: Path
) -> None:
    """Its log, a topic in, a topic out, replies, dead letters, a feed, the group that shows the
    lag; and nothing shows the password."""
    number = next(_NUMBERS)
    source, target, cluster = f"in{number}", f"out{number}", f"secured{number}"
    for topic in (source, target):
        guarded.make_topic(topic, 1)
    allow_cluster(guarded, cluster)
    allow(guarded, commands()[3].replace("--topic orders", f"--topic {source}"))
    allow(guarded, commands()[4].replace("--topic answers", f"--topic {target}"))
    services = Laboratory(tmp_path / "services", app="tests.parts.topics_app").start()
    sasl = {name: value for name, value in guarded.options(USER).items() if "sasl." in name}
    env = {
        "PERDURE_KAFKA_OPTIONS": ",".join(f"{name}={value}" for name, value in sasl.items()),
        "PERDURE_KAFKA_CA_FILE": str(guarded.ca_file),
    }
    options = ServerOptions(
        log="kafka", kafka_bootstrap=guarded.broker.bootstrap, cluster=cluster, env=env
    )
    server = PerdureServer(tmp_path / "server", options).start()
    try:
        client = Client(server.ingress, server.admin)
        client.register(services.uri)
        client.admin_request("PUT", "/perdure/v1/feeds/events").expect(200)
        topics = Topics(guarded.broker, guarded.options(ADMIN))
        made = subscribe(server, source, "Chain/link")
        headers: Headers = [("to", target), ("perdure-reply-to", target)]
        topics.give(source, b"k", b"0", headers)
        topics.give(source, None, b"poison")
        topics.flush()
        sent = [json.loads(one.value()) for one in topics.read(target, 2)]
        assert sent == [{"number": 0, "count": 1}] * 2

        def all_is_well() -> None:
            letters = [one.value() for one in topics.so_far(f"{cluster}.dlq")]
            assert letters == [b"poison"] and topics.so_far(f"{cluster}.events")
            assert topics.committed(f"{cluster}.{made}", source) == 2
            view = client.admin_request("GET", f"/perdure/v1/subscriptions/{made}").json()
            assert (view["status"], view["reason"], view["group_trouble"]) == ("active", "", "")
            assert client.query("SELECT * FROM sys_lane WHERE status != 'open'") == []

        eventually(all_is_well, 60)
        for path in ("/kafka-clusters/log", "/kafka-clusters", "/perdure/v1/subscriptions"):
            assert USER[1] not in client.admin_request("GET", path).expect(200).text
        assert not server.errors(), server.log_tail()
        assert USER[1] not in server.process.log.read_text()
    finally:
        server.stop()
        services.stop()
