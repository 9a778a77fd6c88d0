"""perdure kafka-clusters, subscriptions and feeds against a running admin API."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator.cli.main import main
from orchestrator.codec.keys import source_key
from orchestrator.intake.views import SourceView, SubscriptionView
from orchestrator.model.rows import DeadLetterRow
from tests.unit.admin.world import KeptFacts, World, world
from tests.unit.cli.printed import Printed
from tests.unit.machine.topic_records import intake, letters, opened, source_at, unusable

Perdure = Callable[..., Printed]


@pytest.fixture
def it() -> Iterator[World]:
    with world() as made:
        facts = made.brokers["b:9092"] = KeptFacts("kafka-b")
        facts.make("orders", 2).partitions[0].times_ms = [1_700_000_000_000] * 5
        facts.make("returns", 1)
        made.register()
        yield made


@pytest.fixture
def perdure(it: World, capsys: pytest.CaptureFixture[str]) -> Perdure:
    def run(*arguments: str) -> Printed:
        capsys.readouterr()
        code = main([*arguments, "--admin", it.url])
        said = capsys.readouterr()
        return Printed(code, said.out, said.err)

    return run


def with_cluster(perdure: Perdure) -> None:
    assert perdure("kafka-clusters", "create", "shop", "--bootstrap", "b:9092").code == 0


def test_kafka_clusters(perdure: Perdure) -> None:
    assert "no Kafka clusters" in perdure("kafka-clusters", "list").out
    secret = ("--option", "sasl.password=s3cret")
    made = perdure("kafka-clusters", "create", "shop", "--bootstrap", "b:9092", *secret)
    assert made.code == 0 and "its brokers are of kafka-b" in made.out
    listed = perdure("kafka-clusters", "list").out
    assert "shop" in listed and "b:9092" in listed
    described = perdure("kafka-clusters", "describe", "shop").out
    assert "sasl.password      ***" in described and "s3cret" not in described
    more = ("--option", "client.id=us")
    assert perdure("kafka-clusters", "update", "shop", *more, "--json").json["properties"] == {
        "bootstrap.servers": "b:9092",
        "client.id": "us",
        "sasl.password": "***",
    }
    assert perdure("kafka-clusters", "update", "shop", "--unset", "client.id").code == 0
    missing = perdure("kafka-clusters", "update", "shop", "--unset", "client.id")
    assert missing.code == 1 and "no option client.id" in missing.err
    assert perdure("kafka-clusters", "describe", "shop", "--json").json["subscriptions"] == []
    assert perdure("kafka-clusters", "delete", "shop", "--json").json == {"deleted": "shop"}
    gone = perdure("kafka-clusters", "delete", "shop")
    assert gone.code == 1 and "[PD0611]" in gone.err


def test_kafka_clusters_that_are_refused(perdure: Perdure) -> None:
    away = perdure("kafka-clusters", "create", "shop", "--bootstrap", "away:1")
    assert away.code == 1 and "no broker answers" in away.err and "[PD0602]" in away.err
    kept = perdure("kafka-clusters", "create", "shop", "--bootstrap", "away:1", "--force")
    assert kept.code == 0 and "were not reached" in kept.out
    bare = perdure("kafka-clusters", "create", "other")
    assert bare.code == 1 and "bootstrap.servers is missing" in bare.err
    bad = perdure("kafka-clusters", "create", "other", "--option", "x")
    assert bad.code == 2 and "NAME=VALUE" in bad.err


def test_subscriptions(perdure: Perdure) -> None:
    with_cluster(perdure)
    assert "no subscriptions" in perdure("subscriptions", "list").out
    flags = ("--name", "one", "--from", "earliest", "--max-in-flight", "5")
    letters = ("--dead-letter-failures", "--option", "client.id=us")
    made = perdure(
        "subscriptions", "create", "shop/orders", "returns", "Counter/add", *flags, *letters
    )
    assert made.code == 0, made
    assert "kafka://shop/orders,returns -> service://Counter/add" in made.out
    view = perdure("subscriptions", "describe", "one", "--json").json
    assert view["starts"] == {"orders": [0, 0], "returns": [0]}
    assert (view["max_in_flight"], view["dead_letter_failures"]) == (5, True)
    assert view["options"] == {"client.id": "us"}
    assert "one" in perdure("subscriptions", "list").out
    assert len(perdure("subscriptions", "list", "--json").json) == 1
    described = perdure("subscriptions", "describe", "one").out
    assert "STARTED AT" in described and "returns" in described
    paused = perdure("subscriptions", "pause", "one", "--reason", "a deployment")
    assert paused.code == 0 and "paused" in paused.out
    assert "a deployment" in perdure("subscriptions", "list").out
    assert perdure("subscriptions", "resume", "one", "--past-gap").code == 0
    sought = perdure("subscriptions", "seek", "one", "orders/0=3", "--json").json
    assert sought["starts"] == {"orders": [3, -1], "returns": [-1]}
    assert "where it was" in perdure("subscriptions", "describe", "one").out
    again = perdure("subscriptions", "replay", "one", "latest", "--json").json
    assert again["starts"] == {"orders": [5, 0], "returns": [0]} and again["generation"] == 3
    update = ("--max-in-flight", "0", "--no-dead-letter-failures", "--option", "linger.ms=1")
    updated = perdure("subscriptions", "update", "one", *update, "--json").json
    assert (updated["max_in_flight"], updated["dead_letter_failures"]) == (0, False)
    assert updated["options"] == {"client.id": "us", "linger.ms": "1"} and updated["name"] == "one"
    deleted = perdure("subscriptions", "delete", "one", "--json").json
    assert deleted == {"deleted": view["id"]}
    gone = perdure("subscriptions", "delete", "one")
    assert gone.code == 1 and "[PD0617]" in gone.err


def test_how_subscriptions_stand(it: World, perdure: Perdure) -> None:
    with_cluster(perdure)
    made = perdure("subscriptions", "create", "shop/orders", "Counter/add", "--json").json
    source = source_at(0, 1)
    reason = "orders/3 begins at 8 now: offset 5 is gone"
    view = SourceView(source_key(source), source, 1, 5, 4, 1, 20, "stopped", reason)
    it.subscriptions[made["id"]] = SubscriptionView("stopped", reason, 15, (view,))
    (listed,) = perdure("subscriptions", "list", "--json").json
    assert (listed["status"], listed["reason"], listed["lag"]) == ("stopped", reason, 15)
    head, line = perdure("subscriptions", "list").out.splitlines()
    assert "LAG" in head and "stopped  15   " + reason in line
    described = perdure("subscriptions", "describe", made["id"]).out.splitlines()
    assert described[-2].split() == [
        *("TOPIC", "PARTITION", "POSITION", "END", "LAG", "LIVE", "STATUS", "REASON")
    ]
    place = ["orders", str(source.partition), "5", "20", "15", "1", "stopped"]
    assert described[-1].split()[:7] == place and described[-1].endswith(reason)
    (found,) = perdure("subscriptions", "describe", made["id"], "--json").json["sources"]
    assert (found["position"], found["committed"], found["end"]) == (5, 4, 20)


def test_an_ingress_topic(perdure: Perdure) -> None:
    with_cluster(perdure)
    made = perdure("subscriptions", "create", "--ingress", "shop/orders", "shop/returns")
    assert made.code == 0, made
    assert "kafka://shop/orders,returns -> what the headers name" in made.out
    alone = perdure("subscriptions", "create", "shop/orders")
    assert alone.code == 2 and "Service/handler" in alone.err


def test_subscriptions_that_wait_or_are_refused(it: World, perdure: Perdure) -> None:
    with_cluster(perdure)
    refused = perdure("subscriptions", "create", "none", "Counter/add")
    assert refused.code == 1 and "[PD0614]" in refused.err
    kept = perdure("subscriptions", "create", "none", "Counter/add", "--force")
    assert "there is no topic none yet" in kept.out
    nowhere = perdure("subscriptions", "create", "orders", "Counter/none")
    assert nowhere.code == 1 and "Register its deployment first" in nowhere.err
    point = perdure("subscriptions", "create", "orders", "Counter/add", "--from", "soon")
    assert point.code == 1 and "write earliest, latest" in point.err


def test_a_subscription_that_is_there_may_be_left_as_it_is(perdure: Perdure) -> None:
    with_cluster(perdure)
    create = ("subscriptions", "create", "shop/orders", "Counter/add", "--json")
    first = perdure(*create, "--if-absent", "--name", "one").json
    again = perdure(*create, "--if-absent", "--name", "one")
    assert again.code == 0 and again.json["id"] == first["id"]
    assert perdure(*create, "--name", "one").code == 1
    unnamed = perdure(*create, "--if-absent")
    assert unnamed.code == 2 and "--name" in unnamed.err
    assert len(perdure("subscriptions", "list", "--json").json) == 1


def test_dead_letters(it: World, perdure: Perdure, tmp_path: Path) -> None:
    source = source_at(0, 1)
    asked: list[str] = []

    def fill() -> None:
        it.bench.do(opened(it.bench, source))
        for n in range(3):
            it.bench.do(intake(it.bench, source, n, unusable(it.bench, source, n)))

    def rows(sql: str) -> list[dict[str, Any]]:
        asked.append(sql)
        found = letters(it.bench)
        return [_row(key, row) for key, row in found if " id = " not in sql or key.hex() in sql]

    it.loop.call_soon_threadsafe(fill)
    it.query.rows = rows
    listed = perdure("dlq", "list", "--topic", "orders", "--subscription", "sub_1")
    assert "no_key" in listed.out and "orders/0/0" in listed.out
    assert "WHERE topic = 'orders' AND (subscription_id = 'sub_1' OR" in asked[0]
    first, second, third = (one["id"] for one in perdure("dlq", "list", "--json").json)
    assert "no key" in perdure("dlq", "show", first).out
    for key, shown in (("616e6e", "ann"), ("ff", "hex ff")):
        it.query.rows = lambda sql, key=key: [row | {"record_key": key} for row in rows(sql)]
        assert (
            perdure("dlq", "show", first).out.split("record_key")[1].split("\n")[0].strip() == shown
        )
    it.query.rows = rows
    needs = perdure("dlq", "redrive", first)
    assert needs.code == 1 and "it would fail again" in needs.err
    (tmp_path / "value").write_bytes(b"5")
    value = ("--value-file", str(tmp_path / "value"))
    done = perdure("dlq", "redrive", first, "--key", "k", *value, "--sink", "Counter/add")
    assert done.code == 0 and "is done again as inv_1" in done.out
    both = perdure("dlq", "redrive", second, third, "--key", "k")
    assert both.code == 2 and "one dead letter, named by its id" in both.err
    assert perdure("dlq", "redrive", second, "--value", "1", *value).code == 2
    assert perdure("dlq", "drop", second).code == 0
    again = perdure("dlq", "drop", second, third, "--json")  # the first one is gone
    assert again.code == 1 and again.json["dropped"] == [third]
    assert "PD0631" in again.json["refused"][0]["error"]
    assert "no dead letters" in perdure("dlq", "list").out
    assert perdure("dlq", "show", second).code == 1


def test_many_dead_letters(it: World, perdure: Perdure) -> None:
    """Those that are chosen, after a question; one that is refused holds up no other."""
    source = source_at(0, 1)
    asked: list[str] = []

    def fill() -> None:
        it.bench.do(opened(it.bench, source))
        for n in range(120):
            it.bench.do(intake(it.bench, source, n, unusable(it.bench, source, n)))

    def rows(sql: str) -> list[dict[str, Any]]:
        asked.append(sql)
        return [_row(key, row) for key, row in letters(it.bench)]

    it.loop.call_soon_threadsafe(fill)
    it.query.rows = rows
    for which in ((), ("0-12", "--all"), ("0-12", "--topic", "t")):
        assert perdure("dlq", "drop", *which).code == 2
    unasked = perdure("dlq", "redrive", "--all")
    assert unasked.code == 2 and "redrive 120 dead letters?" in unasked.err
    keyless = perdure("dlq", "redrive", "--reason", "no_key", "--yes", "--json")
    assert keyless.code == 1 and len(keyless.json) == 120
    assert asked[-1].endswith("WHERE reason = 'no_key' ORDER BY created_at, id")
    assert all("it would fail again" in one["error"] for one in keyless.json)
    edits = ("--sink", "Greeter/greet", "--without-header", "trace", "--without-header", "null")
    away = perdure("dlq", "redrive", "--topic", "orders", *edits, "--yes")
    assert away.code == 0 and "and so on: 120 dead letters done again, 0 refused" in away.out
    none = perdure("dlq", "drop", "--all")
    assert none.code == 0 and "nothing was done" in none.out


def _row(key: bytes, row: DeadLetterRow) -> dict[str, Any]:
    return {
        "id": f"0-{key.hex()}",
        "reason": row.letter.reason,
        "message": row.letter.message,
        "topic": "orders",
        "topic_partition": 0,
        "topic_offset": 0,
        "created_at": "2026-11-26T00:00:00Z",
    }


def test_feeds(it: World, perdure: Perdure) -> None:
    with_cluster(perdure)
    it.brokers["b:9092"].make("perdure.state.Counter", 1)
    assert perdure("feeds", "list").out == "events: off\nstate: off\n"
    assert perdure("feeds", "enable", "events", "--force").out == "events: on\nstate: off\n"
    enabled = perdure("feeds", "enable", "state", "Counter", "--json").json
    assert enabled == {"events": True, "state": ["Counter"]}
    assert perdure("feeds", "disable", "events").out == "events: off\nstate: Counter\n"
    assert perdure("feeds", "enable", "state").code == 2
    assert perdure("feeds", "enable", "events", "Counter").code == 2
    plain = perdure("feeds", "enable", "state", "Greeter")
    assert plain.code == 1 and "no state to publish" in plain.err
