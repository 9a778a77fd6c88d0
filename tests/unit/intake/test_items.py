"""What becomes of a consumed record: an invocation of its handler, or a dead letter."""

import pytest
from msgspec.structs import replace

from orchestrator.brokers.reader_port import InRecord
from orchestrator.intake.items import HEAD_BYTES_MAX, SourceFacts, make_item
from orchestrator.model.ids import consumed_id, idempotent_id, workflow_id
from orchestrator.model.invoke import Invoke
from orchestrator.model.topic_records import DeadLetter
from orchestrator.model.topics import RecordHeaders, ReplyTo, Source
from orchestrator.model.values import BY_SUBSCRIPTION, OBJECT_EXCLUSIVE, SERVICE, WORKFLOW_RUN
from orchestrator.registry.apply_metadata import MetadataState
from orchestrator.registry.schema import Handler, Registry, ServiceType
from orchestrator.registry.snapshot import Defaults, build_registry
from orchestrator.registry.stored import StoredDeployment, StoredHandler, StoredService
from orchestrator.registry.stored_topics import StoredSubscription

SOURCE = Source("sub_1", "orders", b"i" * 16, 3, "c")
SUBSCRIPTION = StoredSubscription("sub_1", "", "c", ("orders",), "S", "h", max_in_flight=5)
FACTS = SourceFacts("e", SOURCE, 2, 1, SUBSCRIPTION, 1000)
NOW_MS = 1_700_000_000_000


def known() -> Registry:
    services = (
        StoredService("S", ServiceType.SERVICE.value, 1, (StoredHandler("h", SERVICE),)),
        StoredService("O", ServiceType.OBJECT.value, 1, (StoredHandler("h", OBJECT_EXCLUSIVE),)),
        StoredService("W", ServiceType.WORKFLOW.value, 1, (StoredHandler("run", WORKFLOW_RUN),)),
        StoredService(
            "P", ServiceType.SERVICE.value, 1, (StoredHandler("h", SERVICE),), public=False
        ),
    )
    stored = StoredDeployment("dp", "http://x", False, True, 5, 7, (), (), 0, "", services)
    state = MetadataState(deployments={"dp": stored}, latest={one.name: "dp" for one in services})
    return build_registry(state, Defaults())


KNOWN = known()


def handler(service: str, name: str = "h") -> Handler:
    found = KNOWN.handler(service, name)
    assert found is not None
    return found


def record(
    key: bytes | None = b"k", value: bytes | None = b"v", *headers: tuple[str, bytes | None]
) -> InRecord:
    return InRecord(40, 1234, key, value, headers)


def item(of: InRecord, target: Handler | None, facts: SourceFacts = FACTS) -> Invoke | DeadLetter:
    return make_item(of, facts, target, KNOWN, NOW_MS)


def invoked(of: InRecord, target: Handler | None) -> Invoke:
    made = item(of, target)
    assert isinstance(made, Invoke), made
    return made


def letter(of: InRecord, target: Handler | None, facts: SourceFacts = FACTS) -> DeadLetter:
    made = item(of, target, facts)
    assert isinstance(made, DeadLetter), made
    return made


def test_an_invocation_has_its_origin_whole_and_headers_that_are_text() -> None:
    raw: RecordHeaders = (
        ("a", b"1"),
        ("a", b"2"),
        ("b", b"\xff"),
        ("n", None),
        ("kafka.topic", b"x"),
    )
    made = invoked(record(b"\xff", b"v", *raw), handler("S"))
    assert made.origin is not None and made.by == BY_SUBSCRIPTION and made.body == b"v"
    assert (made.origin.headers, made.origin.key, made.origin.offset) == (raw, b"\xff", 40)
    assert made.origin.holds_slot and made.origin.home == 1 and made.origin.generation == 2
    seen = dict(made.headers)
    assert seen["a"] == "2" and "b" not in seen and "n" not in seen
    assert seen["kafka.topic"] == "orders" and seen["kafka.partition"] == "3"
    assert seen["kafka.offset"] == "40" and seen["kafka.timestamp"] == "1234"
    assert seen["restate.subscription.id"] == "sub_1"


def test_ids_are_those_of_the_record_or_of_what_names_the_invocation() -> None:
    assert invoked(record(), handler("S")).id == consumed_id(SOURCE, 2, 40, None)
    assert invoked(record(), handler("O")).id == consumed_id(SOURCE, 2, 40, "k")
    assert invoked(record(), handler("W", "run")).id == workflow_id("W", "k")
    once = record(b"k", b"v", ("perdure-idempotency-key", b"once"))
    assert invoked(once, handler("O")).id == idempotent_id("O", "k", "h", "once")


def test_headers_that_act() -> None:
    made = invoked(
        record(
            b"k", None,
            ("perdure-delay", b"10s"), ("perdure-reply-to", b"answers"),
            ("perdure-correlation-id", b"\xff"), ("kafka_correlationId", b"c"),
            ("perdure-service", b"seen"),
        ),
        handler("S"),
    )  # fmt: skip
    assert made.start_at_ms == NOW_MS + 10_000 and made.body == b""
    assert made.origin is not None and made.origin.reply == ReplyTo(
        "c", "answers", -1, (("perdure-correlation-id", b"\xff"), ("kafka_correlationId", b"c"))
    )
    seen = dict(made.headers)
    assert seen["perdure-service"] == "seen" and "perdure-reply-to" not in seen


def test_a_reply_as_spring_asks_for_it() -> None:
    asked = (("kafka_replyTopic", b"answers"), ("kafka_replyPartition", b"\0\0\0\x02"))
    made = invoked(record(b"k", b"v", *asked), handler("S"))
    assert made.origin is not None and made.origin.reply == ReplyTo("c", "answers", 2, ())


@pytest.mark.parametrize(
    ("target", "of", "reason"),
    [
        ("O", record(None), "no_key"),
        ("O", record(b"\xff"), "key_not_utf8"),
        ("O", record(b"k" * 5000), "key_too_long"),
        ("S", record(b"k", b"v" * 1001), "too_large"),
        ("S", record(b"k" * (HEAD_BYTES_MAX + 1)), "too_large"),
        ("S", record(b"k", b"v", ("perdure-delay", b"soon")), "bad_header"),
        ("S", InRecord(40, 1234, b"k", b"v", (), lacks_headers=True), "bad_header"),
        ("S", record(b"k", b"v", ("perdure-idempotency-key", b"\xff")), "bad_header"),
        ("W", record(b"k", b"v", ("perdure-idempotency-key", b"x")), "bad_header"),
        ("S", record(b"k", b"v", ("perdure-reply-to", b"e.ledger")), "bad_header"),
        ("S", record(b"k", b"v", ("perdure-reply-to", b"")), "bad_header"),
        ("S", record(b"k", b"v", ("kafka_replyTopic", b"no/topic")), "bad_header"),
        (
            "S",
            record(b"k", b"v", ("kafka_replyTopic", b"t"), ("kafka_replyPartition", b"1")),
            "bad_header",
        ),
    ],
)
def test_what_cannot_be_used(target: str, of: InRecord, reason: str) -> None:
    made = letter(of, handler(target, "run" if target == "W" else "h"))
    assert made.reason == reason and made.message and made.origin is not None
    assert made.value_bytes == len(of.value or b"") and not made.origin.holds_slot
    assert (made.value is None) == (reason == "too_large")


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ((), "bad_header"),
        ((("perdure-service", b"S"),), "bad_header"),
        ((("perdure-service", b"X"), ("perdure-handler", b"h")), "unknown_handler"),
        ((("perdure-service", b"S"), ("perdure-handler", b"x")), "unknown_handler"),
        ((("perdure-service", b"P"), ("perdure-handler", b"h")), "private_handler"),
        ((("perdure-service", b"\xff"), ("perdure-handler", b"h")), "bad_header"),
    ],
)
def test_an_ingress_record_that_names_no_target(headers: RecordHeaders, reason: str) -> None:
    assert letter(record(b"k", b"v", *headers), None).reason == reason


def test_an_ingress_record_names_its_target_in_headers_that_nobody_else_sees() -> None:
    named = (("perdure-service", b"O"), ("perdure-handler", b"h"), ("mine", b"1"))
    made = invoked(record(b"k", b"v", *named), None)
    assert (made.service, made.handler, made.key) == ("O", "h", "k")
    assert dict(made.headers)["mine"] == "1" and "perdure-service" not in dict(made.headers)


def test_what_comes_from_the_feed_of_events_is_quiet() -> None:
    facts = replace(FACTS, source=replace(SOURCE, topic="e.events"))
    made = item(record(), handler("S"), facts)
    assert isinstance(made, Invoke) and made.quiet
    assert not invoked(record(), handler("S")).quiet
