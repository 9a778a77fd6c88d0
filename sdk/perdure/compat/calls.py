"""Calls and sends of a handler, alone and within a scope."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from perdure import context
from perdure.compat.entry_codec import JournalValueCodec
from perdure.compat.futures import RestateDurableCallFuture, RestateDurableFuture, SendHandle
from perdure.compat.serde import BytesSerde, DefaultSerde, OfOurs, Serde, for_type
from perdure.definitions import HandlerRef, target_of
from perdure.futures import Future

Headers = Mapping[str, str]


class Calls:
    """What calls handlers: a context, or one within a scope."""

    def __init__(self, ours: Any, codec: JournalValueCodec | None = None) -> None:
        self._ours: context.Context = ours
        self._codec = codec

    def _encode(self, serde: Serde[Any], value: Any) -> bytes:
        data = bytes(serde.serialize(value))
        return data if self._codec is None else self._codec.encode(data)

    def _future(
        self, inner: Future[Any], serde: Serde[Any] | None, type_hint: Any = None
    ) -> RestateDurableFuture[Any]:
        found = for_type(serde or DefaultSerde(), type_hint)
        return RestateDurableFuture(inner, found, self._codec)

    def _call(
        self, service: str, handler: str, data: bytes, serde: Serde[Any], options: dict[str, Any]
    ) -> RestateDurableCallFuture[Any]:
        inner = self._ours.call(f"{service}/{handler}", data, returns=bytes, **options)
        return RestateDurableCallFuture(inner, serde, self._codec)

    def _call_handler(
        self, target: Any, arg: Any, options: dict[str, Any]
    ) -> RestateDurableCallFuture[Any]:
        ref, taken, given = serdes_of(target)
        data = self._encode(taken, arg) if ref.takes_input else b""
        return self._call(ref.service, ref.name, data, given, options)

    def _send_handler(self, target: Any, arg: Any, options: dict[str, Any]) -> SendHandle:
        ref, taken, _ = serdes_of(target)
        data = self._encode(taken, arg) if ref.takes_input else b""
        return SendHandle(self._ours.send(f"{ref.service}/{ref.name}", data, **options))

    def service_call(
        self,
        tpe: Any,
        arg: Any,
        idempotency_key: str | None = None,
        headers: Headers | None = None,
    ) -> RestateDurableCallFuture[Any]:
        """Call a handler of a service."""
        return self._call_handler(tpe, arg, call_keywords(idempotency_key, headers))

    def service_send(
        self,
        tpe: Any,
        arg: Any,
        send_delay: timedelta | None = None,
        idempotency_key: str | None = None,
        headers: Headers | None = None,
    ) -> SendHandle:
        """Have a handler of a service called."""
        options = call_keywords(idempotency_key, headers, delay=send_delay)
        return self._send_handler(tpe, arg, options)

    def object_call(
        self,
        tpe: Any,
        key: str,
        arg: Any,
        idempotency_key: str | None = None,
        headers: Headers | None = None,
    ) -> RestateDurableCallFuture[Any]:
        """Call a handler of an object."""
        return self._call_handler(tpe, arg, call_keywords(idempotency_key, headers, key=key))

    def object_send(
        self,
        tpe: Any,
        key: str,
        arg: Any,
        send_delay: timedelta | None = None,
        idempotency_key: str | None = None,
        headers: Headers | None = None,
    ) -> SendHandle:
        """Have a handler of an object called."""
        options = call_keywords(idempotency_key, headers, key=key, delay=send_delay)
        return self._send_handler(tpe, arg, options)

    workflow_call = object_call
    workflow_send = object_send

    def generic_call(
        self,
        service: str,
        handler: str,
        arg: bytes,
        key: str | None = None,
        idempotency_key: str | None = None,
        headers: Headers | None = None,
        scope: str | None = None,
        limit_key: str | None = None,
    ) -> RestateDurableCallFuture[bytes]:
        """Call a handler by its name with bytes."""
        options = call_keywords(idempotency_key, headers, key=key, scope=scope, limit_key=limit_key)
        data = self._encode(BytesSerde(), arg)
        return self._call(service, handler, data, BytesSerde(), options)

    def generic_send(
        self,
        service: str,
        handler: str,
        arg: bytes,
        key: str | None = None,
        send_delay: timedelta | None = None,
        idempotency_key: str | None = None,
        headers: Headers | None = None,
        scope: str | None = None,
        limit_key: str | None = None,
    ) -> SendHandle:
        """Have a handler called by its name with bytes."""
        more = {"key": key, "delay": send_delay, "scope": scope, "limit_key": limit_key}
        options = call_keywords(idempotency_key, headers, **more)
        data = self._encode(BytesSerde(), arg)
        return SendHandle(self._ours.send(f"{service}/{handler}", data, **options))


class ScopedContext:
    """Calls and sends within a scope."""

    def __init__(self, ours: Any, codec: JournalValueCodec | None, scope: str) -> None:
        self._calls = Calls(ours, codec)
        self._scope = scope

    def service_call(
        self,
        tpe: Any,
        arg: Any,
        limit_key: str | None = None,
        idempotency_key: str | None = None,
        headers: Headers | None = None,
    ) -> RestateDurableCallFuture[Any]:
        """Call a handler of a service."""
        options = self._options(idempotency_key, headers, limit_key=limit_key)
        return self._calls._call_handler(tpe, arg, options)

    def service_send(
        self,
        tpe: Any,
        arg: Any,
        send_delay: timedelta | None = None,
        limit_key: str | None = None,
        idempotency_key: str | None = None,
        headers: Headers | None = None,
    ) -> SendHandle:
        """Have a handler of a service called."""
        options = self._options(idempotency_key, headers, limit_key=limit_key, delay=send_delay)
        return self._calls._send_handler(tpe, arg, options)

    def object_call(
        self,
        tpe: Any,
        key: str,
        arg: Any,
        limit_key: str | None = None,
        idempotency_key: str | None = None,
        headers: Headers | None = None,
    ) -> RestateDurableCallFuture[Any]:
        """Call a handler of an object."""
        options = self._options(idempotency_key, headers, key=key, limit_key=limit_key)
        return self._calls._call_handler(tpe, arg, options)

    def object_send(
        self,
        tpe: Any,
        key: str,
        arg: Any,
        send_delay: timedelta | None = None,
        limit_key: str | None = None,
        idempotency_key: str | None = None,
        headers: Headers | None = None,
    ) -> SendHandle:
        """Have a handler of an object called."""
        more = {"key": key, "limit_key": limit_key, "delay": send_delay}
        options = self._options(idempotency_key, headers, **more)
        return self._calls._send_handler(tpe, arg, options)

    workflow_call = object_call
    workflow_send = object_send

    def _options(
        self, idempotency_key: str | None, headers: Headers | None, **more: Any
    ) -> dict[str, Any]:
        return call_keywords(idempotency_key, headers, scope=self._scope, **more)


def call_keywords(
    idempotency_key: str | None, headers: Headers | None, **more: Any
) -> dict[str, Any]:
    """Return the keywords of a call as they are passed on."""
    return {"idempotency_key": idempotency_key, "headers": headers, **more}


class _FromOurs(Serde[Any]):
    """The serde of a handler that was defined by our own names."""

    def __init__(self, of: Any) -> None:
        self._of = of

    def deserialize(self, buf: bytes) -> Any:
        return self._of.decode(buf)

    def serialize(self, obj: Any) -> bytes:
        return self._of.encode(obj)  # type: ignore[no-any-return]


def serdes_of(target: Any) -> tuple[HandlerRef, Serde[Any], Serde[Any]]:
    """Return a handler with the serdes of its input and its output."""
    ref = target_of(target)
    if not isinstance(ref, HandlerRef):
        raise ValueError("Handler not found")
    taken, given = (
        one.theirs if isinstance(one, OfOurs) else _FromOurs(one) for one in (ref.input, ref.output)
    )
    return ref, taken, given
