"""Headers of a consumed record: those that act here, and those its handler sees. Pure."""

from typing import Final

import msgspec

from orchestrator.door.refusals import RefusalCode, Refused
from orchestrator.model.own_topics import is_no_target
from orchestrator.model.topics import TOPIC_NAME, RecordHeaders, ReplyTo

SERVICE: Final = "perdure-service"
HANDLER: Final = "perdure-handler"
IDEMPOTENCY_KEY: Final = "perdure-idempotency-key"
DELAY: Final = "perdure-delay"
REPLY_TO: Final = "perdure-reply-to"
SPRING_REPLY_TOPIC: Final = "kafka_replyTopic"
SPRING_REPLY_PARTITION: Final = "kafka_replyPartition"
CORRELATION: Final = ("perdure-correlation-id", "kafka_correlationId")

_ACT: Final = {IDEMPOTENCY_KEY, DELAY, REPLY_TO, SPRING_REPLY_TOPIC, SPRING_REPLY_PARTITION,
               *CORRELATION}  # fmt: skip
_NAME_TARGETS: Final = {SERVICE, HANDLER}
_SPRING_BYTES: Final = 4  # Spring writes the partition as an int of Java


class SortedHeaders(msgspec.Struct, gc=False):
    """`acting` are those that mean something, the last of a name; `seen` the handler's."""

    acting: dict[str, bytes]
    seen: dict[str, str]
    left_out_count: int  # that are not UTF-8, or have no value


def sort_headers(headers: RecordHeaders, names_target: bool) -> SortedHeaders:
    """`names_target`: service and handler are named by headers, as on an ingress topic."""
    acting: dict[str, bytes] = {}
    seen: dict[str, str] = {}
    left_out = 0
    for name, value in headers:
        if name in _ACT or (names_target and name in _NAME_TARGETS):
            if value is not None:
                acting[name] = value
            continue
        text = None if value is None else _text(value)
        if text is None:
            left_out += 1
        else:
            seen[name] = text
    return SortedHeaders(acting, seen, left_out)


def text_header(acting: dict[str, bytes], name: str) -> str | None:
    """One that must be text; raises Refused."""
    value = acting.get(name)
    if value is None:
        return None
    text = _text(value)
    if text is None:
        raise Refused(RefusalCode.BAD_HEADERS, f"the header {name} is not UTF-8")
    return text


def reply_of(acting: dict[str, bytes], engine: str, broker_cluster: str) -> ReplyTo | None:
    """Where the result is wanted, if anywhere; raises Refused. `engine` is the engine's cluster."""
    name = REPLY_TO if REPLY_TO in acting else SPRING_REPLY_TOPIC
    topic = text_header(acting, name)
    if topic is None:
        return None
    if not TOPIC_NAME.fullmatch(topic) or topic in (".", ".."):
        raise Refused(RefusalCode.BAD_HEADERS, f"the header {name} names no topic")
    if is_no_target(engine, topic):
        raise Refused(RefusalCode.BAD_HEADERS, f"{name}: {topic} belongs to the engine")
    partition = -1
    raw = acting.get(SPRING_REPLY_PARTITION)
    if name == SPRING_REPLY_TOPIC and raw is not None:
        partition = int.from_bytes(raw, "big", signed=True)
        if len(raw) != _SPRING_BYTES or partition < 0:
            message = f"the header {SPRING_REPLY_PARTITION} is no partition: 4 bytes, big-endian"
            raise Refused(RefusalCode.BAD_HEADERS, message)
    back = tuple((each, acting[each]) for each in CORRELATION if each in acting)
    return ReplyTo(broker_cluster, topic, partition, back)


def _text(value: bytes) -> str | None:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return None
