"""Programs that others wrote for Kafka, at both ends: they need to know nothing of us."""

from __future__ import annotations

import hashlib
import json
from base64 import b64decode
from collections import defaultdict

import pytest
from confluent_kafka import Producer

from tests.e2e.conftest import client_of
from tests.parts.client import Client, eventually, fresh
from tests.parts.java_program import JavaProgram
from tests.parts.kafka import KafkaBroker
from tests.parts.needed import needed
from tests.parts.server import PerdureServer
from tests.parts.topics import Topics, subscribe

pytestmark = pytest.mark.timeout(240)


@pytest.fixture(scope="module")
def server(topic_server: PerdureServer) -> PerdureServer:
    return topic_server


@pytest.fixture(scope="module")
def client(server: PerdureServer) -> Client:
    return client_of(server)


def test_a_producer_and_a_consumer_in_java(
    server: PerdureServer, broker: KafkaBroker, topics: Topics
) -> None:
    """What comes out lies in the partition in which Java itself puts that key."""
    program = needed("Java's clients of Kafka", lambda: JavaProgram("Outsider"))
    source, target = topics.make(4), topics.make(4)
    subscribe(server, source, "Chain/link")
    count, keys = 300, 20
    lines = program.run(broker.bootstrap, source, target, str(count), str(keys))
    placed: dict[str, str] = {}
    passed: dict[str, list[dict[str, int]]] = defaultdict(list)
    for line in lines:
        what, partition, key, *value = line.split(" ", 3)
        if what == "sent":
            placed[key] = partition
        else:
            assert placed[key] == partition, key
            passed[key].append(json.loads(value[0]))
    expected = [{"number": number, "count": number + 1} for number in range(count // keys)]
    assert len(placed) == keys
    assert passed == dict.fromkeys(placed, expected)


def test_what_a_producer_aborted_was_never_there(
    server: PerdureServer, client: Client, topics: Topics
) -> None:
    source = topics.make(2)
    subscribe(server, source, "Tally/add")
    producer = Producer({**topics.servers, "transactional.id": fresh("outsider"), "linger.ms": 0})
    producer.init_transactions(30)
    keys = [fresh("a"), fresh("b"), fresh("c")]
    kept = []
    for number in range(60):
        is_kept = number % 3 != 2  # the last one is aborted: no record follows the gap
        producer.begin_transaction()
        for key in keys:
            producer.produce(source, str(number), key)
        assert producer.flush(30) == 0
        (producer.commit_transaction if is_kept else producer.abort_transaction)(30)
        kept += [str(number)] * is_kept

    def each_once() -> None:
        for key in keys:
            assert client.call(("Tally", key, "get")) == kept

    eventually(each_once, 60)
    end = sum(topics.ends(source).values())

    def at_the_end() -> None:
        query = f"SELECT SUM(position) AS position FROM sys_source WHERE topic = '{source}'"
        assert client.query(query) == [{"position": end}]

    eventually(at_the_end, 60)
    each_once()


def test_a_program_that_uses_a_transactional_id_of_the_server_makes_nothing_lost_or_sent_twice(
    server: PerdureServer, client: Client, topics: Topics
) -> None:
    """It fences the writers of all partitions, again and again; each comes back."""
    target, count = topics.make(1), 40
    node = json.loads((server.data_dir / "node.json").read_text())
    log = hashlib.blake2b(b64decode(node["identity"]), digest_size=8).hexdigest()
    ids = [f"{server.options.cluster}.{log}.{partition}" for partition in range(4)]
    fenced = 0
    for number in range(count):
        request = {"topic": target, "key": fresh(), "value": number}
        client.send(("Kafka", "send"), request)
        if number % 10 == 5:
            for named in ids:
                stranger = Producer({**topics.servers, "transactional.id": named})
                stranger.init_transactions(30)
                fenced += 1
    answer = client.call(("Kafka", "send"), {"topic": target, "key": "last", "value": count})
    assert answer["topic"] == target and fenced == 16

    def all_sent() -> None:
        sent = sorted(json.loads(one.value()) for one in topics.whole(target))
        assert sent == list(range(count + 1))

    eventually(all_sent, 90)
    assert "was fenced" in server.process.log.read_text()


@pytest.mark.parametrize("partition", [-1, 2])
def test_spring_asks_and_is_answered(
    server: PerdureServer, broker: KafkaBroker, topics: Topics, partition: int
) -> None:
    """By the class that ships with Spring: with a topic for replies, and with a partition of it."""
    program = needed("Spring for Kafka", lambda: JavaProgram("Requester", with_spring=True))
    requests, replies = topics.make(2), topics.make(4)
    subscribe(server, requests, "Echo/answer")
    lines = program.run(broker.bootstrap, requests, replies, str(partition), "40")
    assert len(lines) == 40
    for number, line in enumerate(lines):
        request, _, reply = line.partition(" -> ")
        assert request == f"request-{number}"
        where, _, text = reply.partition(" ")
        if number % 5 == 0:
            assert where == "failed"
            failure = text[text.index("{") :].partition("}")[0] + "}"
            assert json.loads(failure) == {"code": 418, "message": f"no request-{number}"}
        else:
            assert json.loads(text) == f"answer to request-{number}"
            assert partition in (-1, int(where))
    assert len(topics.whole(replies)) == 40
