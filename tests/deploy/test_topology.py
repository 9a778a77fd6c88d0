"""The compositions as processes: they start, serve, and lose nothing when a part is killed."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Producer

from tests.deploy.topology import Topology
from tests.parts.cache import REPOSITORY
from tests.parts.client import eventually, http_request
from tests.parts.compose import EMBEDDED, KAFKA
from tests.parts.needed import needed

README = (REPOSITORY / "README.md").read_text()

pytestmark = [pytest.mark.timeout(400), pytest.mark.xdist_group("topology")]


@pytest.fixture(params=[KAFKA, EMBEDDED], ids=lambda path: path.name)
def topology(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Topology]:
    made = Topology(request.param, tmp_path)
    try:
        needed("the parts of the composition", made.start)
        yield made
    finally:
        made.stop()


def read(topology: Topology, key: str) -> int:
    answer = http_request(topology.ingress, "POST", f"/Counter/{key}/read").expect(200)
    count: int = answer.json()
    return count


def expect(found: int, wanted: int) -> None:
    assert found == wanted


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


def test_the_call_of_the_readme(topology: Topology) -> None:
    topology.run("register")
    (line,) = [
        line for line in README.splitlines() if line.startswith("curl") and "ann/add" in line
    ]
    _, url, flag, body = shlex.split(line)
    assert flag == "--json"
    path = url.removeprefix("http://127.0.0.1:8080")
    headers = {"content-type": "application/json"}
    answer = http_request(topology.ingress, "POST", path, body.encode(), headers).expect(200)
    assert answer.json() == json.loads(body)["amount"]


def test_each_part_may_be_killed(topology: Topology) -> None:
    assert "Counter" in topology.run("register")
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
    assert add(topology, 10, "second") == 11, "the same call has the same answer"
    assert topology.server.stop() == 0


@pytest.mark.parametrize("topology", [KAFKA], indirect=True, ids=lambda path: path.name)
def test_the_example_counts_what_a_topic_brings(topology: Topology) -> None:
    assert topology.broker is not None
    topology.run("register")
    created = topology.run("subscribe")
    assert "created" in created
    assert created.split()[1] == topology.run("subscribe").split()[1], "a second start keeps it"
    producer = Producer({"bootstrap.servers": topology.broker.bootstrap})
    for amount in (1, 10, 100):
        producer.produce("orders", json.dumps({"amount": amount}), "bob")
    assert producer.flush(30) == 0
    eventually(lambda: expect(read(topology, "bob"), 111), 60.0)
