"""Dead letters by the admin API: redriven as they were or edited, dropped, refused."""

import base64
from collections.abc import Iterator
from typing import Any

import pytest
from msgspec.structs import replace

from orchestrator.brokers.memory import HeldPartition, HeldTopic
from orchestrator.brokers.reader_port import InRecord
from orchestrator.model.ids import workflow_id
from orchestrator.model.invoke import Invoke
from orchestrator.model.records import OutboxRefused
from orchestrator.model.topics import NO_TOPIC
from orchestrator.model.values import WORKFLOW_RUN
from perdure.wire.ids import parse_invocation_id
from tests.unit.admin.world import KeptFacts, World, world
from tests.unit.machine.bench import uid
from tests.unit.machine.topic_records import (
    intake,
    letters,
    opened,
    request,
    send,
    source_at,
    unusable,
)

OURS = "/perdure/v1/dead-letters"
SOURCE = source_at(0, 1)


@pytest.fixture
def it() -> Iterator[World]:
    with world() as made:
        made.register()
        yield made


def letter_of(it: World, *, service: str = "Counter", handler: str = "add", **more: Any) -> str:
    """A record without key for a keyed target, whose subscription is gone."""
    bench = it.bench
    letter = replace(unusable(bench, SOURCE, 0, b"7"), service=service, handler=handler, **more)
    it.loop.call_soon_threadsafe(bench.do, opened(bench, SOURCE))
    it.loop.call_soon_threadsafe(bench.do, intake(bench, SOURCE, 0, letter))
    return kept(it)


def kept(it: World) -> str:
    async def look() -> str:
        ((key, _),) = letters(it.bench)
        return f"0-{key.hex()}"

    name: str = it.wait(look())
    return name


def left(it: World) -> int:
    async def look() -> int:
        return len(letters(it.bench))

    count: int = it.wait(look())
    return count


def invoked(it: World, answer: Any) -> Invoke:
    assert answer.status == 200, answer
    identity = parse_invocation_id(answer.json["invocation_id"])

    async def look() -> Invoke:
        row = it.bench.state.invocations.get(identity)
        assert row is not None
        return row.invoke

    found: Invoke = it.wait(look())
    return found


def test_edited_and_done_again_once(it: World) -> None:
    name = letter_of(it)
    refused = it.ask("POST", f"{OURS}/{name}/redrive", {})
    assert refused.status == 422 and "needs a key" in refused.json["message"]
    assert left(it) == 1
    edits = {"key": "k", "value_text": "8"}
    made = invoked(it, it.ask("POST", f"{OURS}/{name}/redrive", edits))
    assert (made.service, made.handler, made.key, made.body) == ("Counter", "add", "k", b"8")
    assert made.origin is not None and not made.origin.holds_slot
    assert left(it) == 0
    assert it.ask("POST", f"{OURS}/{name}/redrive", edits).status == 404


def test_to_another_handler(it: World) -> None:
    name = letter_of(it)
    nowhere = it.ask("POST", f"{OURS}/{name}/redrive", {"sink": "Greeter/none"})
    assert nowhere.status == 422 and "not found" in nowhere.json["message"]
    value = {"value_base64": base64.b64encode(b"\xff").decode()}
    made = invoked(it, it.ask("POST", f"{OURS}/{name}/redrive", {"sink": "Greeter/greet"} | value))
    assert (made.service, made.body) == ("Greeter", b"\xff")
    assert ("kafka.offset", "0") in made.headers


def test_without_a_header_that_cannot_be_used(it: World) -> None:
    origin = unusable(it.bench, SOURCE, 0).origin
    assert origin is not None
    headers = (("perdure-delay", b"soon"), ("mine", b"1"), ("perdure-delay", b""))
    name = letter_of(
        it, service="Greeter", handler="greet", origin=replace(origin, headers=headers)
    )
    refused = it.ask("POST", f"{OURS}/{name}/redrive", {})
    assert refused.status == 422 and "bad delay" in refused.json["message"]
    without = {"without_headers": ["perdure-delay"]}
    made = invoked(it, it.ask("POST", f"{OURS}/{name}/redrive", without))
    assert dict(made.headers)["mine"] == "1" and made.start_at_ms == 0
    assert made.origin is not None and made.origin.headers == (("mine", b"1"),)


def test_one_that_would_only_be_repeated_is_refused(it: World) -> None:
    name = letter_of(it, service="Signup", handler="run")
    running = {"service": "Signup", "handler": "run", "key": "w", "kind": WORKFLOW_RUN}
    first = workflow_id("Signup", "w")
    it.loop.call_soon_threadsafe(lambda: it.bench.invoke(first, **running))
    known = it.ask("POST", f"{OURS}/{name}/redrive", {"key": "w"})
    assert known.status == 409 and "purge it first" in known.json["message"]
    assert left(it) == 1
    assert invoked(it, it.ask("POST", f"{OURS}/{name}/redrive", {"key": "v"})).key == "v"


def test_what_was_too_large_needs_a_value(it: World) -> None:
    name = letter_of(it, service="Greeter", handler="greet", value=None, value_bytes=99)
    refused = it.ask("POST", f"{OURS}/{name}/redrive", {})
    assert refused.status == 422 and "too large to be kept" in refused.json["message"]
    assert it.ask("POST", f"{OURS}/{name}/redrive", {"value_text": "1"}).status == 200


def test_what_was_too_large_is_read_from_its_topic_again(it: World) -> None:
    """If the limit is higher now, and the topic is the same and still has it."""
    made = {"name": "shop", "properties": {"bootstrap.servers": "b:9092"}}
    facts = it.brokers["b:9092"] = KeptFacts("kafka-b")
    assert it.ask("POST", "/kafka-clusters", made).status == 201
    origin = unusable(it.bench, SOURCE, 0).origin
    assert origin is not None
    there = replace(origin, source=replace(SOURCE, cluster="shop"))
    large = {"value": None, "value_bytes": 5, "origin": there}
    name = letter_of(it, service="Greeter", handler="greet", **large)
    at = "orders", SOURCE.partition, 0
    facts.records[at] = InRecord(0, 1, None, b"large", ())
    for topic_id in (b"x" * 16, SOURCE.topic_id):
        facts.by_name["orders"] = HeldTopic(topic_id, [HeldPartition()])
        gone = it.ask("POST", f"{OURS}/{name}/redrive", {})
        assert gone.status == 422 and "does not have it" in gone.json["message"]
        facts.records.clear()
    facts.records[at] = InRecord(0, 1, None, b"large", ())
    assert invoked(it, it.ask("POST", f"{OURS}/{name}/redrive", {})).body == b"large"
    assert left(it) == 0


def test_a_send_is_sent_again(it: World) -> None:
    bench = it.bench

    def fail() -> None:
        send(bench, uid(1), request(False))
        ((lane, _),) = [(n, one) for n, one in bench.state.partition_row.lanes.items() if n > 1]
        bench.do(OutboxRefused(bench.epoch, bench.now_ms, lane, 1, NO_TOPIC, "no such topic"))

    it.loop.call_soon_threadsafe(fail)
    name = kept(it)
    refused = it.ask("POST", f"{OURS}/{name}/redrive", {"key": "k"})
    assert refused.status == 422 and "only the request" in refused.json["message"]
    bad = it.ask("POST", f"{OURS}/{name}/redrive", {"value_text": "{}"})
    assert bad.status == 422 and "topic" in bad.json["message"]
    assert it.ask("POST", f"{OURS}/{name}/redrive", {}).status == 200
    assert left(it) == 0


def test_drop_and_what_is_no_letter(it: World) -> None:
    name = letter_of(it)
    for path, status in (
        (f"{OURS}/{name[:-1]}", 400),
        (f"{OURS}/x", 400),
        (f"{OURS}/7{name[1:]}", 404),
        (f"{OURS}/{name[:-1]}1", 404),
    ):
        assert it.ask("DELETE", path).status == status, path
        assert it.ask("POST", path + "/redrive", {}).status == status, path
    both = {"value_text": "a", "value_base64": "YQ=="}
    assert it.ask("POST", f"{OURS}/{name}/redrive", both).status == 400
    assert it.ask("POST", f"{OURS}/{name}/redrive", {"value_base64": "?"}).status == 400
    assert it.ask("DELETE", f"{OURS}/{name}").status == 202
    assert it.ask("DELETE", f"{OURS}/{name}").status == 404 and left(it) == 0
