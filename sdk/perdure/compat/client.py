"""The client by the names of `restate.client`. It makes no request twice, as `restate-sdk`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from http import HTTPStatus
from typing import Any

import msgspec

from perdure.client.async_http import AsyncHttp
from perdure.client.places import read_url
from perdure.client.request import LIMIT_KEY, Request, carry_trace, path_of, segments
from perdure.client.retrying import NO_RETRY
from perdure.compat.calls import call_keywords, serdes_of
from perdure.compat.client_types import (
    HttpError,
    RestateClient,
    RestateClientSendHandle,
    RestateScopedClient,
)
from perdure.compat.entry_codec import JournalValueCodec
from perdure.compat.serde import BytesSerde, Serde

Headers = Mapping[str, str]


class _Door:
    """An ingress, with the codec of the values behind it."""

    def __init__(self, url: str, headers: Headers, codec: JournalValueCodec | None) -> None:
        self.http = AsyncHttp(read_url(url), dict(headers), NO_RETRY)
        self._codec = codec

    async def handler(self, target: Any, arg: Any, send: bool, options: dict[str, Any]) -> Any:
        """Call a handler, or send to it."""
        ref, taken, given = serdes_of(target)
        headers = dict(options.pop("headers") or {})
        if ref.takes_input and ref.input.content_type and "Content-Type" not in headers:
            kind = ref.input.content_type
            headers["content-type"] = kind if "*" not in kind else "application/octet-stream"
        options["headers"] = headers
        data = self.encode(taken.serialize(arg)) if ref.takes_input else b""
        return await self.named(ref.service, ref.name, data, given, send, options)

    def encode(self, data: bytes) -> bytes:
        """What is sent in place of the bytes of a value."""
        return data if self._codec is None else self._codec.encode(data)

    async def named(
        self,
        service: str,
        handler: str,
        data: bytes,
        serde: Serde[Any],
        send: bool,
        options: dict[str, Any],
    ) -> Any:
        """Call a handler by its names, or send to it, with what is its body."""
        headers = {name.lower(): value for name, value in (options.pop("headers") or {}).items()}
        for name, of in (("idempotency_key", "idempotency-key"), ("limit_key", LIMIT_KEY)):
            if (value := options.get(name)) is not None:
                headers[of] = value
        carry_trace(headers)
        place = segments(service, options.get("key") or None, handler)
        path = path_of(place, send, options.get("scope"), options.get("send_delay"))
        response = await self.http.exchange(Request("POST", path, headers, data, False), None)
        if response.status >= 400:
            raise HttpError(response.status, _phrase(response.status), _text(response.body))
        if send:
            found = msgspec.json.decode(response.body)
            return RestateClientSendHandle(found.get("invocationId", ""), 200)
        body = response.body
        if self._codec is not None:
            body = await self._codec.decode(body)
        return serde.deserialize(body)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def _text(body: bytes) -> str:
    return body.decode("utf-8", "replace")


class _Calls:
    """The calls of a client, and of one within a scope."""

    _scope: str | None = None

    def __init__(self, door: _Door) -> None:
        self._door = door

    async def service_call(
        self,
        tpe: Any,
        arg: Any,
        idempotency_key: str | None = None,
        headers: Headers | None = None,
        limit_key: str | None = None,
    ) -> Any:
        """Call a handler of a service."""
        return await self._ask(tpe, arg, False, idempotency_key, headers, limit_key=limit_key)

    async def service_send(
        self,
        tpe: Any,
        arg: Any,
        send_delay: timedelta | None = None,
        idempotency_key: str | None = None,
        headers: Headers | None = None,
        limit_key: str | None = None,
    ) -> RestateClientSendHandle:
        """Have a handler of a service run."""
        more = {"send_delay": send_delay, "limit_key": limit_key}
        found: RestateClientSendHandle = await self._ask(
            tpe, arg, True, idempotency_key, headers, **more
        )
        return found

    async def object_call(
        self,
        tpe: Any,
        key: str,
        arg: Any,
        idempotency_key: str | None = None,
        headers: Headers | None = None,
        limit_key: str | None = None,
    ) -> Any:
        """Call a handler of an object."""
        more = {"key": key, "limit_key": limit_key}
        return await self._ask(tpe, arg, False, idempotency_key, headers, **more)

    async def object_send(
        self,
        tpe: Any,
        key: str,
        arg: Any,
        send_delay: timedelta | None = None,
        idempotency_key: str | None = None,
        headers: Headers | None = None,
        limit_key: str | None = None,
    ) -> RestateClientSendHandle:
        """Have a handler of an object run."""
        more = {"key": key, "send_delay": send_delay, "limit_key": limit_key}
        found: RestateClientSendHandle = await self._ask(
            tpe, arg, True, idempotency_key, headers, **more
        )
        return found

    workflow_call = object_call
    workflow_send = object_send

    async def _ask(
        self,
        target: Any,
        arg: Any,
        send: bool,
        idempotency_key: str | None,
        headers: Headers | None,
        **more: Any,
    ) -> Any:
        options = call_keywords(idempotency_key, headers, scope=self._scope, **more)
        return await self._door.handler(target, arg, send, options)


class ScopedClient(_Calls, RestateScopedClient):
    """A client within a scope."""

    def __init__(self, door: _Door, scope: str) -> None:
        super().__init__(door)
        self._scope = scope


class Client(_Calls, RestateClient):
    """A client of an ingress."""

    def scope(self, scope: str) -> ScopedClient:
        """Return a client within a scope."""
        return ScopedClient(self._door, scope)

    async def generic_call(
        self,
        service: str,
        handler: str,
        arg: bytes,
        key: str | None = None,
        idempotency_key: str | None = None,
        headers: Headers | None = None,
        scope: str | None = None,
        limit_key: str | None = None,
    ) -> bytes:
        """Call a handler by its names with bytes."""
        options = call_keywords(idempotency_key, headers, key=key, scope=scope, limit_key=limit_key)
        found: bytes = await self._door.named(
            service, handler, self._door.encode(arg), BytesSerde(), False, options
        )
        return found

    async def generic_send(
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
    ) -> RestateClientSendHandle:
        """Have a handler run by its names with bytes."""
        more = {"key": key, "send_delay": send_delay, "scope": scope, "limit_key": limit_key}
        options = call_keywords(idempotency_key, headers, **more)
        found: RestateClientSendHandle = await self._door.named(
            service, handler, self._door.encode(arg), BytesSerde(), True, options
        )
        return found


@asynccontextmanager
async def create_client(
    ingress: str | None = None,
    headers: dict[str, str] | None = None,
    journal_value_codec: JournalValueCodec | None = None,
) -> AsyncIterator[Client]:
    """Make a client of the ingress at a URL."""
    door = _Door(ingress or "http://127.0.0.1:8080", headers or {}, journal_value_codec)
    try:
        yield Client(door)
    finally:
        await door.http.close()
