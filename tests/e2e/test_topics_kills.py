"""Records pass from a topic through an object to another topic while everything dies: each once,
in the order of its key.

PERDURE_RECORDS and PERDURE_KILLS raise the numbers: 10000 and 12 are the full size.
"""

from __future__ import annotations

import json
import os
import signal
import threading
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, TopicPartition

from tests.e2e.conftest import client_of
from tests.parts.client import eventually, fresh
from tests.parts.kafka import KafkaBroker
from tests.parts.laboratory import Laboratory
from tests.parts.processes import wait_until
from tests.parts.server import PerdureServer
from tests.parts.server_options import ServerOptions
from tests.parts.topics import Topics, subscribe

RECORDS = int(os.environ.get("PERDURE_RECORDS", "600"))
KILLS = int(os.environ.get("PERDURE_KILLS", "3"))
VICTIMS = ("broker", "server", "service", "server")  # in turn: of twelve kills 3, 6 and 3
KEYS, PARTITIONS = 50, 4
PROGRESS_S = 120.0

pytestmark = pytest.mark.timeout(240 + 40 * KILLS)


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Laboratory]:
    services = Laboratory(tmp_path / "services", app="tests.parts.topics_app").start()
    yield services
    services.stop()


@pytest.fixture
def server(tmp_path: Path, broker: KafkaBroker, services: Laboratory) -> Iterator[PerdureServer]:
    options = ServerOptions(
        log="kafka",
        kafka_bootstrap=broker.bootstrap,
        cluster=fresh("kills"),
        retry_initial_interval="100ms",
        retry_max_interval="1s",
    )
    server = PerdureServer(tmp_path / "server", options).start()
    client_of(server).register(services.uri)
    yield server
    server.process.signal(signal.SIGCONT)
    server.stop()


class Seen:
    """How many committed records a topic has, counted by a reader of its own."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        self.count = 0
        self._config = {
            "bootstrap.servers": bootstrap,
            "group.id": fresh("seen"),
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
            "reconnect.backoff.max.ms": 500,
        }
        self._places = [TopicPartition(topic, number, 0) for number in range(PARTITIONS)]
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        consumer = Consumer(self._config)
        consumer.assign(self._places)
        while not self._is_over.is_set():
            for message in consumer.consume(500, 0.1):
                self.count += message.error() is None
        consumer.close()

    def wait(self, count: int) -> None:
        wait_until(lambda: self.count >= count, PROGRESS_S, f"{count} records, not {self.count}")

    def close(self) -> None:
        self._is_over.set()
        self._thread.join()


class Flow:
    """The records of one run: each asks for a reply, and its handler sends one on."""

    def __init__(self, server: PerdureServer, topics: Topics) -> None:
        self.server, self.topics, self.client = server, topics, client_of(server)
        self.source, self.target, self.replies = (topics.make(PARTITIONS) for _ in range(3))
        self.keys = [fresh("chain") for _ in range(KEYS)]
        self.given = 0
        self.seen = Seen(topics.servers["bootstrap.servers"], self.target)
        subscribe(server, self.source, "Chain/link")

    def give(self, upto: int) -> None:
        """Produce all records below `upto`."""
        headers = [("to", self.target.encode()), ("perdure-reply-to", self.replies.encode())]
        for number in range(self.given, upto):
            key, value = self.keys[number % KEYS], str(number // KEYS)
            self.topics.give(self.source, key.encode(), value.encode(), headers)
        self.given = upto
        self.topics.flush()

    def verify(self) -> None:
        """Once all has settled: each effect, result and reply once, in the order of its key."""
        self.seen.wait(self.given)
        eventually(self._settled, PROGRESS_S)
        for topic in (self.target, self.replies):
            messages = self.topics.whole(topic)
            assert len(messages) == self.given, _repeated(messages)
            passed: dict[str, list[Any]] = defaultdict(list)
            for message in messages:
                passed[message.key().decode()].append(json.loads(message.value()))
            for index, key in enumerate(self.keys):
                expected = [
                    {"number": number, "count": number + 1}
                    for number in range(len(range(index, self.given, KEYS)))
                ]
                assert passed[key] == expected, f"key {key} in {topic}"
        counts = [self.client.call(("Chain", key, "count")) for key in self.keys]
        assert sum(counts) == self.given

    def _settled(self) -> None:
        query = self.client.query
        source = f"FROM sys_source WHERE topic = '{self.source}'"
        (positions,) = query(f"SELECT SUM(position) AS position, SUM(live) AS live {source}")
        assert positions == {"position": self.given, "live": 0}
        (owed,) = query("SELECT SUM(rows) AS rows FROM sys_lane")
        assert not owed["rows"]
        (letters,) = query("SELECT COUNT(*) AS letters FROM sys_dead_letter")
        assert letters["letters"] == 0

    def close(self) -> None:
        self.seen.close()


def _repeated(messages: list[Any]) -> str:
    """Where the records are that came more than once."""
    places: dict[tuple[bytes, bytes], list[tuple[int, int, int]]] = defaultdict(list)
    for message in messages:
        place = (message.partition(), message.offset(), message.timestamp()[1])
        places[message.key(), message.value()].append(place)
    more = {key: each for key, each in places.items() if len(each) > 1}
    return (
        f"{len(messages)} messages; (partition, offset, time) of those there more than once: {more}"
    )


@pytest.fixture
def flow(server: PerdureServer, broker: KafkaBroker) -> Iterator[Flow]:
    flow = Flow(server, Topics(broker))
    yield flow
    flow.close()


def test_each_record_has_one_effect_and_one_result_under_kills(
    flow: Flow, server: PerdureServer, broker: KafkaBroker, services: Laboratory
) -> None:
    parts = {"server": server, "broker": broker, "service": services}
    wave = RECORDS // (KILLS + 1)
    for number in range(KILLS):
        flow.give(wave * (number + 1))
        flow.seen.wait(wave * number + wave // 4)
        victim = parts[VICTIMS[number % len(VICTIMS)]]
        victim.kill()
        victim.restart()
    flow.give(RECORDS)
    flow.verify()


def test_sigterm_amid_records_is_no_error_and_loses_none(flow: Flow, server: PerdureServer) -> None:
    flow.give(RECORDS)
    for number in range(KILLS):
        flow.seen.wait(RECORDS * (number + 1) // (KILLS + 2))
        assert server.stop() == 0
        server.restart()
    flow.verify()
    assert not server.errors(), server.log_tail(9_000)


def _undecided(flow: Flow) -> bool:
    """Whether a transaction holds up the readers of the target."""
    return flow.topics.ends(flow.target, committed=True) != flow.topics.ends(flow.target)


def test_a_server_that_stood_still_in_a_transaction_goes_on(
    flow: Flow, server: PerdureServer
) -> None:
    """Longer than its session and than its transaction: others' readers do not wait for it."""
    wave = 200
    while True:
        flow.give(flow.given + wave)
        flow.seen.wait(flow.given - wave + 1)
        server.process.signal(signal.SIGSTOP)
        if _undecided(flow):
            break
        server.process.signal(signal.SIGCONT)
    # The brokers end the transaction after 15 s; the session of the server is 6 s.
    wait_until(lambda: not _undecided(flow), 60.0, "readers go on")
    server.process.signal(signal.SIGCONT)
    flow.give(flow.given + wave)
    flow.verify()
