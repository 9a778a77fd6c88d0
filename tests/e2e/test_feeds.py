"""Public feeds of a server on a real broker: events, and changes of state, through kills."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # not in its __all__
    AdminClient,
    ConfigResource,
    ResourceType,
)

from tests.e2e.conftest import client_of
from tests.parts.client import Client, eventually, fresh, http_request
from tests.parts.kafka import KafkaBroker
from tests.parts.laboratory import Laboratory
from tests.parts.server import PerdureServer
from tests.parts.server_options import ServerOptions
from tests.parts.topics import Topics, subscribe

pytestmark = pytest.mark.timeout(240)
WAIT_S = 60.0
LIFE = ["accepted", "started", "completed"]


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory, session_broker: KafkaBroker
) -> Iterator[PerdureServer]:
    services = Laboratory(tmp_path_factory.mktemp("topics"), app="tests.parts.topics_app").start()
    options = ServerOptions(
        log="kafka", kafka_bootstrap=session_broker.bootstrap, cluster=fresh("f")
    )
    server = PerdureServer(tmp_path_factory.mktemp("server"), options).start()
    client_of(server).register(services.uri)
    yield server
    server.stop()
    services.stop()


@pytest.fixture(scope="module")
def client(server: PerdureServer) -> Client:
    return client_of(server)


def enable(server: PerdureServer, feed: str) -> None:
    http_request(server.admin, "PUT", f"/perdure/v1/feeds/{feed}").expect(200)


def wait_for_all_partitions(client: Client, topic: str) -> None:
    """Each switches by itself: until all have had something to tell."""

    def all_tell() -> None:
        client.call(("Tally", fresh(), "get"))
        lanes = client.query(f"SELECT partition FROM sys_lane WHERE topic = '{topic}'")
        assert len(lanes) == 4

    eventually(all_tell, WAIT_S)


def kill(server: PerdureServer) -> None:
    server.kill()
    server.restart()


def test_a_handler_consumes_the_events_of_all_others_and_makes_none(
    server: PerdureServer, client: Client, topics: Topics
) -> None:
    enable(server, "events")
    topic = f"{server.options.cluster}.events"
    subscribe(server, topic, "Seen/note")
    wait_for_all_partitions(client, topic)
    key = fresh()
    called = [client.send(("Tally", key, "add"), str(n)) for n in range(5)]
    kill(server)
    called += [client.send(("Tally", key, "add"), str(n)) for n in range(5, 10)]

    def all_told() -> None:
        for invocation in called:
            told = client.call(("Seen", invocation, "told"))
            assert [what for what in told if what not in ("retrying", "suspended", "resumed")] == (
                LIFE
            )

    eventually(all_told, WAIT_S)
    ids = set()
    lives: dict[bytes, list[str]] = defaultdict(list)
    for record in topics.so_far(topic):
        event = json.loads(record.value())
        assert event["id"] not in ids and event["data"]["id"].encode() == record.key()
        assert not event["subject"].endswith("/note")
        ids.add(event["id"])
        lives[record.key()].append(event["type"].rpartition(".")[2])
    for invocation in called:
        life = lives[invocation.encode()]
        assert (life[0], life[-1]) == ("accepted", "completed")


def test_a_state_feed_tells_what_there_was_and_each_change_once_in_order(
    server: PerdureServer, client: Client, topics: Topics
) -> None:
    one, two, three = fresh("one"), fresh("two"), fresh("three")
    client.call(("Tally", one, "keep"), {"a": "1", "b": "1"})
    client.call(("Tally", two, "keep"), {"a": "1", "b": "1"})
    enable(server, "state/Tally")
    topic = f"{server.options.cluster}.state.Tally"
    first = {(key, name): [b'"1"'] for key in (one, two) for name in "ab"}

    def begun() -> None:
        assert changes(topics.so_far(topic), {one, two}) == first

    eventually(begun, WAIT_S)
    for number in range(2, 6):
        client.call(("Tally", one, "keep"), {"a": str(number)})
    kill(server)
    for number in range(6, 10):
        client.call(("Tally", one, "keep"), {"a": str(number)})
    client.call(("Tally", one, "drop"), "b")
    client.call(("Tally", two, "keep"), {})
    client.call(("Tally", three, "keep"), {"a": "1", "b": "1"})
    patch = {"object_key": three, "new_state": {"a": list(b'"patched"'), "c": list(b"3")}}
    client.admin_request("POST", "/services/Tally/state", patch).expect(202)
    wanted = {
        (one, "a"): [f'"{n}"'.encode() for n in range(1, 10)],
        (one, "b"): [b'"1"', None],
        (two, "a"): [b'"1"', None],
        (two, "b"): [b'"1"', None],
        (three, "a"): [b'"1"', b'"patched"'],
        (three, "b"): [b'"1"', None],
        (three, "c"): [b"3"],
    }

    def all_told() -> None:
        assert changes(topics.so_far(topic), {one, two, three}) == wanted

    eventually(all_told, WAIT_S)
    resource = ConfigResource(ResourceType.TOPIC, topic)
    admin = AdminClient(topics.servers)
    config = admin.describe_configs([resource])[resource].result()
    assert config["cleanup.policy"].value == "compact"


def test_the_end_of_a_workflow_ends_its_state(
    server: PerdureServer, client: Client, topics: Topics
) -> None:
    """A handler that consumes the feed is told of it, too."""
    enable(server, "state/Flow")
    topic, key = f"{server.options.cluster}.state.Flow", fresh()
    subscribe(server, topic, "Tally/add")
    invocation = client.send(("Flow", key, "run"), "x")
    assert client.attach(invocation).expect(200).json() == "x"
    client.operate(invocation, "purge").expect(200)
    wanted = {(key, "step"): [b'"x"', None]}

    def all_told() -> None:
        assert changes(topics.so_far(topic), {key}) == wanted
        reader = json.dumps([key, "step"], separators=(",", ":"))
        assert client.call(("Tally", reader, "get")) == ['"x"', ""]

    eventually(all_told, WAIT_S)


def changes(records: list[Any], keys: set[str]) -> dict[tuple[str, str], list[bytes | None]]:
    """The values of each key of the state of these objects, in order."""
    found: dict[tuple[str, str], list[bytes | None]] = defaultdict(list)
    for record in records:
        owner, name = json.loads(record.key())
        if owner in keys:
            found[owner, name].append(record.value())
    return dict(found)
