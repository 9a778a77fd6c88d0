"""Records that are very large or hardly records at all; topics and subscriptions by the many."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import client_of
from tests.parts.client import Client, eventually, fresh
from tests.parts.kafka import KafkaBroker
from tests.parts.laboratory import Laboratory
from tests.parts.server import PerdureServer
from tests.parts.server_options import ServerOptions
from tests.parts.topics import Topics, subscribe
from tests.scale.process import resident_bytes

PAYLOAD_MAX = 12 << 20
LARGE = 10_000_000
LARGE_COUNT = 8  # more together than a deployment may have in memory
TOO_LARGE = PAYLOAD_MAX + 1
TOPIC_MAX = str(20 << 20)
SUBSCRIPTIONS = 50
MB = 1_000_000
THREADS = 10  # of pools, and of connections that are opened when they are needed

pytestmark = pytest.mark.timeout(240)


def started(directory: Path, broker: KafkaBroker, topic_services: Laboratory) -> PerdureServer:
    options = ServerOptions(
        log="kafka",
        kafka_bootstrap=broker.bootstrap,
        cluster=fresh("extreme"),
        env={"PERDURE_PAYLOAD_MAX": str(PAYLOAD_MAX)},
    )
    server = PerdureServer(directory, options).start()
    client_of(server).register(topic_services.uri)
    return server


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory,
    session_broker: KafkaBroker,
    topic_services: Laboratory,
) -> Iterator[PerdureServer]:
    server = started(tmp_path_factory.mktemp("server"), session_broker, topic_services)
    yield server
    server.stop()


@pytest.fixture
def new_server(
    tmp_path: Path, broker: KafkaBroker, topic_services: Laboratory
) -> Iterator[PerdureServer]:
    """One that has done nothing: what is measured is not what others left."""
    server = started(tmp_path, broker, topic_services)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def client(server: PerdureServer) -> Client:
    return client_of(server)


def letters(client: Client, where: str, count: int = 1) -> list[dict[str, object]]:
    """Dead letters, once there are so many."""

    def found() -> list[dict[str, object]]:
        query = f"SELECT * FROM sys_dead_letter WHERE {where} ORDER BY topic_offset"
        rows = client.query(query)
        assert len(rows) == count, rows
        return rows

    return eventually(found, 30)


def large(seed: int, size: int = LARGE) -> bytes:
    """Bytes that no compression makes small."""
    return hashlib.shake_128(b"%d" % seed).digest(size)


def test_records_of_ten_megabytes_in_and_out(
    server: PerdureServer, client: Client, topics: Topics
) -> None:
    """One that is over the server's limit becomes a dead letter, and the next ones go on."""
    source = topics.make(1, max_message_bytes=TOPIC_MAX)
    target = topics.make(1, max_message_bytes=TOPIC_MAX)
    subscription = subscribe(server, source, "Echo/whole")
    reply = {"perdure_reply_to": target.encode()}
    for number in range(LARGE_COUNT):
        topics.produce(source, b"%d" % number, large(number), **reply)
        if number < 3:
            topics.produce(source, b"", large(number, TOO_LARGE), **reply)
    found = {one.key(): one.value() for one in topics.read(target, LARGE_COUNT)}
    assert found == {b"%d" % number: large(number) for number in range(LARGE_COUNT)}
    for letter in letters(client, f"subscription_id = '{subscription}'", 3):
        assert letter["reason"] == "too_large" and letter["value_length"] == TOO_LARGE
        assert str(PAYLOAD_MAX) in str(letter["message"]) and "value" not in letter


def test_what_a_topic_does_not_take_becomes_a_dead_letter(client: Client, topics: Topics) -> None:
    """The limit of the topic, which only the brokers know. What comes next is sent."""
    target = topics.make(1)
    for text in ("x" * LARGE, "small"):
        client.call(("Echo", "tell"), {"topic": target, "key": "k", "value_text": text})
    (letter,) = letters(client, f"topic = '{target}' OR message LIKE '%{target}%'")
    assert letter["reason"] == "too_large" and letter["value_length"] == LARGE
    (sent,) = topics.read(target, 1)
    assert (sent.key(), sent.value()) == (b"k", b"small")


def test_keys_that_are_no_text(server: PerdureServer, client: Client, topics: Topics) -> None:
    """They do for a service, whose reply has the same key; an object can't have such a key."""
    source, replies, keyed = topics.make(1), topics.make(1), topics.make(1)
    subscribe(server, source, "Echo/headers")
    subscribe(server, keyed, "Tally/add")
    topics.produce(source, b"\xff\x00\xfe", b"x", perdure_reply_to=replies.encode())
    topics.produce(keyed, b"\xff\x00\xfe", b"x")
    (reply,) = topics.read(replies, 1)
    assert reply.key() == b"\xff\x00\xfe"
    (letter,) = letters(client, f"topic = '{keyed}'")
    assert (letter["reason"], letter["topic_offset"]) == ("key_not_utf8", 0)


def test_headers_without_a_value_and_tombstones(
    server: PerdureServer, client: Client, topics: Topics
) -> None:
    """A tombstone is an empty input; a null that is sent is a tombstone."""
    source, replies = topics.make(1), topics.make(1)
    subscribe(server, source, "Echo/headers")
    key, named = fresh().encode(), [("perdure-reply-to", replies.encode())]
    topics.give(source, key, None, [("empty", b""), ("nothing", None), *named])
    topics.flush()
    (reply,) = topics.read(replies, 1)
    assert b'"empty": ""' in reply.value() and b"nothing" not in reply.value()
    tally = topics.make(1)
    subscribe(server, tally, "Tally/add")
    topics.give(tally, key, b"first")
    topics.give(tally, key, None)
    topics.give(tally, key, b"last")
    topics.flush()

    def all_there() -> None:
        assert client.call(("Tally", key.decode(), "get")) == ["first", "", "last"]

    eventually(all_there, 30)
    target = topics.make(1)
    headers = {"text": "é", "empty": "", "nothing": None}
    request = {"topic": target, "key": "k", "value": None, "headers": headers}
    client.call(("Kafka", "send"), request)
    (sent,) = topics.read(target, 1)
    assert (sent.key(), sent.value()) == (b"k", None)
    assert sent.headers() == [("text", "é".encode()), ("empty", b""), ("nothing", None)]


def threads(server: PerdureServer) -> int:
    return len(list(Path(f"/proc/{server.pid}/task").iterdir()))


def test_a_topic_of_a_hundred_partitions(new_server: PerdureServer, topics: Topics) -> None:
    server, client = new_server, client_of(new_server)
    before, key = threads(server), fresh()
    source = topics.make(100)
    subscribe(server, source, "Tally/add")
    for number in range(3):
        for partition in range(100):
            topics.give(source, f"{key}-{partition}".encode(), b"%d" % number, partition=partition)
        topics.flush()

    def all_there() -> None:
        for partition in range(100):
            assert client.call(("Tally", f"{key}-{partition}", "get")) == ["0", "1", "2"]

    eventually(all_there, 60)
    assert threads(server) - before <= THREADS, "threads do not grow with the partitions"


def test_fifty_subscriptions_cost_little(new_server: PerdureServer, topics: Topics) -> None:
    server, client = new_server, client_of(new_server)
    names = [topics.make(2) for _ in range(SUBSCRIPTIONS)]
    first, key = topics.make(2), fresh()

    def read(names: list[str]) -> None:
        for name in names:
            subscribe(server, name, "Tally/add")
            topics.give(name, key.encode(), name.encode())
        topics.flush()
        eventually(lambda: all_there(names), 60)

    def all_there(names: list[str]) -> None:
        assert set(client.call(("Tally", key, "get"))) >= set(names)

    read([first])
    before, before_bytes = threads(server), resident_bytes(server.pid)
    read(names)
    grown = resident_bytes(server.pid) - before_bytes
    print(f"{threads(server)} threads, {threads(server) - before} more; {grown / MB:.1f} MB more")
    assert threads(server) - before <= THREADS, "threads do not grow with the subscriptions"
    assert grown <= SUBSCRIPTIONS * MB // 2, f"{grown / MB:.1f} MB for {SUBSCRIPTIONS}"
