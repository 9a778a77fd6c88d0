"""From a dead letter to the invocation that does again what failed.

A record goes through the same door as when it was read, with the metadata of now.
"""

from typing import Final

import msgspec
from msgspec.structs import replace

from orchestrator.brokers.reader_port import InRecord
from orchestrator.door.invocations import is_named, make_invoke
from orchestrator.door.refusals import Refused
from orchestrator.door.sends import SEND_HANDLER, read_send, with_request
from orchestrator.door.targets import find_public_handler
from orchestrator.intake.items import SourceFacts, make_item
from orchestrator.model.ids import key_partition_key, placed_key
from orchestrator.model.invoke import Invoke
from orchestrator.model.topic_records import DeadLetter
from orchestrator.model.topics import RecordOrigin
from orchestrator.registry.schema import Handler, Registry
from orchestrator.registry.stored_topics import StoredSubscription

_SPREAD: Final = 1 << 32


class RedriveRefused(Exception):
    """Why it cannot be done again like this."""


class Edits(msgspec.Struct, frozen=True):
    """What is to be different; None and "" leave it as it was."""

    key: bytes | None = None
    value: bytes | None = None
    service: str = ""
    handler: str = ""
    without_headers: frozenset[str] = frozenset()


def redriven(
    letter: DeadLetter,
    partition: int,
    partition_count: int,
    edits: Edits,
    registry: Registry,
    engine: str,
    payload_bytes_max: int,
    fresh: bytes,
    now_ms: int,
) -> Invoke:
    """`fresh` are 16 new bytes; `engine` is the name of the engine's cluster."""
    near = placed_key(partition, partition_count, int.from_bytes(fresh[:4], "big")) + fresh
    if letter.origin is None:
        return _sent(letter, edits, registry, engine, near, now_ms)
    value = letter.value if edits.value is None else edits.value
    if value is None and letter.value_bytes:
        raise RedriveRefused(
            f"its value of {letter.value_bytes} bytes was too large to be kept, and the topic does"
            " not have it any more: give a value"
        )
    facts = SourceFacts(
        engine,
        letter.origin.source,
        letter.origin.generation,
        letter.origin.home,
        _subscription(letter, letter.origin, registry),
        payload_bytes_max,
    )
    item = make_item(
        _record(letter.origin, edits, value),
        facts,
        _handler(facts.subscription, edits, registry),
        registry,
        now_ms,
    )
    if isinstance(item, DeadLetter):
        raise RedriveRefused(f"it would fail again: {item.message}")
    return _as_new(item, registry, near)


def _record(origin: RecordOrigin, edits: Edits, value: bytes | None) -> InRecord:
    key = origin.key if edits.key is None else edits.key
    kept = tuple(one for one in origin.headers if one[0] not in edits.without_headers)
    return InRecord(origin.offset, origin.timestamp_ms, key, value, kept)


def _subscription(
    letter: DeadLetter, origin: RecordOrigin, registry: Registry
) -> StoredSubscription:
    """As it is now; one that is gone is taken for what it was."""
    known = registry.topics.subscriptions.get(origin.source.subscription)
    if known is not None:
        return known
    source = origin.source
    return StoredSubscription(
        source.subscription, "", source.cluster, (source.topic,), letter.service, letter.handler
    )


def _handler(subscription: StoredSubscription, edits: Edits, registry: Registry) -> Handler | None:
    service = edits.service or subscription.service
    name = edits.handler or subscription.handler
    if not service:
        return None
    try:
        return find_public_handler(registry, service, name)
    except Refused as refused:
        raise RedriveRefused(refused.refusal.message) from None


def _as_new(item: Invoke, registry: Registry, near: bytes) -> Invoke:
    """Another id than the first time, which may still be known; but for named ones.

    It holds no slot of its source, which went on long ago.
    """
    assert item.origin is not None, "it was made from a record"
    made = replace(item, origin=replace(item.origin, holds_slot=False))
    handler = registry.handler(item.service, item.handler)
    if handler is not None and is_named(handler, item.idempotency_key):
        return made
    start = key_partition_key(item.key) if handler is not None and handler.keyed else near[:8]
    return replace(made, id=start + near[8:])


def _sent(
    letter: DeadLetter, edits: Edits, registry: Registry, engine: str, near: bytes, now_ms: int
) -> Invoke:
    assert letter.produce is not None, "a dead letter without origin is that of a send"
    if edits.service or edits.key is not None or edits.without_headers:
        raise RedriveRefused("of a send only the request can be edited: give it as the value")
    request = letter.produce
    try:
        if edits.value is not None:
            request = read_send(edits.value, registry, engine, False)
    except Refused as refused:
        raise RedriveRefused(refused.refusal.message) from None
    if request.refusal:
        raise RedriveRefused(f"it would fail again: {request.refusal}")
    invoke = make_invoke(SEND_HANDLER, near, "", b"", (), now_ms)
    return with_request(invoke, replace(request, awaited=False))
