"""Writing to topics: the built-in service `Kafka` of a Perdure server, which other servers lack."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, TypedDict, Unpack

from msgspec import Struct

from perdure.invocations import CallFuture, SendHandle
from perdure.misuse import misuse
from perdure.serde import Serde, as_serde, encode_json, encode_value, serde_for

if TYPE_CHECKING:
    from perdure.calling import Calling

_SERVICE: Final = "Kafka"
_HANDLER: Final = "send"


class Produced(Struct, frozen=True):
    """Where a record is. After a server has taken over from another, `partition` and `offset` may
    be unknown: None."""

    topic: str
    partition: int | None = None
    offset: int | None = None


class RecordOptions(TypedDict, total=False):
    """The keywords of records. `type`, an annotation or Serde, says how the value is encoded;
    `cluster` is a broker cluster of the server's, else the one of its log, or its only one."""

    key: str | None
    headers: Mapping[str, str | None] | None
    partition: int | None
    cluster: str | None
    type: Any


class Kafka:
    """What `ctx.kafka` gives: each record is written exactly once."""

    __slots__ = ("_ctx",)

    def __init__(self, ctx: Calling) -> None:
        self._ctx = ctx

    def send(self, topic: str, value: Any = None, **options: Unpack[RecordOptions]) -> SendHandle:
        """Have a record written; what cannot be becomes a dead letter. `str` and `bytes` travel as
        they are, None is a tombstone, all else is JSON."""
        body = _body(topic, value, **options)
        handle = SendHandle(self._ctx)
        self._ctx.machine.send(handle.invocation_id, _SERVICE, _HANDLER, body)
        return handle

    def produce(
        self, topic: str, value: Any = None, **options: Unpack[RecordOptions]
    ) -> CallFuture[Produced]:
        """The same, and wait until the record is there; a Terminal if it cannot be written."""
        body = _body(topic, value, **options)
        future: CallFuture[Produced] = CallFuture(self._ctx, _produced.decode)
        self._ctx.machine.call(future.invocation_id, future, _SERVICE, _HANDLER, body)
        return future


def _body(
    topic: str,
    value: Any,
    key: str | None = None,
    headers: Mapping[str, str | None] | None = None,
    partition: int | None = None,
    cluster: str | None = None,
    type: Any = None,  # noqa: A002
) -> bytes:
    if not isinstance(topic, str) or not topic:
        raise misuse(f"a topic is named by text, not by {topic!r}")
    if key is not None and not isinstance(key, str):
        raise misuse(f"the key of a record is a str, not {key!r}")
    place = {"topic": topic, "key": key, "partition": partition, "cluster": cluster}
    asked: dict[str, Any] = {name: given for name, given in place.items() if given is not None}
    if headers:
        asked["headers"] = dict(headers)
    if type is not None:
        value = as_serde(type).encode(value)
        try:
            value = value.decode()
        except UnicodeDecodeError:
            pass
    if isinstance(value, str):
        asked["value_text"] = value
    elif isinstance(value, bytes | bytearray | memoryview):
        asked["value_base64"] = base64.b64encode(value).decode()
    elif value is not None:
        # As text, so that the bytes of the record are the ones that were encoded here.
        asked["value_text"] = encode_value(value).decode()
    return encode_json(asked)


_produced: Final[Serde[Produced]] = serde_for(Produced)
