"""What becomes of topics while a server reads them: added to, compacted, trimmed, deleted, made
anew, forbidden. The source says what it is, the others go on, and nothing is lost."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # not in its __all__
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    ResourceType,
)

from tests.e2e.conftest import client_of
from tests.parts.client import Client, eventually, fresh
from tests.parts.kafka import KafkaBroker
from tests.parts.kafka_rights import allow_again, allow_only
from tests.parts.laboratory import Laboratory
from tests.parts.raw_headers import produce_raw
from tests.parts.server import PerdureServer
from tests.parts.server_options import ServerOptions
from tests.parts.topics import Topics

pytestmark = pytest.mark.timeout(240)
WAIT_S = 60.0
OURS = "/perdure/v1/subscriptions"


class World:
    """A server, its brokers, and what a test does to either."""

    def __init__(self, server: PerdureServer, broker: KafkaBroker, services: Laboratory) -> None:
        self.client: Client = client_of(server)
        self.bootstrap = broker.bootstrap
        self.services = services
        self.admin = AdminClient({"bootstrap.servers": broker.bootstrap})
        self.topics = Topics(broker)
        self.deployment = self.client.register(services.uri)

    def subscribe(self, topic: str, sink: str = "Tally/add", **more: object) -> str:
        asked = {"sources": [topic], "sink": sink, "start": "earliest", **more}
        return str(self.client.admin_request("POST", OURS, asked).expect(201).json()["id"])

    def shown(self, subscription: str) -> Any:
        return self.client.admin_request("GET", f"{OURS}/{subscription}").expect(200).json()

    def do(self, subscription: str, verb: str, **more: object) -> None:
        self.client.admin_request("POST", f"{OURS}/{subscription}/{verb}", more).expect(200)

    def seen(self, key: str) -> list[str]:
        found: list[str] = self.client.call(("Tally", key, "get"))
        return found

    def until(self, check: Callable[[], Any]) -> None:
        def holds() -> None:
            assert check()

        eventually(holds, WAIT_S)

    def until_seen(self, key: str, *values: str) -> None:
        def all_there() -> None:
            assert self.seen(key) == list(values)

        eventually(all_there, WAIT_S)

    def until_status(self, subscription: str, status: str, reason: str) -> Any:
        def is_so() -> Any:
            view = self.shown(subscription)
            assert view["status"] == status and reason in view["reason"], view
            return view

        return eventually(is_so, WAIT_S)


@pytest.fixture(scope="module")
def it(tmp_path_factory: pytest.TempPathFactory, session_broker: KafkaBroker) -> Iterator[World]:
    services = Laboratory(tmp_path_factory.mktemp("services"), app="tests.parts.topics_app").start()
    bootstrap = session_broker.bootstrap
    options = ServerOptions(log="kafka", kafka_bootstrap=bootstrap, cluster=fresh("tt"))
    server = PerdureServer(tmp_path_factory.mktemp("server"), options).start()
    yield World(server, session_broker, services)
    server.stop()
    services.stop()


class Other:
    """A subscription that nothing happens to: it goes on, whatever becomes of the others."""

    def __init__(self, it: World) -> None:
        self._it = it
        self._topic, self._key = it.topics.make(1), fresh()
        self._sent: list[str] = []
        it.subscribe(self._topic)

    def goes_on(self) -> None:
        value = str(len(self._sent))
        self._sent.append(value)
        self._it.topics.produce(self._topic, self._key.encode(), value.encode())
        self._it.until_seen(self._key, *self._sent)


def test_partitions_that_are_added_start_at_their_beginning(it: World) -> None:
    topic, key = it.topics.make(1), fresh()
    it.subscribe(topic, start="latest")
    it.admin.create_partitions([NewPartitions(topic, 3)])[topic].result()
    producer = Producer(
        {"bootstrap.servers": it.bootstrap, "topic.metadata.refresh.interval.ms": 100}
    )
    for number in range(5):  # before anybody reads there
        producer.produce(topic, b"%d" % number, key.encode(), partition=2)
    assert producer.flush(30) == 0
    it.until_seen(key, *map(str, range(5)))


SENT_MS = 1_700_000_000_000  # 2023-11-14T22:13:20Z
AT_TWO = "2023-11-14T22:13:22Z"


def records_of_four_seconds(it: World) -> tuple[str, str, str]:
    """A topic and two keys: 0 to 3 in its first partition, a second apart, one in the other."""
    topic, key, other = it.topics.make(2), fresh(), fresh()
    producer = Producer({"bootstrap.servers": it.bootstrap})
    for number in range(4):
        producer.produce(topic, b"%d" % number, key, 0, timestamp=SENT_MS + 1_000 * number)
    producer.produce(topic, b"else", other, 1, timestamp=SENT_MS)
    assert producer.flush(30) == 0
    return topic, key, other


@pytest.mark.parametrize(
    ("start", "taken", "of_other"),
    [("latest", "", ""), ("0=3,1=0", "3", "else"), (AT_TWO, "23", "")],
)
def test_where_a_subscription_starts(it: World, start: str, taken: str, of_other: str) -> None:
    topic, key, other = records_of_four_seconds(it)
    it.subscribe(topic, start=start)
    it.topics.give(topic, key.encode(), b"new", partition=0)
    it.topics.give(topic, other.encode(), b"new", partition=1)
    it.topics.flush()
    it.until_seen(key, *taken, "new")
    it.until_seen(other, *[of_other][: len(of_other)], "new")


def test_seek_and_replay_take_records_again_as_new_invocations(it: World) -> None:
    topic, key, other = records_of_four_seconds(it)
    made = it.subscribe(topic)
    it.until_seen(key, *"0123")
    it.until_seen(other, "else")
    it.do(made, "seek", to="0=2")
    it.until_seen(key, *"0123", *"23")
    assert it.seen(other) == ["else"], "a partition that it does not name goes on"
    it.do(made, "replay", to=AT_TWO)
    it.until_seen(key, *"0123", *"23", *"23")
    it.do(made, "replay", to="earliest")
    it.until_seen(key, *"0123", *"23", *"23", *"0123")
    it.until_seen(other, "else", "else")
    view = it.until_status(made, "active", "")
    assert {one["generation"] for one in view["sources"]} == {view["generation"]} == {4}


def test_gaps_of_compaction_and_of_transactions_are_passed(it: World) -> None:
    topic, key = fresh("topic"), fresh()
    config = {
        "cleanup.policy": "compact",
        "segment.ms": "100",
        "min.cleanable.dirty.ratio": "0.01",
        "max.compaction.lag.ms": "100",
    }
    it.admin.create_topics([NewTopic(topic, 1, config=config)])[topic].result()
    often = ConfigEntry(
        "log.cleaner.backoff.ms", "200", incremental_operation=AlterConfigOpType.SET
    )
    cleaner = ConfigResource(ResourceType.BROKER, "1", incremental_configs=[often])
    it.admin.incremental_alter_configs([cleaner])[cleaner].result()
    for number in range(10):
        it.topics.produce(topic, key.encode(), b"%d" % number)
    time.sleep(0.2)  # the segment may be rolled
    writer = Producer({"bootstrap.servers": it.bootstrap, "transactional.id": topic})
    writer.init_transactions()
    for word, commits in ((b"aborted", False), (b"committed", True), (b"aborted too", False)):
        writer.begin_transaction()
        writer.produce(topic, word, key.encode())
        writer.flush()
        (writer.commit_transaction if commits else writer.abort_transaction)()

    def is_compacted() -> bool:
        (first,) = it.topics.read(topic, 1)
        return int(first.offset()) > 0

    it.until(is_compacted)
    made = it.subscribe(topic)

    def is_at_the_end() -> bool:
        sources = it.shown(made)["sources"]
        return bool(sources and sources[0]["lag"] == 0 and sources[0]["position"] >= 16)

    it.until(is_at_the_end)
    assert it.seen(key)[-1] == "committed" and "aborted" not in it.seen(key)


def test_a_topic_that_is_deleted_and_made_anew(it: World) -> None:
    topic, key, other = it.topics.make(1), fresh(), Other(it)
    made = it.subscribe(topic)
    it.topics.produce(topic, key.encode(), b"old")
    it.until_seen(key, "old")
    it.topics.delete(topic)
    begun = time.monotonic()
    it.until_status(made, "stopped", f"{topic} is gone")
    print(f"a deleted topic was told after {time.monotonic() - begun:.1f} s")
    other.goes_on()

    def make_anew() -> None:
        try:
            it.admin.create_topics([NewTopic(topic, 1)])[topic].result()
        except Exception as error:
            raise AssertionError(error) from None

    eventually(make_anew, WAIT_S)
    it.topics.produce(topic, key.encode(), b"new")
    it.until_seen(key, "old", "new")
    view = it.until_status(made, "active", "")
    assert sorted(one["status"] for one in view["sources"]) == ["active", "gone"]


def test_what_is_resumed_has_lost_nothing(it: World) -> None:
    topic, key = it.topics.make(1), fresh()
    made = it.subscribe(topic)
    it.topics.produce(topic, key.encode(), b"0")
    it.until_seen(key, "0")
    it.do(made, "pause", reason="a deployment")
    for number in range(1, 5):
        it.topics.produce(topic, key.encode(), b"%d" % number)
    assert it.until_status(made, "paused", "a deployment")["sources"][0]["position"] == 1
    it.until(lambda: it.shown(made)["lag"] == 4)
    it.do(made, "resume")
    it.until_seen(key, *map(str, range(5)))


def test_records_that_retention_took_stop_a_source_until_it_may_go_on(it: World) -> None:
    topic, key, other = it.topics.make(1), fresh(), Other(it)
    made = it.subscribe(topic)
    it.topics.produce(topic, key.encode(), b"0")
    it.until_seen(key, "0")
    it.do(made, "pause")
    for number in range(1, 10):
        it.topics.produce(topic, key.encode(), b"%d" % number)
    place = TopicPartition(topic, 0, 6)
    it.admin.delete_records([place])[place].result()
    it.do(made, "resume")
    it.until_status(made, "stopped", f"{topic}/0 begins at 6 now: offset 1 is gone")
    other.goes_on()
    assert it.seen(key) == ["0"]
    it.do(made, "resume", past_gap=True)
    it.until_seen(key, "0", "6", "7", "8", "9")
    assert it.until_status(made, "active", "")["sources"][0]["position"] == 10


def test_a_record_that_cannot_be_used_is_a_dead_letter_and_the_next_goes_on(it: World) -> None:
    topic, key = it.topics.make(1), fresh()
    made = it.subscribe(topic)
    it.topics.produce(topic, None, b"poison")
    it.topics.produce(topic, key.encode(), b"fine")
    it.until_seen(key, "fine")
    sql = f"SELECT reason, topic_offset FROM sys_dead_letter WHERE subscription_id = '{made}'"
    assert it.client.query(sql) == [{"reason": "no_key", "topic_offset": 0}]
    assert it.shown(made)["status"] == "active"


def test_a_header_whose_name_is_no_text_costs_no_other_record(it: World) -> None:
    """Two partitions, so that records of both come together."""
    topic, keys = it.topics.make(2), [fresh() for _ in range(20)]
    for key in keys:
        it.topics.produce(topic, key.encode(), b"before")
        if key == keys[9]:
            produce_raw(it.bootstrap, topic, key.encode(), b"poison", [(b"\xff", b"x")])
    made = it.subscribe(topic)
    for key in keys:
        it.until_seen(key, "before")
    sql = f"SELECT id, reason, value_utf8 FROM sys_dead_letter WHERE subscription_id = '{made}'"
    (letter,) = it.client.query(sql)
    assert (letter["reason"], letter["value_utf8"]) == ("bad_header", "poison")
    redriven = f"/perdure/v1/dead-letters/{letter['id']}/redrive"
    it.client.admin_request("POST", redriven, {}).expect(200)
    it.until_seen(keys[9], "before", "poison")


def test_a_handler_that_is_removed_stops_its_subscription_until_it_is_back(it: World) -> None:
    topic, key = it.topics.make(1), fresh()
    made = it.subscribe(topic)
    it.topics.produce(topic, key.encode(), b"before")
    it.until_seen(key, "before")
    removed = f"/deployments/{it.deployment}?force=true"
    it.client.admin_request("DELETE", removed).expect(200, 202)
    it.topics.produce(topic, key.encode(), b"meanwhile")
    begun = time.monotonic()
    it.until_status(made, "stopped", "'Tally' not found")
    print(f"a removed handler was told after {time.monotonic() - begun:.1f} s")
    it.deployment = it.client.register(it.services.uri)
    it.until_seen(key, "before", "meanwhile")
    it.until_status(made, "active", "")


@pytest.mark.parametrize("rights", [["WRITE"], ["WRITE", "DESCRIBE"]], ids=str)
def test_a_right_that_is_revoked_stops_one_topic_until_it_is_back(
    it: World, rights: list[str]
) -> None:
    topic, key, other = it.topics.make(1), fresh(), Other(it)
    made = it.subscribe(topic)
    it.topics.produce(topic, key.encode(), b"before")
    it.until_seen(key, "before")
    allow_only(it.bootstrap, "TOPIC", topic, rights)
    try:
        it.until_status(made, "retrying", "uthoriz")  # the rule is in force now
        it.topics.produce(topic, key.encode(), b"meanwhile")
        other.goes_on()
        assert it.seen(key) == ["before"]
    finally:
        allow_again(it.bootstrap, topic)
    it.until_seen(key, "before", "meanwhile")
    it.until_status(made, "active", "")


def test_a_quiet_topic_is_active_again_once_its_right_is_back(it: World) -> None:
    topic, key = it.topics.make(1), fresh()
    made = it.subscribe(topic)
    it.topics.produce(topic, key.encode(), b"before")
    it.until_seen(key, "before")
    allow_only(it.bootstrap, "TOPIC", topic, ["WRITE"])
    try:
        it.until_status(made, "retrying", "uthoriz")
    finally:
        allow_again(it.bootstrap, topic)
    it.until_status(made, "active", "")
    it.until(lambda: it.shown(made)["lag"] == 0)
