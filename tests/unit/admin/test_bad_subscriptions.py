"""What is refused with a subscription before it is kept, although its words are well formed."""

from collections.abc import Iterator
from typing import Final

import pytest

from orchestrator.admin.options import AdminOptions
from orchestrator.brokers.facts_port import OUT_OF_REACH, BrokerTrouble
from tests.unit.admin.world import UNKNOWN_OPTION, KeptFacts, World, world

OURS: Final = "/perdure/v1/subscriptions"
ASKED: Final = {"sources": ["orders"], "sink": "Counter/add"}
RESTATES: Final = {"source": "kafka://shop/orders", "sink": "service://Counter/add"}
AWAY = BrokerTrouble(OUT_OF_REACH, "no broker answers", passes=True)


@pytest.fixture
def it() -> Iterator[World]:
    with world() as made:
        made.brokers["b:9092"] = KeptFacts("kafka-b")
        made.brokers["b:9092"].make("orders", 2)
        made.register()
        cluster = {"name": "shop", "properties": {"bootstrap.servers": "b:9092"}}
        assert made.ask("POST", "/kafka-clusters", cluster).status == 201
        yield made


def test_options_that_no_client_takes_are_refused_at_once(it: World) -> None:
    unknown = {"options": {UNKNOWN_OPTION: "1"}}
    known = it.ask("POST", OURS, ASKED | {"options": {"client.rack": "a"}}).json
    for refused in (
        it.ask("POST", OURS, ASKED | unknown),
        it.ask("POST", OURS, ASKED | unknown | {"force": True}),
        it.ask("POST", "/subscriptions", RESTATES | unknown),
        it.ask("PATCH", f"{OURS}/{known['id']}", unknown),
    ):
        assert (refused.status, refused.json["restate_code"]) == (400, "PD0601"), refused
        assert UNKNOWN_OPTION in refused.json["message"]
    assert it.ask("GET", OURS).json == {"subscriptions": [known]}
    it.brokers["b:9092"].trouble = AWAY
    patched = it.ask("PATCH", f"{OURS}/{known['id']}", {"options": {"client.rack": "b"}})
    assert patched.status == 200, "brokers that are away are no reason"


@pytest.mark.parametrize(
    ("method", "path"), [("POST", ""), ("PATCH", "/one"), ("POST", "/one/resume")]
)
def test_a_field_that_is_none_is_refused(it: World, method: str, path: str) -> None:
    assert it.ask("POST", OURS, ASKED | {"name": "one"}).status == 201
    body = {"max_inflight": 1} if path else ASKED | {"x": 1}
    refused = it.ask(method, OURS + path, body)
    assert refused.status == 400 and next(reversed(body)) in refused.json["message"]


def test_clients_of_their_own_are_limited() -> None:
    with world(AdminOptions(operate_wait_s=5, topic_clients_max=2)) as it:
        it.brokers["b:9092"] = KeptFacts("kafka-b")
        for topic in ("orders", "returns"):
            it.brokers["b:9092"].make(topic, 2)
        it.register()
        cluster = {"name": "shop", "properties": {"bootstrap.servers": "b:9092"}}
        assert it.ask("POST", "/kafka-clusters", cluster).status == 201

        def subscribe(name: str, **more: object) -> int:
            asked = it.ask("POST", OURS, ASKED | {"name": name} | more)
            if asked.status != 201:
                assert asked.json["restate_code"] == "PD0622", asked
                assert "--topic-clients-max" in asked.json["message"]
            return asked.status

        def patch(name: str, rack: str) -> int:
            return it.ask("PATCH", f"{OURS}/{name}", {"options": {"client.rack": rack}}).status

        own = {"options": {"client.rack": "a"}}
        assert subscribe("one") == 201
        assert subscribe("group", sources=["returns"], options={"group.id": "g"}) == 201
        assert subscribe("two", **own) == 201, "the second client"
        assert subscribe("shares", sources=["returns"], **own) == 201
        assert subscribe("three", options={"client.rack": "b"}) == 409
        assert subscribe("reads-the-same", **own) == 409
        assert patch("one", "b") == patch("one", "a") == patch("group", "c") == 409
        assert it.ask("DELETE", f"{OURS}/group").status == 202
        assert patch("one", "b") == 200, "as many clients as before"
        assert patch("one", "a") == 200, "two that read the same topic need two clients"
        assert subscribe("four", sources=["returns"], options={"client.rack": "d"}) == 409
