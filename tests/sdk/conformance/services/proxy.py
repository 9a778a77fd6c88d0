"""Calls and sends to whatever a request names, and the little things that tests ask for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any

import perdure

proxy = perdure.Service("Proxy")
utils = perdure.Service("TestUtilsService")


@dataclass
class ProxyRequest:
    serviceName: str
    handlerName: str
    message: list[int]
    virtualObjectKey: str | None = None
    delayMillis: int | None = None
    idempotencyKey: str | None = None
    scope: str | None = None
    limitKey: str | None = None

    @property
    def target(self) -> str:
        return f"{self.serviceName}/{self.handlerName}"

    @property
    def options(self) -> dict[str, Any]:
        return {
            "key": self.virtualObjectKey,
            "idempotency_key": self.idempotencyKey,
            "scope": self.scope,
            "limit_key": self.limitKey,
        }


def call_of(ctx: perdure.Context, order: ProxyRequest) -> perdure.CallFuture[bytes]:
    return ctx.call(order.target, bytes(order.message), returns=bytes, **order.options)


def send_of(ctx: perdure.Context, order: ProxyRequest) -> perdure.SendHandle:
    delay = None if order.delayMillis is None else timedelta(milliseconds=order.delayMillis)
    return ctx.send(order.target, bytes(order.message), delay=delay, **order.options)


@proxy.handler
async def call(ctx: perdure.Context, order: ProxyRequest) -> list[int]:
    return list(await call_of(ctx, order))


@proxy.handler(name="oneWayCall")
async def one_way_call(ctx: perdure.Context, order: ProxyRequest) -> str:
    invocation_id: str = await send_of(ctx, order).invocation_id
    return invocation_id


@dataclass
class ManyCallRequest:
    proxyRequest: ProxyRequest
    oneWayCall: bool
    awaitAtTheEnd: bool


@proxy.handler(name="manyCalls")
async def many_calls(ctx: perdure.Context, orders: list[ManyCallRequest]) -> None:
    waited: list[perdure.Future[bytes]] = []
    for order in orders:
        if order.oneWayCall:
            send_of(ctx, order.proxyRequest)
        else:
            future = call_of(ctx, order.proxyRequest)
            if order.awaitAtTheEnd:
                waited.append(future)
    await ctx.gather(*waited)


@utils.handler
async def echo(ctx: perdure.Context, text: str) -> str:
    return text


@utils.handler(name="uppercaseEcho")
def uppercase_echo(ctx: perdure.SyncContext, text: str) -> str:
    return text.upper()


@utils.handler(name="echoHeaders")
async def echo_headers(ctx: perdure.Context) -> dict[str, str]:
    return dict(ctx.request.headers)


class AnyBytes:
    """Bytes of whatever media type."""

    content_type = "*/*"

    def encode(self, value: bytes) -> bytes:
        return value

    def decode(self, data: bytes) -> bytes:
        return bytes(data)

    def schema(self) -> None:
        return None


@utils.handler(name="rawEcho")
async def raw_echo(ctx: perdure.Context, body: Annotated[bytes, AnyBytes()]) -> bytes:
    return body


@utils.handler(name="countExecutedSideEffects")
async def count_executed_steps(ctx: perdure.Context, increments: int) -> int:
    executed = 0

    def effect() -> None:
        nonlocal executed
        executed += 1

    for _ in range(increments):
        await ctx.step(effect, name="count")
    return executed


@utils.handler(name="cancelInvocation")
async def cancel_invocation(ctx: perdure.Context, invocation_id: str) -> None:
    ctx.invocation(invocation_id).cancel()


@dataclass
class SignalRequest:
    invocationId: str
    signalName: str
    value: str = ""
    reason: str = ""


@utils.handler(name="resolveSignal")
async def resolve_signal(ctx: perdure.Context, order: SignalRequest) -> None:
    ctx.invocation(order.invocationId).signal(order.signalName, order.value)


@utils.handler(name="rejectSignal")
async def reject_signal(ctx: perdure.Context, order: SignalRequest) -> None:
    ctx.invocation(order.invocationId).reject_signal(order.signalName, order.reason)
