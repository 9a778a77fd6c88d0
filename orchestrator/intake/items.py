"""From a consumed record to what an Intake carries: an invocation, or a dead letter. Pure."""

from typing import Final

import msgspec

from orchestrator.brokers.reader_port import InRecord
from orchestrator.door.delays import read_delay_ms, start_at_ms
from orchestrator.door.headers import NO_TRACE, check_headers, trace_of
from orchestrator.door.invocations import check_input, make_invoke
from orchestrator.door.keys import check_idempotency_key, check_key
from orchestrator.door.refusals import RefusalCode, Refused
from orchestrator.door.sends import SEND_HANDLER, read_send, with_request
from orchestrator.door.targets import find_public_handler
from orchestrator.intake.headers import (
    DELAY,
    HANDLER,
    IDEMPOTENCY_KEY,
    SERVICE,
    SortedHeaders,
    reply_of,
    sort_headers,
    text_header,
)
from orchestrator.model.ids import consumed_id, idempotent_id, workflow_id
from orchestrator.model.invoke import Invoke
from orchestrator.model.topic_records import DeadLetter
from orchestrator.model.topics import (
    BAD_HEADER,
    BAD_INPUT,
    DEAD_RECORD,
    KEY_NOT_TEXT,
    KEY_TOO_LONG,
    NO_KEY,
    PRIVATE_HANDLER,
    TOO_LARGE,
    UNKNOWN_HANDLER,
    RecordOrigin,
    Source,
    header_bytes,
)
from orchestrator.model.values import BY_SUBSCRIPTION, WORKFLOW_RUN
from orchestrator.registry.schema import Handler, Registry
from orchestrator.registry.stored_topics import StoredSubscription

HEAD_BYTES_MAX: Final = 512 << 10
"""Key and headers of a record that are kept with it. With those that its handler sees they fit into
a message of the log, however small a payload may be at most (MESSAGE_HEADROOM_BYTES)."""

_NO_HEADERS: Final = (
    "the name of one of its headers is not UTF-8, so that none of them can be read: done again it"
    " has none"
)

_REASONS: Final = {
    RefusalCode.UNKNOWN_SERVICE: UNKNOWN_HANDLER,
    RefusalCode.UNKNOWN_HANDLER: UNKNOWN_HANDLER,
    RefusalCode.PRIVATE_HANDLER: PRIVATE_HANDLER,
    RefusalCode.BAD_KEY: KEY_TOO_LONG,
    RefusalCode.BAD_INPUT: BAD_INPUT,
}


class _Unusable(Exception):
    """The record becomes a dead letter: its reason, and a message for people."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class SourceFacts(msgspec.Struct, frozen=True):
    """What all records of a source have in common."""

    engine: str  # name of the engine's cluster
    source: Source
    generation: int
    home: int
    subscription: StoredSubscription
    payload_bytes_max: int


def make_item(
    record: InRecord, facts: SourceFacts, handler: Handler | None, registry: Registry, now_ms: int
) -> Invoke | DeadLetter:
    """`handler` is the subscription's; None: headers name it."""
    headers = sort_headers(record.headers, handler is None)
    return make_sorted_item(record, headers, facts, handler, registry, now_ms)


def make_sorted_item(
    record: InRecord,
    headers: SortedHeaders,
    facts: SourceFacts,
    handler: Handler | None,
    registry: Registry,
    now_ms: int,
) -> Invoke | DeadLetter:
    """As `make_item`, of a record whose headers are sorted."""
    origin = _origin(record, facts)
    service = name = ""
    try:
        if record.lacks_headers:
            raise _Unusable(BAD_HEADER, _NO_HEADERS)
        if len(record.value or b"") > facts.payload_bytes_max:
            raise _Unusable(TOO_LARGE, f"a value may have {facts.payload_bytes_max} bytes")
        if len(record.key or b"") + header_bytes(record.headers) > HEAD_BYTES_MAX:
            origin = msgspec.structs.replace(origin, key=None, headers=())
            raise _Unusable(TOO_LARGE, f"key and headers may have {HEAD_BYTES_MAX} bytes")
        if handler is None:
            service = text_header(headers.acting, SERVICE) or ""
            name = text_header(headers.acting, HANDLER) or ""
            handler = _named(registry, service, name)
        service, name = handler.service, handler.name
        return _invoke(record, facts, handler, headers, origin, registry, now_ms)
    except Refused as refused:
        reason = _REASONS.get(refused.refusal.code, BAD_HEADER)
        return _letter(record, origin, reason, refused.refusal.message, service, name, now_ms)
    except _Unusable as no:
        return _letter(record, origin, no.reason, str(no), service, name, now_ms)


def _named(registry: Registry, service: str, name: str) -> Handler:
    if not service or not name:
        message = f"the headers {SERVICE} and {HANDLER} name the target, and one is missing"
        raise Refused(RefusalCode.BAD_HEADERS, message)
    return find_public_handler(registry, service, name)


def _invoke(
    record: InRecord,
    facts: SourceFacts,
    handler: Handler,
    headers: SortedHeaders,
    origin: RecordOrigin,
    registry: Registry,
    now_ms: int,
) -> Invoke:
    key = _key_of(record, handler)
    idempotency_key = check_idempotency_key(handler, text_header(headers.acting, IDEMPOTENCY_KEY))
    delay = text_header(headers.acting, DELAY)
    reply = reply_of(headers.acting, facts.engine, facts.source.cluster)
    content_type = headers.seen.get("content-type")
    if content_type is not None:
        check_input(handler.input, content_type, not record.value)
    seen = tuple((headers.seen | _own_headers(record, facts)).items())
    check_headers(seen)
    parent = headers.seen.get("traceparent")
    invoke = make_invoke(
        handler,
        _id_of(record, facts, handler, key, idempotency_key),
        key,
        record.value or b"",
        seen,
        now_ms,
        idempotency_key=idempotency_key,
        start_at_ms=0 if delay is None else start_at_ms(now_ms + read_delay_ms(delay), now_ms),
        by=BY_SUBSCRIPTION,
        trace=NO_TRACE if parent is None else trace_of(parent, headers.seen.get("tracestate", "")),
    )
    if handler is SEND_HANDLER:
        request = read_send(invoke.body, registry, facts.engine, reply is not None)
        invoke = with_request(invoke, request)
    return msgspec.structs.replace(
        invoke,
        origin=msgspec.structs.replace(origin, reply=reply),
        quiet=facts.source.topic == f"{facts.engine}.events",
    )


def _key_of(record: InRecord, handler: Handler) -> str:
    """The key of a keyed target; raises _Unusable, Refused."""
    if not handler.keyed:
        return ""
    target = f"{handler.service}/{handler.name}"
    if record.key is None:
        raise _Unusable(NO_KEY, f"{target} needs a key, and the record has none")
    try:
        return check_key(record.key.decode(), "the key of the record")
    except UnicodeDecodeError:
        message = f"{target} needs a key that is UTF-8, and that of the record is not"
        raise _Unusable(KEY_NOT_TEXT, message) from None


def _id_of(
    record: InRecord, facts: SourceFacts, handler: Handler, key: str, idempotency_key: str | None
) -> bytes:
    on = key if handler.keyed else None
    if handler.kind == WORKFLOW_RUN:
        return workflow_id(handler.service, key)
    if idempotency_key is not None:
        return idempotent_id(handler.service, on, handler.name, idempotency_key)
    return consumed_id(facts.source, facts.generation, record.offset, on)


def _own_headers(record: InRecord, facts: SourceFacts) -> dict[str, str]:
    """Headers that the engine adds, with Restate's names. They replace a user's header of the same
    name."""
    own = {
        "kafka.topic": facts.source.topic,
        "kafka.partition": str(facts.source.partition),
        "kafka.offset": str(record.offset),
        "kafka.timestamp": str(record.timestamp_ms),
        "restate.subscription.id": facts.source.subscription,
    }
    if record.key is not None:
        own["kafka.key"] = record.key.decode(errors="replace")
    return own


def _origin(record: InRecord, facts: SourceFacts) -> RecordOrigin:
    subscription = facts.subscription
    return RecordOrigin(
        facts.source,
        facts.generation,
        record.offset,
        record.timestamp_ms,
        record.key,
        record.headers,
        facts.home,
        holds_slot=subscription.max_in_flight > 0,
        dead_letter=subscription.dead_letter_failures,
    )


def _letter(
    record: InRecord,
    origin: RecordOrigin,
    reason: str,
    message: str,
    service: str,
    handler: str,
    now_ms: int,
) -> DeadLetter:
    return DeadLetter(
        DEAD_RECORD,
        reason,
        message,
        now_ms,
        origin=msgspec.structs.replace(origin, holds_slot=False),
        value=None if reason == TOO_LARGE else record.value,
        value_bytes=len(record.value or b""),
        service=service,
        handler=handler,
    )
