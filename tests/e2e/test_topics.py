"""Topics in and out of a server, over a real broker."""

from __future__ import annotations

import json
import threading
import time
from typing import Any

import pytest
from confluent_kafka import Consumer
from confluent_kafka.admin import AdminClient  # type: ignore[attr-defined]

from tests.e2e.conftest import client_of
from tests.parts.client import Client, eventually, fresh, http_request
from tests.parts.kafka import KafkaBroker
from tests.parts.kafka_tools import described_group
from tests.parts.server import PerdureServer
from tests.parts.topics import Topics, subscribe

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
def server(topic_server: PerdureServer) -> PerdureServer:
    return topic_server


@pytest.fixture(scope="module")
def client(server: PerdureServer) -> Client:
    return client_of(server)


def test_records_of_a_topic_reach_the_object_of_their_key_in_order(
    server: PerdureServer, client: Client, topics: Topics
) -> None:
    topic = topics.make()
    for number in range(50):
        topics.produce(topic, b"even" if number % 2 == 0 else b"odd", b"%d" % number)
    subscribe(server, topic, "Tally/add")
    for number in range(50, 60):
        topics.produce(topic, b"even" if number % 2 == 0 else b"odd", b"%d" % number)

    def all_there() -> None:
        even, odd = (client.call(("Tally", key, "get")) for key in ("even", "odd"))
        assert even == [str(n) for n in range(0, 60, 2)]
        assert odd == [str(n) for n in range(1, 60, 2)]

    eventually(all_there, 20)


def test_a_result_goes_to_the_topic_the_record_asks_for(
    server: PerdureServer, topics: Topics
) -> None:
    topic, replies = topics.make(), topics.make(1)
    subscribe(server, topic, "Tally/add")
    key = fresh().encode()
    topics.produce(
        topic, key, b"x", perdure_reply_to=replies.encode(), perdure_correlation_id=b"\xff7"
    )
    (reply,) = topics.read(replies, 1)
    assert (reply.key(), json.loads(reply.value())) == (key, ["x"])
    headers = dict(reply.headers())
    assert headers["perdure-status"] == b"ok" and headers["perdure-correlation-id"] == b"\xff7"


def test_a_handler_sees_the_record_s_headers_and_where_it_came_from(
    server: PerdureServer, topics: Topics
) -> None:
    topic, replies = topics.make(1), topics.make(1)
    made = subscribe(server, topic, "Echo/headers")
    topics.produce(topic, b"k", b"x", perdure_reply_to=replies.encode(), mine=b"1", raw=b"\xff")
    (reply,) = topics.read(replies, 1)
    seen = json.loads(reply.value())
    assert seen["kafka.topic"] == topic and seen["kafka.offset"] == "0"
    assert seen["restate.subscription.id"] == made
    assert seen["mine"] == "1" and "raw" not in seen and "perdure-reply-to" not in seen


def letter_of(client: Client, topic: str) -> Any:
    """The one dead letter of a topic, once it is there."""

    def found() -> Any:
        letters = client.query(f"SELECT * FROM sys_dead_letter WHERE topic = '{topic}'")
        assert len(letters) == 1
        return letters[0]

    return eventually(found, 20)


def test_a_record_runs_the_workflow_of_its_key_once(
    server: PerdureServer, client: Client, topics: Topics
) -> None:
    topic, replies = topics.make(1), topics.make(1)
    subscribe(server, topic, "Flow/run")
    key = fresh().encode()
    for value in (b'"first"', b'"second"'):
        topics.produce(topic, key, value, perdure_reply_to=replies.encode())
    topics.produce(topic, None, b'"without a key"')
    first, second = sorted(topics.read(replies, 2), key=lambda one: len(one.headers()))
    assert (first.key(), json.loads(first.value())) == (key, "first")
    assert (second.key(), json.loads(second.value())["code"]) == (key, 409)
    told = dict(second.headers())
    assert (told["perdure-status"], told["perdure-failure-code"]) == (b"failure", b"409")
    letter = letter_of(client, topic)
    assert (letter["reason"], letter["topic_offset"]) == ("no_key", 2)


def test_headers_of_a_record_that_act_on_any_subscription(
    server: PerdureServer, client: Client, topics: Topics
) -> None:
    """One idempotency key runs once, and all get its result; what has a delay waits so long."""
    topic, replies = topics.make(1), topics.make(1)
    subscribe(server, topic, "Tally/add", max_in_flight=1)
    key, late = fresh(), fresh()
    reply = {"perdure_reply_to": replies.encode()}
    topics.produce(topic, fresh().encode(), b"first", **reply)
    topics.read(replies, 1)  # the topic is read by now, which may take longer than the delay
    begun_ms = time.time() * 1000
    topics.produce(topic, late.encode(), b"late", perdure_delay=b"3000ms", **reply)
    for value in (b"one", b"two"):
        topics.produce(topic, key.encode(), value, perdure_idempotency_key=b"same", **reply)
    found = topics.read(replies, 4)[1:]
    assert [json.loads(one.value()) for one in found] == [["one"], ["one"], ["late"]]
    assert found[-1].timestamp()[1] >= begun_ms + 3_000
    assert client.call(("Tally", key, "get")) == ["one"]


def test_a_server_that_was_killed_goes_on_where_it_was(
    server: PerdureServer, client: Client, topics: Topics
) -> None:
    topic = topics.make(1)
    subscribe(server, topic, "Tally/add")
    key = fresh()
    for number in range(300):
        topics.produce(topic, key.encode(), b"%d" % number)
        if number == 100:
            server.kill()
            server.restart()

    def all_there() -> None:
        assert client.call(("Tally", key, "get")) == [str(n) for n in range(300)]

    eventually(all_there, 20)


def send(client: Client, **request: object) -> Any:
    return client.call(("Kafka", "send"), request)


def test_a_send_over_http_is_committed_when_it_is_answered(client: Client, topics: Topics) -> None:
    topic = topics.make(1)
    answers = [
        send(client, topic=topic, key="k", value={"a": 1}, headers={"h": "1", "n": None}),
        send(client, topic=topic, value_text="text"),
        send(client, topic=topic, key="k", value_base64="/w=="),
        send(client, topic=topic, key="k", value=None),
    ]
    assert {answer["topic"] for answer in answers} == {topic}
    assert [answer["partition"] for answer in answers] == [0, 0, 0, 0]
    found = topics.read(topic, 4)
    assert [one.offset() for one in found] == [answer["offset"] for answer in answers]
    assert [one.value() for one in found] == [b'{"a": 1}', b"text", b"\xff", None]
    assert (found[0].key(), found[0].headers()) == (b"k", [("h", b"1"), ("n", None)])
    assert (found[1].key(), found[1].headers()) == (None, None)


def test_a_bad_send_over_http_is_refused_with_the_field(client: Client, topics: Topics) -> None:
    for request, said in (
        ({"topic": "t", "value": 1, "value_text": "x"}, "one of value"),
        ({"value": 1}, "topic"),
        ({"topic": "a b"}, "topic"),
        ({"topic": "t", "partition": -1}, "partition"),
        ({"topic": "t", "cluster": "nowhere"}, "nowhere"),
        ({"topic": "t", "colour": "red"}, "colour"),
    ):
        reply = client.post(("Kafka", "send"), request).expect(400)
        assert said in reply.text, reply.text


def test_a_handler_sends_and_learns_where_it_went(client: Client, topics: Topics) -> None:
    topic = topics.make(1)
    answer = client.call(("Echo", "send"), {"topic": topic, "key": "k", "value": [1]})
    assert answer == {"topic": topic, "partition": 0, "offset": 0}
    (found,) = topics.read(topic, 1)
    assert (found.key(), found.value()) == (b"k", b"[1]")


def test_what_can_never_be_sent_fails_its_caller(client: Client, topics: Topics) -> None:
    reply = client.post(
        ("Kafka", "send"), {"topic": topics.make(1), "value_text": "x" * 2_000_000}
    ).expect(413)
    assert "large" in reply.text.lower()


def test_a_record_of_the_ingress_topic_invokes_what_its_headers_name(
    server: PerdureServer, topics: Topics
) -> None:
    ingress, replies = f"{server.options.cluster}.ingress", topics.make(1)
    key = fresh().encode()
    named = {"perdure_service": b"Tally", "perdure_handler": b"add"}
    topics.produce(ingress, key, b"hello", perdure_reply_to=replies.encode(), **named)
    (reply,) = topics.read(replies, 1)
    assert (reply.key(), json.loads(reply.value())) == (key, ["hello"])


def test_dead_letters_are_published_whole_with_their_reason(
    server: PerdureServer, client: Client, topics: Topics
) -> None:
    """One that cannot be used, one whose handler failed for good, one that cannot be sent."""
    poison, failing = topics.make(1), topics.make(1)
    whose = subscribe(server, poison, "Tally/add")
    subscribe(server, failing, "Echo/fail", dead_letter_failures=True)
    topics.produce(poison, b"\xff", b"poison", mine=b"\xfe")
    topics.produce(failing, b"k", b"no good")
    missing = {"topic": fresh("missing"), "key": "k", "value_text": "lost", "headers": {"h": None}}
    client.send(("Kafka", "send"), missing)
    letters = f"{server.options.cluster}.dlq"

    def published() -> dict[bytes, Any]:
        assert letters in AdminClient(topics.servers).list_topics(timeout=10).topics, "made by it"
        found = {one.value(): one for one in topics.whole(letters)}
        assert {b"lost", b"no good", b"poison"} <= set(found)
        return found

    found = eventually(published, 90)
    one = found[b"poison"]
    assert (one.key(), one.headers()[0]) == (b"\xff", ("mine", b"\xfe"))
    told = dict(one.headers()[1:])
    assert told.pop("perdure-dlq-message")
    assert told == {
        "perdure-dlq-reason": b"key_not_utf8",
        "perdure-dlq-source": f"{poison}/0/0".encode(),
        "perdure-dlq-subscription": whose.encode(),
        "perdure-dlq-attempts": b"0",
    }
    told = dict(found[b"no good"].headers())
    assert (told["perdure-dlq-reason"], told["perdure-dlq-attempts"]) == (b"failed", b"1")
    assert told["perdure-dlq-invocation-id"].startswith(b"inv_")
    one = found[b"lost"]
    assert (one.key(), one.headers()[0]) == (b"k", ("h", None))
    assert dict(one.headers())["perdure-dlq-reason"] == b"no_topic"


def test_a_record_that_cannot_be_used_does_not_hold_up_the_next(
    server: PerdureServer, client: Client, topics: Topics
) -> None:
    topic = topics.make(1)
    subscribe(server, topic, "Tally/add")
    key = fresh()
    topics.produce(topic, None, b"no key")
    topics.produce(topic, b"\xff", b"no text")
    topics.produce(topic, key.encode(), b"fine")

    def is_there() -> None:
        assert client.call(("Tally", key, "get")) == ["fine"]

    eventually(is_there, 20)


def test_kafka_s_own_tools_show_the_lag_of_a_subscription(
    server: PerdureServer, client: Client, topics: Topics, session_broker: KafkaBroker
) -> None:
    topic, name = topics.make(1), fresh("sub")
    key = fresh()
    subscribe(server, topic, "Tally/add", name=name)
    for number in range(3):
        topics.produce(topic, key.encode(), b"%d" % number)
    group = f"{server.options.cluster}.{name}"

    def committed() -> None:
        names = ("TOPIC", "PARTITION", "CURRENT-OFFSET", "LOG-END-OFFSET", "LAG")
        lines = described_group(session_broker.bootstrap, group)
        assert [[line[name] for name in names] for line in lines] == [[topic, "0", "3", "3", "0"]]

    eventually(committed, 60)
    path = f"/perdure/v1/subscriptions/{name}"
    http_request(
        server.admin, "POST", path + "/pause", b"{}", {"content-type": "application/json"}
    ).expect(200)
    topics.produce(topic, key.encode(), b"more")
    (line,) = described_group(session_broker.bootstrap, group)
    assert line["LAG"] == "1"
    view = http_request(server.admin, "GET", path).expect(200).json()
    assert (view["group"], view["group_trouble"]) == (group, "")


def test_a_group_with_other_consumers_is_not_taken(
    server: PerdureServer, client: Client, topics: Topics, session_broker: KafkaBroker
) -> None:
    topic, group, key = topics.make(1), fresh("group"), fresh()
    config = {"bootstrap.servers": session_broker.bootstrap, "group.id": group}
    joined, is_over = threading.Event(), threading.Event()

    def poll() -> None:
        stranger = Consumer({**config, "client.id": "stranger"})
        stranger.subscribe([topic], on_assign=lambda *told: joined.set())
        while not is_over.is_set():
            stranger.poll(0.1)
        stranger.close()

    thread = threading.Thread(target=poll)
    thread.start()
    asked = {
        "sources": [f"kafka://log/{topic}"],
        "sink": "service://Tally/add",
        "options": {"group.id": group},
        "start": "earliest",
    }
    body, head = json.dumps(asked).encode(), {"content-type": "application/json"}

    try:
        assert joined.wait(60)
        refused = http_request(server.admin, "POST", "/perdure/v1/subscriptions", body, head)
        assert refused.status == 409, refused.text
        assert "PD0619" in refused.text and "stranger" in refused.text
        made = subscribe(server, topic, "Tally/add", name=fresh("sub"))
        one = f"/perdure/v1/subscriptions/{made}"
        patch = json.dumps({"options": {"group.id": group}}).encode()
        http_request(server.admin, "PATCH", one, patch, head).expect(200)
        topics.produce(topic, key.encode(), b"x")

        def is_told() -> None:
            view = http_request(server.admin, "GET", one).expect(200).json()
            assert view["status"] == "active" and group in view["group_trouble"], view
            assert client.call(("Tally", key, "get")) == ["x"]

        eventually(is_told, 60)
    finally:
        is_over.set()
        thread.join()


def test_a_source_that_stops_says_why_and_the_others_go_on(
    server: PerdureServer, client: Client, topics: Topics
) -> None:
    lost, kept = topics.make(1), topics.make(1)
    key = fresh()
    stopped = subscribe(server, lost, "Tally/add")
    active = subscribe(server, kept, "Tally/add")
    topics.produce(kept, key.encode(), b"one")
    topics.delete(lost)

    def shown(subscription: str) -> Any:
        path = f"/perdure/v1/subscriptions/{subscription}"
        return http_request(server.admin, "GET", path).expect(200).json()

    def is_told() -> None:
        view = shown(stopped)
        assert (view["status"], view["sources"][0]["status"]) == ("stopped", "stopped"), view
        assert view["reason"] == f"the topic {lost} is gone"

    eventually(is_told, 20)
    topics.produce(kept, key.encode(), b"two")

    def is_read() -> None:
        view = shown(active)
        assert (view["status"], view["lag"], view["sources"][0]["end"]) == ("active", 0, 2), view

    eventually(is_read, 20)
    assert client.call(("Tally", key, "get")) == ["one", "two"]
    sql = f"SELECT status, reason, lag FROM sys_source WHERE topic = '{kept}'"
    assert client_of(server).query(sql) == [{"status": "active", "lag": 0}]


def test_a_paused_invocation_is_named_as_what_holds_up_its_source(
    server: PerdureServer, client: Client, topics: Topics
) -> None:
    topic = topics.make(1)
    made = f"/perdure/v1/subscriptions/{subscribe(server, topic, 'Echo/stumble', max_in_flight=1)}"
    for value in (b"bad", b"fine"):
        topics.produce(topic, None, value)
    sql = "SELECT id FROM sys_invocation WHERE target_handler_name = 'stumble'"

    def begun() -> str:
        rows = client.query(sql)
        assert len(rows) == 1
        return str(rows[0]["id"])

    identity = eventually(begun, 20)

    def is_told() -> None:
        client.admin_request("PATCH", f"/invocations/{identity}/pause")
        view = client.admin_request("GET", made).expect(200).json()
        assert f"1 of them paused: resume, cancel or kill {identity} (offset 0)" in view["reason"]

    eventually(is_told, 20)
    client.admin_request("PATCH", f"/invocations/{identity}/kill").expect(200, 202)

    def is_over() -> None:
        view = client.admin_request("GET", made).expect(200).json()
        (source,) = view["sources"]
        assert (view["reason"], source["position"], source["live"]) == ("", 2, 0), view

    eventually(is_over, 20)
