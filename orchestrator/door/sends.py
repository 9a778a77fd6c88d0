"""The built-in service `Kafka`: its handler `send` puts a record into a topic, exactly once.

It has no deployment: what is asked for is read here, and what is to be done is in the Invoke.
"""

import base64
import binascii
from typing import Final

import msgspec

from orchestrator.door.refusals import RefusalCode, Refused
from orchestrator.model.invoke import Invoke
from orchestrator.model.lanes import LOG_CLUSTER
from orchestrator.model.own_topics import is_no_target
from orchestrator.model.topics import TOPIC_NAME, ProduceRequest
from orchestrator.model.values import KAFKA, SERVICE
from orchestrator.registry.schema import Registry, ServiceType
from orchestrator.registry.snapshot import Defaults, resolve_deployment
from orchestrator.registry.stored import Settings, StoredDeployment, StoredHandler, StoredService

_NO_JOURNAL: Final = Settings(journal_retention_ms=0)  # nothing ever runs
_SEND_ITSELF: Final = StoredHandler("send", SERVICE)
_ITSELF: Final = StoredService(
    KAFKA, ServiceType.SERVICE.value, 1, (_SEND_ITSELF,), settings=_NO_JOURNAL
)
_NOWHERE: Final = StoredDeployment("", "", False, False, 0, 0, (), (), 0, "", (_ITSELF,))

KAFKA_SERVICE: Final = resolve_deployment(_NOWHERE, Defaults()).services[KAFKA]
SEND_HANDLER: Final = KAFKA_SERVICE.handlers["send"]

_PARTITION_MAX: Final = (1 << 31) - 1
_VALUES: Final = ("value", "value_text", "value_base64")


_ABSENT: Final = msgspec.Raw()


class _Asked(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a request. At most one of the values; none, or null, is a tombstone."""

    topic: str
    key: str | None = None
    value: msgspec.Raw = _ABSENT
    value_text: str | None = None
    value_base64: str | None = None
    headers: dict[str, str | None] = {}
    partition: int | None = None
    cluster: str | None = None


_decode = msgspec.json.Decoder(_Asked).decode

_NONE: Final = (
    "there is none: perdure kafka-clusters create NAME --bootstrap HOST:PORT makes one known"
)


def read_send(body: bytes, registry: Registry, engine: str, awaited: bool) -> ProduceRequest:
    """What a body asks for; raises Refused with the field. `engine` is the engine's cluster."""
    try:
        asked = _decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise _bad(str(error)) from None
    if not TOPIC_NAME.fullmatch(asked.topic) or asked.topic in (".", ".."):
        raise _bad("topic: no topic can have that name")
    if is_no_target(engine, asked.topic):
        raise _bad(f"topic: {asked.topic} belongs to the engine")
    if asked.partition is not None and not 0 <= asked.partition <= _PARTITION_MAX:
        raise _bad("partition: it is a number from 0")
    return ProduceRequest(
        _cluster_of(asked.cluster, registry),
        asked.topic,
        asked.partition,
        None if asked.key is None else asked.key.encode(),
        tuple(
            (name, None if value is None else value.encode())
            for name, value in asked.headers.items()
        ),
        _value_of(asked),
        awaited,
    )


def send_or_refusal(body: bytes, registry: Registry, engine: str, awaited: bool) -> ProduceRequest:
    """As `read_send`; a refusal is in the request instead, for callers that learn of it by the
    outcome."""
    try:
        return read_send(body, registry, engine, awaited)
    except Refused as refused:
        message = refused.refusal.message
        return ProduceRequest("", "", None, None, (), None, awaited, message)


def with_request(invoke: Invoke, request: ProduceRequest) -> Invoke:
    """The Invoke of a send. Its body is dropped, unless the request cannot be read."""
    body = invoke.body if request.refusal else b""
    return msgspec.structs.replace(invoke, body=body, produce=request)


def _value_of(asked: _Asked) -> bytes | None:
    value = bytes(asked.value) or None
    text, encoded = asked.value_text, asked.value_base64
    if sum(one is not None for one in (value, text, encoded)) > 1:
        raise _bad(f"give one of {', '.join(_VALUES)}")
    if text is not None:
        return text.encode()
    if encoded is not None:
        try:
            return base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError) as error:
            raise _bad(f"value_base64: {error}") from None
    return None if value == b"null" else value


def _cluster_of(name: str | None, registry: Registry) -> str:
    """The one that is named; else the log's, or the only one."""
    clusters = registry.topics.clusters
    if name is not None:
        if name not in clusters:
            raise _bad(f"cluster: there is no broker cluster {name[:100]!r}")
        return name
    if LOG_CLUSTER in clusters:
        return LOG_CLUSTER
    if len(clusters) != 1:
        what = "name one of " + ", ".join(sorted(clusters)[:20]) if clusters else _NONE
        raise _bad(f"cluster: {what}")
    return next(iter(clusters))


def _bad(message: str) -> Refused:
    return Refused(RefusalCode.BAD_INPUT, f"{KAFKA}/send: {message}")
