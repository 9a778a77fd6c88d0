"""Broker clusters: as Restate's clients ask for them, and what is refused."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from msgspec.structs import replace

from orchestrator.admin import kafka_clusters
from orchestrator.admin.ports import AdminOptions
from orchestrator.brokers.facts_port import CREDENTIALS, BrokerTrouble
from orchestrator.model.topic_records import CloseLane
from orchestrator.registry.stored_topics import StoredCluster
from tests.unit.admin.world import KeptFacts, World, world
from tests.unit.machine.bench import uid
from tests.unit.machine.topic_records import letters, request, send

BROKERS = {"bootstrap.servers": "b:9092"}


@pytest.fixture
def it() -> Iterator[World]:
    with world() as made:
        made.brokers["b:9092"] = KeptFacts("kafka-b")
        made.register()
        yield made


def create(it: World, name: str = "shop", properties: Any = None, **more: Any) -> Any:
    body = {"name": name, "properties": BROKERS if properties is None else properties, **more}
    return it.ask("POST", "/kafka-clusters", body)


def test_a_life(it: World) -> None:
    made = create(it, properties=BROKERS | {"sasl.password": "s3cret", "client.id": "us"})
    assert made.status == 201 and made.headers["location"] == "kafka-clusters/shop"
    view = made.json
    assert view["properties"] == BROKERS | {"sasl.password": "***", "client.id": "us"}
    assert view["name"] == "shop" and view["created_at"].endswith("Z")
    assert view["kafka_cluster_id"] == "kafka-b"
    assert it.ask("GET", "/v4/kafka-clusters").json == {"clusters": [view]}
    described = it.ask("GET", "/kafka-clusters/shop?include_subscriptions=true")
    assert described.json == view | {"subscriptions": []} and b"s3cret" not in described.body
    assert it.ask("DELETE", "/kafka-clusters/shop").status == 202
    assert it.ask("GET", "/kafka-clusters/shop").status == 404
    assert it.ask("DELETE", "/kafka-clusters/shop").status == 404


def test_a_patch_replaces_all_options_but_secrets_that_are_given_back(it: World) -> None:
    create(it, properties=BROKERS | {"sasl.password": "s3cret", "client.id": "us"})
    given = BROKERS | {"sasl.password": "***", "linger.ms": "5"}
    patched = it.ask("PATCH", "/kafka-clusters/shop", {"properties": given})
    assert patched.status == 200 and patched.json["properties"] == given
    stored = it.metadata.registry.topics.clusters["shop"]
    assert dict(stored.options) == BROKERS | {"sasl.password": "s3cret", "linger.ms": "5"}
    unknown = it.ask("PATCH", "/kafka-clusters/shop", {"properties": BROKERS | {"a": "***"}})
    assert unknown.status == 400 and unknown.json["restate_code"] == "PD0601"


@pytest.mark.parametrize(
    ("name", "properties", "status", "code", "said"),
    [
        ("a/b", BROKERS, 400, "META0009", "cannot be the name"),
        ("sub_1", BROKERS, 400, "META0009", "cannot be the name"),
        ("", BROKERS, 400, "META0009", "cannot be the name"),
        ("log", BROKERS, 409, "PD0613", "kept for the brokers of a log"),
        ("new", {}, 400, "PD0601", "bootstrap.servers is missing"),
        ("new", BROKERS | {"acks": "0"}, 400, "PD0601", "acks cannot be set"),
        ("new", BROKERS | {"sasl.password": "${}"}, 400, "PD0601", "neither a variable"),
        ("new", {"bootstrap.servers": "away:1"}, 503, "PD0602", "say force"),
    ],
)
def test_what_is_refused(
    it: World, name: str, properties: dict[str, str], status: int, code: str, said: str
) -> None:
    answer = create(it, name, properties)
    assert (answer.status, answer.json["restate_code"]) == (status, code)
    assert said in answer.json["message"]
    assert it.ask("GET", "/kafka-clusters").json == {"clusters": []}


def test_a_name_is_given_once(it: World) -> None:
    assert create(it).status == 201
    again = create(it)
    assert (again.status, again.json["restate_code"]) == (409, "PD0613")


def test_a_body_that_is_none(it: World) -> None:
    for body in ({}, {"name": "x"}, {"name": "x", "properties": {"a": 1}}, {"properties": {}}):
        assert it.ask("POST", "/kafka-clusters", body).status == 400


def test_brokers_out_of_reach_are_kept_with_force(it: World) -> None:
    kept = create(it, properties={"bootstrap.servers": "away:1"}, force=True)
    assert kept.status == 201 and "kafka_cluster_id" not in kept.json
    it.brokers["away:1"] = KeptFacts("kafka-a")
    given = {"properties": {"bootstrap.servers": "away:1"}}
    assert it.ask("PATCH", "/kafka-clusters/shop", given).json["kafka_cluster_id"] == "kafka-a"


def test_refused_credentials_are_no_matter_of_patience(it: World) -> None:
    it.brokers["b:9092"].trouble = BrokerTrouble(CREDENTIALS, "the brokers refuse the connection")
    refused = create(it)
    assert (refused.status, refused.json["restate_code"]) == (400, "PD0603")


def test_a_cluster_in_use_stays_where_it_is(it: World) -> None:
    create(it)
    it.brokers["b:9092"].make("orders", 1)
    made = it.ask(
        "POST", "/subscriptions", {"source": "kafka://shop/orders", "sink": "service://Counter/add"}
    )
    assert made.status == 201
    for path in ("/kafka-clusters/shop", "/kafka-clusters/shop?force=true"):
        refused = it.ask("DELETE", path)
        assert (refused.status, refused.json["restate_code"]) == (409, "PD0612")
        assert made.json["id"] in refused.json["message"]
    it.brokers["c:9092"] = KeptFacts("kafka-c")
    other = {"properties": {"bootstrap.servers": "c:9092"}}
    moved = it.ask("PATCH", "/kafka-clusters/shop", other)
    assert (moved.status, moved.json["restate_code"]) == (409, "PD0612")
    assert it.ask("PATCH", "/kafka-clusters/shop?force=true", other).status == 200
    described = it.ask("GET", "/kafka-clusters/shop").json
    assert [one["id"] for one in described["subscriptions"]] == [made.json["id"]]


def test_a_group_of_its_own_is_not_given_to_subscriptions_of_one_topic(it: World) -> None:
    """They would overwrite each other's offsets."""
    create(it)
    it.brokers["b:9092"].make("orders", 1)
    asked = {"source": "kafka://shop/orders", "sink": "service://Counter/add"}
    assert it.ask("POST", "/subscriptions", asked).status == 201
    grouped = {"properties": {"bootstrap.servers": "b:9092", "group.id": "all"}}
    plain = {"properties": {"bootstrap.servers": "b:9092"}}
    for wanted in (grouped, plain):
        assert it.ask("PATCH", "/kafka-clusters/shop", wanted).status == 200
    assert it.ask("POST", "/subscriptions", asked).status == 201
    refused = it.ask("PATCH", "/kafka-clusters/shop", grouped)
    assert (refused.status, refused.json["restate_code"]) == (409, "PD0619")
    assert it.ask("GET", "/kafka-clusters/shop").json["properties"] == plain["properties"]


def test_one_that_feeds_are_published_to_is_not_deleted(it: World) -> None:
    create(it)
    assert it.ask("PUT", "/perdure/v1/feeds/events?force=true").status == 200
    refused = it.ask("DELETE", "/kafka-clusters/shop?force=true")
    assert (refused.status, refused.json["restate_code"]) == (409, "PD0612")
    assert "feeds disable" in refused.json["message"]
    assert it.ask("DELETE", "/perdure/v1/feeds/events").status == 200
    assert it.ask("DELETE", "/kafka-clusters/shop").status == 202


def test_what_is_still_to_be_sent_is_waited_for_but_with_force(
    it: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kafka_clusters, "_CLOSED_MS", 0)
    for force in (True, False):
        create(it)
        send(it.bench, uid(1 + force), replace(request(False), cluster="shop"))
        gone = it.ask("DELETE", f"/kafka-clusters/shop?force={force}".lower())
        assert gone.status == (202 if force else 500)
        assert force or "sys_lane" in gone.json["message"]
        assert it.ask("GET", "/kafka-clusters/shop").status == 404
    monkeypatch.setattr(kafka_clusters, "_CLOSED_MS", 60_000)
    create(it)
    (lane,) = it.bench.state.partition_row.topic_lanes.values()

    async def close() -> None:
        it.bench.do(CloseLane(it.bench.epoch, 0, lane))

    closing = threading.Timer(0.3, lambda: it.wait(close()))
    closing.start()
    assert it.ask("DELETE", "/kafka-clusters/shop").status == 202
    closing.join()
    assert len(letters(it.bench)) == 2


@pytest.mark.parametrize("is_logs", [False, True])
def test_a_cluster_that_feeds_are_published_to_stays(is_logs: bool) -> None:
    """With a log on Kafka feeds are published to its brokers, and to no other."""
    own = StoredCluster("log", (("bootstrap.servers", "l:9092"),), "", 0) if is_logs else None
    with world(AdminOptions(operate_wait_s=5), log_cluster=own) as it:
        for address in ("b:9092", "l:9092"):
            it.brokers[address] = KeptFacts(address)
        assert create(it).status == 201
        assert it.ask("PUT", "/perdure/v1/feeds/events").status == 200
        deleted = it.ask("DELETE", "/kafka-clusters/shop")
        left = [one["name"] for one in it.ask("GET", "/kafka-clusters").json["clusters"]]
        assert (deleted.status, left) == ((202, ["log"]) if is_logs else (409, ["shop"]))


def test_the_ledger_of_a_log_that_is_gone_is_taken_over(it: World) -> None:
    create(it)
    ours = "/perdure/v1/kafka-clusters/shop/take-over"
    assert it.ask("POST", ours, {"log": "0aff"}).status == 202
    assert it.ask("POST", ours, {"log": "0aff"}).status == 202
    assert it.metadata.registry.topics.taken_over == {"shop": (b"\x0a\xff",)}
    for bad in ("", "xyz", "00" * 65):
        assert it.ask("POST", ours, {"log": bad}).status == 400
    assert it.ask("POST", ours.replace("shop", "none"), {"log": "00"}).status == 404


def test_one_that_cannot_be_used_now_says_why(it: World) -> None:
    create(it)
    assert "reason" not in it.ask("GET", "/kafka-clusters/shop").json
    it.troubles["shop"] = "no broker answers"
    assert it.ask("GET", "/kafka-clusters/shop").json["reason"] == "no broker answers"
    (shown,) = it.ask("GET", "/kafka-clusters").json["clusters"]
    assert shown["reason"] == "no broker answers"
