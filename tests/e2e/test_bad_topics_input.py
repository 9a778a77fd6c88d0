"""What cannot be asked of topics: each is refused with its status, its code and what to do, over
HTTP and by the command line, and nothing of it is kept."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # not in its __all__
    AdminClient,
    NewTopic,
)

from tests.e2e.conftest import client_of
from tests.parts import command_line
from tests.parts.client import Reply, eventually, fresh, http_request
from tests.parts.kafka import KafkaBroker
from tests.parts.laboratory import Laboratory
from tests.parts.server import PerdureServer
from tests.parts.server_options import ServerOptions

pytestmark = pytest.mark.timeout(180)

TOPIC = "bad-orders"
OURS = "/perdure/v1/subscriptions"
NOBODY = "127.0.0.1:1"
JSON = {"content-type": "application/json", "accept": "application/json"}


class Bad(NamedTuple):
    """A request that is refused: `BROKER` in a text is the broker's address."""

    method: str
    path: str
    body: Any
    status: int
    code: str
    said: str


class BadCommand(NamedTuple):
    words: str
    exit_code: int
    said: tuple[str, ...]


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory,
    session_broker: KafkaBroker,
    topic_services: Laboratory,
) -> Iterator[PerdureServer]:
    options = ServerOptions(
        log="kafka",
        kafka_bootstrap=session_broker.bootstrap,
        cluster="bad",
        env={"PERDURE_PAYLOAD_MAX": "64KiB"},
    )
    server = PerdureServer(tmp_path_factory.mktemp("server"), options).start()
    client_of(server).register(topic_services.uri)
    ask(server, "PATCH", "/services/Echo", {"public": False}).expect(200)
    admin = AdminClient({"bootstrap.servers": session_broker.bootstrap})
    admin.create_topics([NewTopic(TOPIC, 2)])[TOPIC].result()
    assert ask(server, "POST", OURS, subscription(name="taken")).status == 201
    made = {"name": "known", "properties": {"bootstrap.servers": session_broker.bootstrap}}
    assert ask(server, "POST", "/kafka-clusters", made).status == 201
    eventually(lambda: ingress_is_there(server), 60.0)
    yield server
    server.stop()


def ingress_is_there(server: PerdureServer) -> None:
    found = ask(server, "GET", OURS).expect(200).json()["subscriptions"]
    assert "ingress" in [one["name"] for one in found]


def ask(server: PerdureServer, method: str, path: str, body: Any = None) -> Reply:
    content = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    return http_request(server.admin, method, path, content, JSON)


def everything(server: PerdureServer) -> Any:
    """What must not change by what is refused."""
    clusters = ask(server, "GET", "/kafka-clusters").expect(200).json()["clusters"]
    subscriptions = ask(server, "GET", OURS).expect(200).json()["subscriptions"]
    settings = ("id", "name", "source", "sink", "options", "generation", "status", "max_in_flight")
    return clusters, [[one[name] for name in settings] for one in subscriptions]


def subscription(*sources: str, sink: str = "Tally/add", **more: Any) -> dict[str, Any]:
    return {"sources": list(sources or [TOPIC]), "sink": sink, "start": "earliest", **more}


def creation(status: int, code: str, said: str, *sources: str, **more: Any) -> Bad:
    return Bad("POST", OURS, subscription(*sources, **more), status, code, said)


def cluster(status: int, code: str, said: str, name: str = "new", **options: str) -> Bad:
    given = {each.replace("_", "."): value for each, value in options.items()}
    return Bad("POST", "/kafka-clusters", {"name": name, "properties": given}, status, code, said)


SUBSCRIPTIONS = [
    creation(404, "PD0611", "there are known, log", "nowhere/x"),
    creation(400, "PD0614", "create it, or say force", "none"),
    creation(400, "PD0615", "belongs to the engine", "bad.log"),
    creation(400, "META0009", "write kafka://cluster/topic", "kafka://log/a/b"),
    creation(400, "META0009", "no name of a topic", "a b"),
    creation(400, "META0009", "comes twice", TOPIC, TOPIC),
    creation(400, "META0009", "a subscription for each", TOPIC, f"known/{TOPIC}"),
    creation(400, "META0009", "Register its deployment first", sink="Nobody/add"),
    creation(400, "META0009", "Register its deployment first", sink="Tally/none"),
    creation(400, "META0009", "is private", sink="Echo/headers"),
    creation(400, "META0009", "the key is that of each record", sink="Tally/ann/add"),
    creation(400, "META0009", "write service://Service/handler", sink="Tally"),
    creation(400, "META0009", "is built in", sink="Kafka/send"),
    creation(409, "PD0613", "already", name="taken"),
    creation(400, "META0009", "cannot be the name", name="a b"),
    creation(400, "PD0616", "write earliest, latest, a time", start="soon"),
    creation(400, "PD0616", "time zone", start="2026-11-26T18:00:00"),
    creation(400, "PD0616", "every partition", start="0=0"),
    creation(400, "PD0616", "offsets from 0 to 0, not 7", start="0=7,1=0"),
    creation(400, "META0009", "a number of records", max_in_flight=-1),
    creation(400, "META0009", "number of records", max_in_flight=10**9),
    creation(400, "PD0701", "max_inflight", max_inflight=5),
    creation(400, "META0009", "cannot be set", options={"isolation.level": "read_uncommitted"}),
    creation(400, "META0009", "one of earliest", options={"auto.offset.reset": "none"}),
    creation(400, "PD0601", "no.such.option", options={"no.such.option": "1"}),
    creation(400, "PD0601", "client.dns", options={"client.dns.lookup": "sometimes"}),
    creation(400, "PD0601", "NOT_THERE", options={"client.rack": "${NOT_THERE}"}, force=True),
    Bad("POST", OURS, {"sink": "Tally/add"}, 400, "PD0701", "sources"),
    Bad("POST", OURS, b"{", 400, "PD0701", "JSON"),
    Bad("POST", "/subscriptions", {"source": "kafka://log/none", "sink": "service://Tally/add"},
        400, "PD0614", "no topic none"),
    Bad("PATCH", f"{OURS}/taken", {"name": "ingress"}, 409, "PD0613", "already"),
    Bad("PATCH", f"{OURS}/taken", {"options": {"no.such.option": "1"}}, 400, "PD0601", "no.such"),
    Bad("PATCH", f"{OURS}/taken", {"options": {"ssl.key.pem": "***"}}, 400, "PD0601", "***"),
    Bad("PATCH", f"{OURS}/taken", {"max_in_flight": -1}, 400, "META0009", "a number of records"),
    Bad("PATCH", f"{OURS}/taken", {"pause": True}, 400, "PD0701", "pause"),
    Bad("POST", f"{OURS}/none/pause", {}, 404, "PD0617", "does not exist"),
    Bad("POST", f"{OURS}/taken/seek", {"to": "0=9"}, 400, "PD0616", "not 9"),
    Bad("POST", f"{OURS}/taken/seek", {"to": "9=0"}, 400, "PD0616", "there is no 9"),
    Bad("POST", f"{OURS}/taken/replay", {"to": "0=0"}, 400, "PD0616", "every partition"),
    Bad("POST", f"{OURS}/taken/seek", {}, 400, "PD0701", "to"),
    Bad("DELETE", f"{OURS}/none", None, 404, "PD0617", "does not exist"),
]  # fmt: skip

CLUSTERS = [
    cluster(503, "PD0602", "say force", bootstrap_servers=NOBODY),
    cluster(400, "PD0601", "bootstrap.servers is missing"),
    cluster(400, "PD0601", "no.such.option", bootstrap_servers="BROKER", no_such_option="1"),
    cluster(400, "PD0601", "security.protocol", bootstrap_servers="BROKER", security_protocol="x"),
    cluster(400, "PD0601", "cannot be set", bootstrap_servers="BROKER", transactional_id="mine"),
    cluster(400, "PD0601", "NOT_THERE", bootstrap_servers="${NOT_THERE}"),
    cluster(400, "PD0601", "/not/there", bootstrap_servers="BROKER",
            sasl_password="${file:/not/there}"),
    cluster(400, "META0009", "cannot be the name", "a/b", bootstrap_servers="BROKER"),
    cluster(409, "PD0613", "already", "known", bootstrap_servers="BROKER"),
    cluster(409, "PD0613", "already", "log", bootstrap_servers="BROKER"),
    Bad("POST", "/kafka-clusters", {"name": "new"}, 400, "PD0701", "properties"),
    Bad("PATCH", "/kafka-clusters/none", {"properties": {}}, 404, "PD0611", "does not exist"),
    Bad("PATCH", "/kafka-clusters/log", {"properties": {}}, 400, "PD0612", "settings"),
    Bad("PATCH", "/kafka-clusters/known", {"properties": {"bootstrap.servers": NOBODY}}, 503,
        "PD0602", "say force"),
    Bad("POST", "/perdure/v1/kafka-clusters/known/take-over", {"log": "x"}, 400, "PD0621",
        "sys_lane"),
    Bad("DELETE", "/kafka-clusters/none", None, 404, "PD0611", "does not exist"),
    Bad("DELETE", "/kafka-clusters/log", None, 400, "PD0612", "settings"),
]  # fmt: skip

OTHERS = [
    Bad("POST", "/perdure/v1/dead-letters/1/redrive", {}, 400, "PD0631", "perdure dlq list"),
    Bad("DELETE", "/perdure/v1/dead-letters/0-" + 24 * "0", None, 404, "PD0631", "no dead letter"),
    Bad("POST", "/perdure/v1/dead-letters/0-" + 24 * "0" + "/redrive", {"key": "a", "x": 1}, 400,
        "PD0701", "x"),
    Bad("PUT", "/perdure/v1/feeds/state/Nobody", None, 404, "PD0620",
        "no service"),
    Bad("PUT", "/perdure/v1/feeds/state/Echo", None, 400, "PD0620", "no state"),
]  # fmt: skip


@pytest.mark.parametrize("bad", [*SUBSCRIPTIONS, *CLUSTERS, *OTHERS], ids=lambda bad: bad.said)
def test_over_http(bad: Bad, server: PerdureServer, session_broker: KafkaBroker) -> None:
    before = everything(server)
    body = bad.body
    if isinstance(body, dict):
        body = json.loads(json.dumps(body).replace("BROKER", session_broker.bootstrap))
    reply = ask(server, bad.method, bad.path, body)
    said = reply.json()
    assert (reply.status, said.get("restate_code", "")) == (bad.status, bad.code), reply.text
    assert bad.said in said["message"]
    assert everything(server) == before, "nothing of it is kept"


def test_a_group_that_consumers_are_in(server: PerdureServer, session_broker: KafkaBroker) -> None:
    group = fresh("group")
    other = Consumer({"bootstrap.servers": session_broker.bootstrap, "group.id": group})
    other.subscribe([TOPIC])
    try:

        def is_in() -> None:
            other.poll(0.1)
            assert other.assignment()

        eventually(is_in, 60.0)
        before = everything(server)
        reply = ask(server, "POST", OURS, subscription(options={"group.id": group}))
        said = reply.json()
        assert (reply.status, said.get("restate_code")) == (409, "PD0619"), reply.text
        assert group in said["message"]
        assert everything(server) == before
    finally:
        other.close()


def test_brokers_that_are_away_are_kept_with_force_and_shown(
    server: PerdureServer, session_broker: KafkaBroker
) -> None:
    away = {"name": "away", "properties": {"bootstrap.servers": NOBODY}, "force": True}
    ask(server, "POST", "/kafka-clusters", away).expect(201)
    kept = subscription(f"away/{TOPIC}", name="waits", force=True)
    assert ask(server, "POST", OURS, kept).expect(201).json()["status"] == "undecided"

    def is_shown() -> None:
        for path in (f"{OURS}/waits", "/kafka-clusters/away"):
            assert ask(server, "GET", path).expect(200).json().get("reason")

    def is_active() -> None:
        assert ask(server, "GET", f"{OURS}/waits").expect(200).json()["status"] == "active"

    eventually(is_shown, 60.0)
    back = {"properties": {"bootstrap.servers": session_broker.bootstrap}}
    ask(server, "PATCH", "/kafka-clusters/away", back).expect(200)
    eventually(is_active, 90.0)
    ask(server, "DELETE", f"{OURS}/waits").expect(202)
    ask(server, "DELETE", "/kafka-clusters/away").expect(202)


COMMANDS = [
    BadCommand(f"subscriptions create nowhere/{TOPIC} Tally/add", 1, ("PD0611", "known, log")),
    BadCommand(f"subscriptions create {TOPIC} Tally/none", 1, ("META0009", "Register its")),
    BadCommand(f"subscriptions create {TOPIC} Echo/headers", 1, ("META0009", "private")),
    BadCommand(f"subscriptions create {TOPIC} Tally/add --name taken", 1, ("PD0613",)),
    BadCommand(f"subscriptions create {TOPIC} Tally/add --from soon", 1, ("PD0616", "earliest")),
    BadCommand(f"subscriptions create {TOPIC} Tally/add --option a", 2, ("NAME=VALUE",)),
    BadCommand(f"subscriptions create {TOPIC} Tally/add --option a=b", 1, ("PD0601", "a")),
    BadCommand(f"subscriptions create {TOPIC} Tally/add --max-in-flight x", 2, ("x",)),
    BadCommand("subscriptions create none Tally/add", 1, ("PD0614", "force")),
    BadCommand("subscriptions create Tally/add", 2, ("sink",)),
    BadCommand("subscriptions seek taken 0=9", 1, ("PD0616",)),
    BadCommand("subscriptions pause none", 1, ("PD0617",)),
    BadCommand(f"kafka-clusters create new --bootstrap {NOBODY}", 1, ("PD0602", "force")),
    BadCommand("kafka-clusters create new", 1, ("PD0601", "bootstrap.servers")),
    BadCommand("kafka-clusters update known --unset a", 1, ("has no option a",)),
    BadCommand("kafka-clusters delete log", 1, ("PD0612",)),
    BadCommand("feeds enable state", 2, ("which service",)),
    BadCommand("dlq redrive 1", 1, ("PD0631", "perdure dlq list")),
    BadCommand("dlq show 1", 1, ("no dead letter",)),
]


@pytest.mark.parametrize("bad", COMMANDS, ids=lambda bad: bad.words)
def test_by_the_command_line(bad: BadCommand, server: PerdureServer) -> None:
    before = everything(server)
    done = command_line.perdure("--admin", server.admin, *bad.words.split())
    assert (done.returncode, done.stdout) == (bad.exit_code, ""), done.stderr
    assert all(said in done.stderr for said in bad.said), done.stderr
    assert "Traceback" not in done.stderr
    assert everything(server) == before, "nothing of it is kept"


SENDS = [
    ({}, 400, "topic"),
    ({"topic": 1}, 400, "$.topic"),
    ({"topic": ""}, 400, "topic"),
    ({"topic": "."}, 400, "topic"),
    ({"topic": "bad.meta"}, 400, "belongs to the engine"),
    ({"topic": "bad.dlq"}, 400, "belongs to the engine"),
    ({"topic": TOPIC, "cluster": "nowhere"}, 400, "cluster: there is no broker cluster"),
    ({"topic": TOPIC, "key": 1}, 400, "$.key"),
    ({"topic": TOPIC, "headers": {"a": 1}}, 400, "headers"),
    ({"topic": TOPIC, "headers": ["a"]}, 400, "$.headers"),
    ({"topic": TOPIC, "value_base64": "!"}, 400, "value_base64"),
    ({"topic": TOPIC, "value": 1, "value_text": "1"}, 400, "give one of"),
    ({"topic": TOPIC, "partition": "0"}, 400, "$.partition"),
    ({"topic": TOPIC, "partition": 2**31}, 400, "partition"),
    ({"topic": TOPIC, "valeu": 1}, 400, "valeu"),
    (b"topic", 400, "JSON"),
    (b"", 400, ""),
    (b'{"topic": "\xff"}', 400, ""),
    ({"topic": TOPIC, "value_text": "x" * 70_000}, 413, ""),
]


@pytest.mark.parametrize(("body", "status", "said"), SENDS, ids=lambda one: str(one)[:40])
def test_a_send(body: Any, status: int, said: str, server: PerdureServer) -> None:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    reply = http_request(server.ingress, "POST", "/Kafka/send", content, JSON)
    assert reply.status == status, reply.text
    assert said in reply.json()["message"]


def test_a_send_of_a_handler(server: PerdureServer) -> None:
    ask(server, "PATCH", "/services/Echo", {"public": True}).expect(200)
    try:
        reply = client_of(server).post(("Echo", "send"), {"topic": TOPIC, "key": 1})
        assert (reply.status, "$.key" in reply.text) == (400, True), reply.text
    finally:
        ask(server, "PATCH", "/services/Echo", {"public": False}).expect(200)


def test_a_bad_send_that_nobody_waits_for(server: PerdureServer) -> None:
    body = json.dumps({"topic": TOPIC, "colour": "red"}).encode()
    http_request(server.ingress, "POST", "/Kafka/send/send", body, JSON).expect(200, 202)
    sql = "SELECT id, message, value_utf8 FROM sys_dead_letter WHERE reason = 'bad_request'"

    def is_kept() -> None:
        rows = ask(server, "POST", "/query", {"query": sql}).expect(200).json()["rows"]
        assert len(rows) == 1
        letter = rows[0]
        assert "colour" in letter["message"] and letter["value_utf8"] == body.decode()
        again = ask(server, "POST", f"/perdure/v1/dead-letters/{letter['id']}/redrive", {})
        assert (again.status, again.json()["restate_code"]) == (422, "PD0632"), again.text
        ask(server, "DELETE", f"/perdure/v1/dead-letters/{letter['id']}").expect(202)

    eventually(is_kept, 30.0)


LETTERS = [
    (None, b"1", {}, "no_key"),
    (b"\xff", b"1", {}, "key_not_utf8"),
    (b"k", b"x" * 70_000, {}, "too_large"),
    (b"k", b"1", {"perdure-delay": b"soon"}, "bad_header"),
    (b"k", b"1", {"perdure-reply-to": b"bad.log"}, "bad_header"),
    (b"k", b"1", {"kafka_replyTopic": b"x", "kafka_replyPartition": b"7"}, "bad_header"),
]


def test_records_that_cannot_be_used_hold_up_no_other(
    server: PerdureServer, session_broker: KafkaBroker
) -> None:
    producer = Producer({"bootstrap.servers": session_broker.bootstrap})
    ingress = [
        ({}, "bad_header"),
        ({"perdure-service": b"Nobody", "perdure-handler": b"add"}, "unknown_handler"),
        ({"perdure-service": b"Tally", "perdure-handler": b"none"}, "unknown_handler"),
        ({"perdure-service": b"Echo", "perdure-handler": b"headers"}, "private_handler"),
        ({"perdure-service": b"\xff", "perdure-handler": b"do"}, "bad_header"),
        ({"perdure-service": b"Kafka", "perdure-handler": b"send"}, "bad_input"),
    ]
    for key, value, headers, _ in LETTERS:
        producer.produce(TOPIC, value, key, 0, headers=list(headers.items()))
    key = fresh().encode()
    producer.produce(TOPIC, b"fine", key, 0)
    for headers, _ in ingress:
        producer.produce("bad.ingress", b"1", b"k", 0, headers=list(headers.items()))
    assert producer.flush(30) == 0
    client = client_of(server)

    def all_there() -> None:
        assert client.call(("Tally", key.decode(), "get")) == ["fine"]
        sql = (
            "SELECT topic, topic_offset, reason, message FROM sys_dead_letter WHERE kind = 'record'"
        )
        rows = ask(server, "POST", "/query", {"query": sql}).expect(200).json()["rows"]
        found = {(one["topic"], one["topic_offset"]): one["reason"] for one in rows}
        expected = {(TOPIC, n): one[-1] for n, one in enumerate(LETTERS)}
        expected |= {("bad.ingress", n): one[-1] for n, one in enumerate(ingress)}
        assert found == expected
        assert all(one["message"] for one in rows)

    eventually(all_there, 60.0)
