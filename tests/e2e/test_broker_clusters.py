"""The embedded log with brokers that are registered: what is away and deleted meanwhile, and topics
in and out, which hold what they hold with a log on Kafka."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.conftest import client_of
from tests.parts.client import Client, eventually, fresh, http_request, proxied
from tests.parts.kafka import KafkaBroker
from tests.parts.laboratory import Laboratory
from tests.parts.processes import free_port
from tests.parts.server import PerdureServer
from tests.parts.server_options import ServerOptions
from tests.parts.topics import Topics
from tests.parts.typescript_services import TypeScriptServices

pytestmark = pytest.mark.timeout(180)
HEADERS = {"content-type": "application/json"}
OURS = "/perdure/v1/subscriptions"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PerdureServer]:
    cluster = fresh("b")
    env = {"PERDURE_INGRESS_TOPIC": f"shop/{cluster}.in"}
    options = ServerOptions(cluster=cluster, env=env)
    server = PerdureServer(tmp_path_factory.mktemp("server"), options).start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def client(server: PerdureServer, topic_services: Laboratory) -> Client:
    client = client_of(server)
    client.register(topic_services.uri)
    return client


@pytest.fixture(scope="module")
def shop(client: Client, session_broker: KafkaBroker) -> None:
    """The one broker cluster that is known, so that nobody has to name it."""
    known = {"name": "shop", "properties": {"bootstrap.servers": session_broker.bootstrap}}
    client.admin_request("POST", "/kafka-clusters", known).expect(201)


def subscribe(client: Client, topic: str, sink: str, **more: object) -> str:
    asked = {"sources": [topic], "sink": sink, "start": "earliest", **more}
    return str(client.admin_request("POST", OURS, asked).expect(201).json()["id"])


def test_what_waits_for_brokers_that_are_away_says_so_and_is_kept(
    server: PerdureServer, client: Client
) -> None:
    options = {"bootstrap.servers": f"127.0.0.1:{free_port()}"}
    asked = {"name": "away", "properties": options}
    refused = client.admin_request("POST", "/kafka-clusters", asked).expect(503)
    assert refused.json()["restate_code"] == "PD0602" and "force" in refused.text
    client.admin_request("POST", "/kafka-clusters", {**asked, "force": True}).expect(201)
    bill = {"topic": "bills", "cluster": "away", "key": "k", "value_text": "paid"}
    client.send(("Kafka", "send"), bill)

    def waits() -> None:
        lanes = client.query("SELECT * FROM sys_lane WHERE topic = 'bills'")
        assert [(one["cluster"], one["rows"]) for one in lanes] == [("away", 1)]
        assert lanes[0]["status"] == "retrying" and lanes[0]["reason"]
        known = client.admin_request("GET", "/kafka-clusters/away").expect(200).json()
        assert known["reason"] == lanes[0]["reason"]

    eventually(waits, 60)
    http_request(server.admin, "DELETE", "/kafka-clusters/away", timeout_s=90).expect(202)
    (letter,) = client.query("SELECT * FROM sys_dead_letter WHERE topic = 'bills'")
    assert (letter["reason"], letter["kind"]) == ("lane_closed", "send")
    assert letter["value_utf8"] == "paid"
    bad = json.dumps({"topic": "no topic"}).encode()
    http_request(server.ingress, "POST", "/Kafka/send", bad, HEADERS).expect(400)
    client.send(("Kafka", "send"), {"topic": "no topic"})

    def is_kept() -> None:
        found = client.query("SELECT * FROM sys_dead_letter WHERE reason = 'bad_request'")
        assert [one["value_utf8"] for one in found] == ['{"topic": "no topic"}']

    eventually(is_kept)


@pytest.mark.usefixtures("shop")
def test_each_record_has_one_effect_one_result_and_one_reply_though_the_server_is_killed(
    server: PerdureServer, client: Client, topics: Topics
) -> None:
    source, target, replies = topics.make(2), topics.make(2), topics.make(2)
    subscribe(client, source, "Chain/link")
    keys, count = [fresh("chain") for _ in range(5)], 40
    headers: list[Any] = [("to", target.encode()), ("perdure-reply-to", replies.encode())]
    for number in range(count):
        for key in keys:
            topics.give(source, key.encode(), b"%d" % number, headers)
        topics.flush()
        if number in (count // 3, 2 * count // 3):
            server.kill()
            server.restart()
    wanted = [{"number": number, "count": number + 1} for number in range(count)]
    for topic in (target, replies):
        passed: dict[str, list[Any]] = defaultdict(list)
        for record in topics.read(topic, count * len(keys)):
            passed[record.key().decode()].append(json.loads(record.value()))
        assert passed == dict.fromkeys(keys, wanted), topic
    for topic in (target, replies):
        assert len(topics.whole(topic)) == count * len(keys), "nothing comes after them"


@pytest.mark.usefixtures("shop")
def test_an_ingress_topic_and_dead_letters_on_registered_brokers(
    server: PerdureServer, client: Client, topics: Topics
) -> None:
    cluster, replies, key = server.options.cluster, topics.make(1), fresh()
    ingress, keyed = f"{cluster}.in", topics.make(1)
    eventually(lambda: topics.so_far(ingress) == [] and len(topics.places(ingress)) == 8, 30)
    named = {"perdure_service": b"Tally", "perdure_handler": b"add"}
    topics.produce(ingress, key.encode(), b"x", perdure_reply_to=replies.encode(), **named)
    (reply,) = topics.read(replies, 1)
    assert (reply.key(), json.loads(reply.value())) == (key.encode(), ["x"])
    subscribe(client, keyed, "Tally/add")
    topics.produce(keyed, None, b"poison")
    where = f"WHERE topic = '{keyed}'"

    def is_kept() -> str:
        found = client.query(f"SELECT id, reason, cluster FROM sys_dead_letter {where}")
        assert [(one["reason"], one["cluster"]) for one in found] == [("no_key", "shop")]
        return str(found[0]["id"])

    letter = eventually(is_kept, 30)

    def is_published() -> None:
        assert [one.value() for one in topics.so_far(f"{cluster}.dlq")] == [b"poison"]

    eventually(is_published, 60)
    subscribe(client, f"{cluster}.dlq", "Tally/add", name="letters")

    def is_not_published_again() -> None:
        rows = client.query(f"SELECT * FROM sys_dead_letter WHERE topic = '{cluster}.dlq'")
        assert [(one["reason"], bool(one["publish_error"])) for one in rows] == [("no_key", True)]

    eventually(is_not_published_again, 30)
    client.admin_request("DELETE", f"{OURS}/letters").expect(202)
    is_published()
    redriven = f"/perdure/v1/dead-letters/{letter}/redrive"
    client.admin_request("POST", redriven, {"key": key}).expect(200)

    def is_counted() -> None:
        assert client.call(("Tally", key, "get")) == ["x", "poison"]

    eventually(is_counted, 30)


@pytest.mark.usefixtures("shop")
def test_the_typescript_sdk_calls_and_sends(
    client: Client, topics: Topics, typescript: TypeScriptServices
) -> None:
    """By its generic call and its generic send, as any SDK has them."""
    client.register(typescript.uri)
    topic = topics.make(1)
    request = {"topic": topic, "key": "k", "value": {"n": 1}}
    answer = client.call(("Proxy", "call"), proxied("Kafka", "send", request))
    assert json.loads(bytes(answer)) == {"topic": topic, "partition": 0, "offset": 0}
    client.call(("Proxy", "oneWayCall"), proxied("Kafka", "send", request | {"value": None}))
    found = topics.read(topic, 2)
    assert [(one.key(), one.value()) for one in found] == [(b"k", b'{"n": 1}'), (b"k", None)]


@pytest.mark.usefixtures("shop")
def test_events_are_published_to_the_only_brokers(
    server: PerdureServer, client: Client, topics: Topics
) -> None:
    client.admin_request("PUT", "/perdure/v1/feeds/events").expect(200)
    topic = f"{server.options.cluster}.events"

    def are_told() -> None:
        invocation = client.send(("Tally", fresh(), "add"), "x")
        client.wait_status(invocation, "completed")
        told = [json.loads(one.value()) for one in topics.so_far(topic)]
        mine = [one for one in told if one["data"]["id"] == invocation]
        kinds = [one["type"].rpartition(".")[2] for one in mine]
        assert (kinds[:1], kinds[-1:]) == (["accepted"], ["completed"]), kinds

    eventually(are_told, 60)
    client.admin_request("DELETE", "/perdure/v1/feeds/events").expect(200)
