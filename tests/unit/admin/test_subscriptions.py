"""Subscriptions: Restate's routes, ours, and what is refused with which code."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from orchestrator.admin.ports import AdminOptions
from orchestrator.brokers import deciding
from orchestrator.brokers.facts_port import NOT_MADE, OUT_OF_REACH, BrokerTrouble
from tests.unit.admin.world import Answered, KeptFacts, World, world
from tests.unit.registry.samples import discovered

OURS = "/perdure/v1/subscriptions"
PRIVATE = {"name": "Hidden", "ty": "SERVICE", "ingressPrivate": True, "handlers": [{"name": "do"}]}
AWAY = BrokerTrouble(OUT_OF_REACH, "no broker answers", passes=True)


@pytest.fixture
def it() -> Iterator[World]:
    with world(AdminOptions(cluster_name="prod", operate_wait_s=5)) as made:
        facts = made.brokers["b:9092"] = KeptFacts("kafka-b")
        topic = facts.make("orders", 2)
        topic.partitions[0].times_ms = [1_700_000_000_000 + n for n in range(5)]
        topic.partitions[0].first = 1
        facts.make("returns", 1)
        made.register()
        made.endpoints["http://127.0.0.1:9081/"] = discovered(PRIVATE)
        made.register("http://127.0.0.1:9081/")
        clusters = {"name": "shop", "properties": {"bootstrap.servers": "b:9092"}}
        assert made.ask("POST", "/kafka-clusters", clusters).status == 201
        yield made


def restate(it: World, source: str, sink: str = "service://Counter/add", **more: Any) -> Answered:
    return it.ask("POST", "/subscriptions", {"source": source, "sink": sink, **more})


def ours(it: World, *sources: str, sink: str = "Counter/add", **more: Any) -> Answered:
    return it.ask("POST", OURS, {"sources": list(sources), "sink": sink, **more})


def made(it: World, *sources: str, **more: Any) -> Any:
    answer = ours(it, *sources, **more)
    assert answer.status == 201, answer
    return answer.json


def test_the_life_restate_knows(it: World) -> None:
    answer = restate(it, "kafka://shop/orders", options={"auto.offset.reset": "earliest"})
    assert answer.status == 201
    view = answer.json
    assert answer.headers["location"] == f"subscriptions/{view['id']}"
    assert view == {
        "id": view["id"],
        "source": "kafka://shop/orders",
        "sink": "service://Counter/add",
        "options": {"auto.offset.reset": "earliest"},
    }
    assert view["id"].startswith("sub_1") and len(view["id"]) == 27
    assert it.ask("GET", f"/v4/subscriptions/{view['id']}").json == view
    assert it.ask("GET", "/subscriptions").json == {"subscriptions": [view]}
    for query, count in (
        ("source=kafka://shop/orders", 1),
        ("sink=service://Counter/add", 1),
        ("source=kafka://shop/returns", 0),
        ("sink=service://Counter/get", 0),
    ):
        found = it.ask("GET", f"/subscriptions?{query}").json["subscriptions"]
        assert len(found) == count
    whole = it.ask("GET", f"{OURS}/{view['id']}").json
    assert whole["starts"] == {"orders": [1, 0]} and whole["kafka_cluster_id"] == "kafka-b"
    assert whole["max_in_flight"] == 1000 and whole["status"] == "active"
    assert it.ask("DELETE", f"/subscriptions/{view['id']}").status == 202
    assert it.ask("DELETE", f"/subscriptions/{view['id']}").status == 404
    assert it.ask("GET", f"/subscriptions/{view['id']}").status == 404


def test_several_topics_a_name_and_limits(it: World) -> None:
    view = made(
        it,
        "shop/orders",
        "kafka://shop/returns",
        name="both",
        start="earliest",
        max_in_flight=7,
        dead_letter_failures=True,
        options={"group.id": "g", "sasl.password": "s3cret"},
    )
    assert view["source"] == "kafka://shop/orders,returns"
    assert view["topics"] == ["orders", "returns"] and view["name"] == "both"
    assert view["max_in_flight"] == 7 and view["dead_letter_failures"] is True
    assert view["options"] == {"group.id": "g", "sasl.password": "***"}
    assert view["starts"] == {"orders": [1, 0], "returns": [0]}
    assert it.ask("GET", f"{OURS}/both").json == view
    assert b"s3cret" not in it.ask("GET", OURS).body
    assert it.ask("DELETE", f"{OURS}/both").status == 202


@pytest.mark.parametrize(
    ("start", "offsets"),
    [
        (None, [5, 0]),
        ("latest", [5, 0]),
        ("earliest", [1, 0]),
        ("1700000000003", [3, 0]),
        ("2023-11-14T22:13:20.002Z", [2, 0]),
        ("2023-11-14T23:13:20.002+01:00", [2, 0]),
        ("2123-01-01T00:00:00Z", [5, 0]),
        ("0=4,1=0", [4, 0]),
        ("orders/0=5,orders/1=0", [5, 0]),
    ],
)
def test_where_it_starts(it: World, start: str | None, offsets: list[int]) -> None:
    assert made(it, "orders", start=start)["starts"] == {"orders": offsets}


@pytest.mark.parametrize(
    ("start", "said"),
    [
        ("soon", "no point to start from"),
        ("2026-11-26T18:00:00", "no time zone"),
        ("1969-12-31T00:00:00Z", "before 1970"),
        ("0=1", "every partition of orders, also for 1"),
        ("0=1,1=0,2=0", "there is no 2"),
        ("0=1,1=0,0=2", "partition 0 twice"),
        ("0=0,1=0", "offsets from 1 to 5, not 0"),
        ("0=6,1=0", "offsets from 1 to 5, not 6"),
        ("returns/0=0", "none of this subscription"),
        ("0=x", "no offset of a partition"),
        ("0=9999999999999999999,1=0", "too large"),
    ],
)
def test_points_that_are_none(it: World, start: str, said: str) -> None:
    refused = ours(it, "orders", start=start)
    assert (refused.status, refused.json["restate_code"]) == (400, "PD0616")
    assert said in refused.json["message"]


def test_a_group_is_gone_on_from(it: World) -> None:
    it.brokers["b:9092"].groups[("old", "orders")] = {0: 3}
    options = {"group.id": "old", "auto.offset.reset": "earliest"}
    view = made(it, "orders", options=options)
    assert view["starts"] == {"orders": [3, 0]}
    assert it.ask("DELETE", f"{OURS}/{view['id']}").status == 202
    assert made(it, "orders", options=options, start="latest")["starts"] == {"orders": [5, 0]}


@pytest.mark.parametrize(
    ("source", "sink", "status", "code", "said"),
    [
        ("kafka://zip/orders", "service://Counter/add", 404, "PD0611", "there is shop"),
        ("kafka://shop/none", "service://Counter/add", 400, "PD0614", "no topic none"),
        ("kafka://shop/prod.log", "service://Counter/add", 400, "PD0615", "belongs to the engine"),
        ("kafka://shop/prod.meta", "service://Counter/add", 400, "PD0615", "belongs"),
        ("kafka://shop/prod.ledger", "service://Counter/add", 400, "PD0615", "belongs"),
        ("http://shop/orders", "service://Counter/add", 400, "META0009", "invalid source URI"),
        ("kafka://shop/a/b", "service://Counter/add", 400, "META0009", "invalid source URI"),
        ("kafka://shop/a b", "service://Counter/add", 400, "META0009", "no name of a topic"),
        ("kafka://shop/a,a", "service://Counter/add", 400, "META0009", "comes twice"),
        ("kafka://shop/orders", "service://Counter/none", 400, "META0009", "cannot find"),
        ("kafka://shop/orders", "service://None/add", 400, "META0009", "cannot find"),
        ("kafka://shop/orders", "service://Hidden/do", 400, "META0009", "is private"),
        ("kafka://shop/orders", "service://Kafka/send", 400, "META0009", "is built in"),
        ("kafka://shop/orders", "service://Counter/k/add", 400, "META0009", "the key is that of"),
        ("kafka://shop/orders", "services://Counter/add", 400, "META0009", "invalid sink URI"),
    ],
)
def test_what_is_refused(
    it: World, source: str, sink: str, status: int, code: str, said: str
) -> None:
    refused = restate(it, source, sink)
    assert (refused.status, refused.json["restate_code"]) == (status, code), refused
    assert said in refused.json["message"]
    assert it.ask("GET", "/subscriptions").json == {"subscriptions": []}


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"options": {"enable.auto.commit": "true"}}, "cannot be set"),
        ({"options": {"auto.offset.reset": "error"}}, "is one of earliest"),
        ({"max_in_flight": -1}, "a number of records"),
        ({"max_in_flight": 10_001}, "a number of records up to 10000, or 0"),
        ({"name": "a b"}, "cannot be the name"),
        ({"name": "sub_1x"}, "cannot be the name"),
    ],
)
def test_settings_that_are_refused(it: World, more: dict[str, Any], said: str) -> None:
    refused = ours(it, "orders", **more)
    assert (refused.status, refused.json["restate_code"]) == (400, "META0009")
    assert said in refused.json["message"]


def test_a_group_that_others_use_is_refused(it: World) -> None:
    it.brokers["b:9092"].group_members = {"theirs": ("billing", "audit"), "prod.mine": ("x",)}
    used = ours(it, "orders", options={"group.id": "theirs"})
    assert (used.status, used.json["restate_code"]) == (409, "PD0619")
    assert "'theirs' is used by billing, audit" in used.json["message"]
    assert restate(it, "kafka://shop/orders", options={"group.id": "theirs"}).status == 409
    assert ours(it, "orders", name="mine").status == 409
    made(it, "orders", options={"group.id": "ours"})
    again = ours(it, "orders", options={"group.id": "ours"})
    assert again.status == 409 and "also for one of these topics" in again.json["message"]
    assert made(it, "returns", options={"group.id": "ours"})["status"] == "active"
    made(it, "orders", name="other")
    patched = it.ask("PATCH", f"{OURS}/other", {"options": {"group.id": "ours"}})
    assert (patched.status, patched.json["restate_code"]) == (409, "PD0619")
    assert it.ask("PATCH", f"{OURS}/other", {"max_in_flight": 3}).status == 200


def test_an_ingress_topic_is_asked_for_by_name(it: World) -> None:
    view = made(it, "orders", sink="", ingress=True, start="earliest")
    assert (view["sink"], view["service"], view["starts"]) == ("", "", {"orders": [1, 0]})
    both = ours(it, "returns", ingress=True)
    assert both.status == 400 and "give a sink, or ingress" in both.json["message"]
    neither = ours(it, "returns", sink="")
    assert neither.status == 400 and "invalid sink URI" in neither.json["message"]
    assert restate(it, "kafka://shop/returns", "").status == 400


def test_two_of_one_name_and_two_clusters(it: World) -> None:
    first = made(it, "orders", name="one")
    again = ours(it, "returns", name="one")
    assert (again.status, again.json["restate_code"]) == (409, "PD0613")
    other = made(it, "returns", name="two")
    renamed = it.ask("PATCH", f"{OURS}/{other['id']}", {"name": "one"})
    assert (renamed.status, renamed.json["restate_code"]) == (409, "PD0613")
    mixed = ours(it, "shop/orders", "zip/orders")
    assert mixed.status == 400 and "one broker cluster" in mixed.json["message"]
    assert it.ask("DELETE", f"{OURS}/one").status == 202
    assert made(it, "orders", name="one")["id"] != first["id"]


def test_a_topic_alone_needs_one_cluster(it: World) -> None:
    it.brokers["c:9092"] = KeptFacts("kafka-c")
    more = {"name": "else", "properties": {"bootstrap.servers": "c:9092"}}
    assert it.ask("POST", "/kafka-clusters", more).status == 201
    refused = ours(it, "orders")
    assert refused.status == 400 and "there are else, shop" in refused.json["message"]


def test_force_waits_for_topics_and_brokers(it: World) -> None:
    later = made(it, "shop/orders", "shop/later", start="latest", force=True)
    assert later["starts"] == {"orders": [5, 0]} and later["status"] == "active"
    it.brokers["b:9092"].trouble = AWAY
    refused = ours(it, "orders")
    assert (refused.status, refused.json["restate_code"]) == (503, "PD0602")
    kept = made(it, "orders", start="earliest", force=True)
    assert kept["status"] == "undecided" and kept["undecided"] == "earliest"
    assert kept["starts"] == {}
    bad = ours(it, "orders", start="nonsense", force=True)
    assert (bad.status, bad.json["restate_code"]) == (400, "PD0616")


def test_what_was_left_open_is_decided_once_brokers_answer(
    it: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deciding, "FIRST_S", 0.02)
    facts = it.brokers["b:9092"]
    facts.groups[("old", "orders")] = {0: 2}
    facts.trouble = AWAY
    plain = made(it, "orders", "later", start="latest", force=True)
    options = {"group.id": "old", "auto.offset.reset": "earliest"}
    grouped = made(it, "orders", options=options, force=True)
    ended = made(it, "orders", force=True)
    assert it.ask("DELETE", f"{OURS}/{ended['id']}").status == 202
    facts.trouble = None
    views = [decided(it, one["id"]) for one in (plain, grouped)]
    assert [one["starts"] for one in views] == [{"orders": [5, 0]}, {"orders": [2, 0]}]
    assert [one["generation"] for one in views] == [1, 1]
    assert views[0]["kafka_cluster_id"] == "kafka-b"


def test_a_start_that_turns_out_to_be_none_pauses_it(
    it: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deciding, "FIRST_S", 0.02)
    it.brokers["b:9092"].trouble = AWAY
    view = made(it, "orders", start="0=99,1=0", force=True)
    it.brokers["b:9092"].trouble = None
    deadline = time.monotonic() + 20
    while view["status"] != "paused":
        assert time.monotonic() < deadline, view
        view = it.ask("GET", f"{OURS}/{view['id']}").json
    assert "offsets from 1 to 5, not 99" in view["reason"] and view["undecided"]
    it.ask("POST", f"{OURS}/{view['id']}/seek", {"to": "latest"})
    resumed = it.ask("POST", f"{OURS}/{view['id']}/resume", {}).json
    assert resumed["status"] == "active" and resumed["starts"] == {"orders": [5, 0]}


def decided(it: World, identity: str) -> Any:
    deadline = time.monotonic() + 20
    while True:
        view = it.ask("GET", f"{OURS}/{identity}").json
        if view["status"] == "active":
            return view
        assert time.monotonic() < deadline, view
        time.sleep(0.02)


def test_pause_and_resume(it: World) -> None:
    made(it, "orders", name="one")
    paused = it.ask("POST", f"{OURS}/one/pause", {"reason": "a deployment"})
    assert paused.json["status"] == "paused" and paused.json["reason"] == "a deployment"
    again = it.ask("POST", f"{OURS}/one/pause", {"reason": "a deployment"})
    assert again.json == paused.json
    resumed = it.ask("POST", f"{OURS}/one/resume", {})
    assert resumed.json["status"] == "active" and resumed.json["reason"] == ""
    it.ask("POST", f"{OURS}/one/resume", {"past_gap": True})
    (stored,) = it.metadata.registry.topics.subscriptions.values()
    assert stored.gaps_passed == 1 and stored.generation == 1


def test_seek_and_replay_make_a_new_generation(it: World) -> None:
    made(it, "orders", name="one")
    sought = it.ask("POST", f"{OURS}/one/seek", {"to": "0=2"}).json
    assert sought["generation"] == 2 and sought["starts"] == {"orders": [2, -1]}
    replayed = it.ask("POST", f"{OURS}/one/replay", {"to": "earliest"}).json
    assert replayed["generation"] == 3 and replayed["starts"] == {"orders": [1, 0]}
    refused = it.ask("POST", f"{OURS}/one/replay", {"to": "0=2"})
    assert (refused.status, refused.json["restate_code"]) == (400, "PD0616")
    it.brokers["b:9092"].trouble = AWAY
    away = it.ask("POST", f"{OURS}/one/seek", {"to": "latest", "force": True})
    assert (away.status, away.json["restate_code"]) == (503, "PD0602")
    assert it.ask("GET", f"{OURS}/one").json["generation"] == 3


def test_settings_are_patched(it: World) -> None:
    made(it, "orders", name="one", options={"sasl.password": "s3cret"})
    asked = {"max_in_flight": 0, "dead_letter_failures": True, "name": "uno"}
    patched = it.ask("PATCH", f"{OURS}/one", asked).json
    assert patched["max_in_flight"] == 0 and patched["dead_letter_failures"] is True
    assert it.ask("GET", f"{OURS}/one").status == 404
    given = {"options": {"sasl.password": "***", "client.id": "us"}}
    assert it.ask("PATCH", f"{OURS}/uno", given).json["options"]["client.id"] == "us"
    (stored,) = it.metadata.registry.topics.subscriptions.values()
    assert dict(stored.options)["sasl.password"] == "s3cret" and stored.generation == 1
    most = it.ask("PATCH", f"{OURS}/uno", {"max_in_flight": 10_000})
    assert most.json["max_in_flight"] == 10_000
    assert it.ask("PATCH", f"{OURS}/uno", {"max_in_flight": 10_001}).status == 400
    bad = it.ask("PATCH", f"{OURS}/uno", {"max_in_flight": -5})
    assert (bad.status, bad.json["restate_code"]) == (400, "META0009")


@pytest.mark.parametrize("verb", ["pause", "resume", "seek", "replay"])
def test_nothing_is_done_to_what_is_not_there(it: World, verb: str) -> None:
    body = {"to": "latest"} if verb in ("seek", "replay") else {}
    refused = it.ask("POST", f"{OURS}/none/{verb}", body)
    assert (refused.status, refused.json["restate_code"]) == (404, "PD0617")


def test_feeds(it: World) -> None:
    feeds = "/perdure/v1/feeds"
    brokers = it.brokers["b:9092"]
    brokers.refusal = BrokerTrouble(NOT_MADE, "not like this")
    missing = it.ask("PUT", feeds + "/state/Counter")
    assert (missing.status, missing.json["restate_code"]) == (400, "PD0605")
    assert (
        "--topic prod.state.Counter --partitions 8 --config cleanup.policy=compact"
        in (missing.json["message"])
    )
    brokers.refusal = None
    assert it.ask("GET", feeds).json == {"events": False, "state": []}
    assert it.ask("PUT", feeds + "/events").json == {"events": True, "state": []}
    assert it.ask("PUT", feeds + "/state/Signup").json == {"events": True, "state": ["Signup"]}
    both = it.ask("PUT", feeds + "/state/Counter").json
    assert both == {"events": True, "state": ["Counter", "Signup"]}
    version = it.metadata.registry.version
    assert it.ask("PUT", feeds + "/events").json == both
    assert it.metadata.registry.version == version
    assert it.ask("DELETE", feeds + "/state/Signup").json["state"] == ["Counter"]
    assert it.ask("DELETE", feeds + "/events").json == {"events": False, "state": ["Counter"]}
    assert it.ask("DELETE", feeds + "/state/Signup").status == 404
    assert it.ask("PUT", feeds + "/state/None").status == 404
    made = {name: (len(one.partitions), one.settings) for name, one in brokers.by_name.items()}
    compact = {"cleanup.policy": "compact"}
    assert {name: how for name, how in made.items() if name.startswith("prod.")} == {
        "prod.events": (8, {}),
        "prod.state.Signup": (8, compact),
        "prod.state.Counter": (8, compact),
    }
    plain = it.ask("PUT", feeds + "/state/Greeter")
    assert plain.status == 400 and "no state" in plain.json["message"]


def test_feeds_need_to_know_where(it: World) -> None:
    feeds = "/perdure/v1/feeds"
    it.brokers["b:9092"].trouble = AWAY
    away = it.ask("PUT", feeds + "/events")
    assert (away.status, away.json["restate_code"]) == (503, "PD0602")
    assert it.ask("PUT", feeds + "/events?force=true").status == 200
    it.brokers["c:9092"] = KeptFacts("kafka-c")
    more = {"name": "else", "properties": {"bootstrap.servers": "c:9092"}}
    assert it.ask("POST", "/kafka-clusters", more).status == 201
    several = it.ask("PUT", feeds + "/state/Counter")
    assert (several.status, several.json["restate_code"]) == (400, "PD0611")
    assert "here are else, shop" in several.json["message"]
