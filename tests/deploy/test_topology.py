"""The compositions as processes: they start, serve, and lose nothing when a part is killed."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer

from tests.deploy.readme import README, the_counts, the_reply
from tests.deploy.topology import Topology
from tests.parts.client import eventually, http_request
from tests.parts.compose import EMBEDDED, KAFKA
from tests.parts.needed import needed

pytestmark = [pytest.mark.timeout(400), pytest.mark.xdist_group("topology")]


@pytest.fixture(params=[KAFKA, EMBEDDED], ids=lambda path: path.name)
def topology(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Topology]:
    made = Topology(request.param, tmp_path)
    try:
        needed("the parts of the composition", made.start)
        yield made
    finally:
        made.stop()


def produce(bootstrap: str, amount: int) -> None:
    producer = Producer({"bootstrap.servers": bootstrap})
    producer.produce("orders", json.dumps({"amount": amount}), "ann")
    assert producer.flush(60) == 0


def consumed(bootstrap: str, topic: str, count: int) -> list[tuple[bytes | None, bytes | None]]:
    """Keys and values of the first `count` committed records; nothing may come after them."""
    options = {"bootstrap.servers": bootstrap, "group.id": "test", "auto.offset.reset": "earliest"}
    consumer = Consumer({**options, "isolation.level": "read_committed"})
    try:
        consumer.subscribe([topic])
        found = consumer.consume(count, timeout=90)
        found += consumer.consume(1, timeout=1)
        return [(record.key(), record.value()) for record in found]
    finally:
        consumer.close()


def add(topology: Topology, amount: int, once: str) -> int:
    """A call that is repeated until it is answered, and counts once."""
    headers = {"content-type": "application/json", "idempotency-key": once}
    body = json.dumps({"amount": amount}).encode()

    def ask() -> int:
        base = topology.ingress
        reply = http_request(base, "POST", "/Counter/ann/add", body, headers).expect(200)
        count: int = reply.json()
        return count

    return int(eventually(ask, 90.0))


ON_KAFKA = pytest.mark.parametrize("topology", [KAFKA], indirect=True, ids=["docker-compose.yml"])


@ON_KAFKA
def test_the_lines_of_the_readme(topology: Topology) -> None:
    assert topology.broker is not None
    topology.run("register")
    topology.run("subscribe")
    (call,) = [
        line for line in README.splitlines() if line.startswith("curl") and "ann/add" in line
    ]
    _, url, flag, body = shlex.split(call)
    assert flag == "--json"
    path = url.removeprefix("http://127.0.0.1:8080")
    headers = {"content-type": "application/json"}
    answer = http_request(topology.ingress, "POST", path, body.encode(), headers).expect(200)
    assert answer.text == "2"
    the_reply(topology.broker.bootstrap)
    the_counts(topology.broker.bootstrap)


def test_each_part_may_be_killed(topology: Topology) -> None:
    """What comes over HTTP and by a topic is counted once, and each count is sent once."""
    assert "Counter" in topology.run("register")
    if topology.broker is not None:
        created = topology.run("subscribe").split()
        assert topology.run("subscribe").split()[1] == created[1], "a second start keeps it"
    assert add(topology, 1, "first") == 1
    assert "Counter" in topology.run("register"), "a second start registers it again"
    topology.server.kill()
    topology.start_server()
    assert add(topology, 10, "second") == 11
    topology.example.kill()
    topology.start_example()
    assert add(topology, 100, "third") == 111
    if topology.broker is not None:
        topology.broker.kill()
        topology.broker.restart()
        assert add(topology, 1000, "fourth") == 1111
        produce(topology.broker.bootstrap, 10_000)
        counts = consumed(topology.broker.bootstrap, "counts", 5)
        assert counts == [(b"ann", str(count).encode()) for count in (1, 11, 111, 1111, 11111)]
    assert add(topology, 10, "second") == 11, "the same call has the same answer"
    assert topology.server.stop() == 0
