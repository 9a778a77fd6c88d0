"""Services on the Restate SDK that topics invoke, and that send to topics."""

from __future__ import annotations

import json

import restate
from restate import Context, ObjectContext
from restate.exceptions import TerminalError
from restate.serde import BytesSerde

tally = restate.VirtualObject("Tally")


@tally.handler(name="add", input_serde=BytesSerde())
async def add(ctx: ObjectContext, value: bytes) -> list[str]:
    """All values of the key so far, in order."""
    seen = await ctx.get("seen", type_hint=list) or []
    seen.append(value.decode(errors="replace"))
    ctx.set("seen", seen)
    return seen


@tally.handler(name="get")
async def get(ctx: ObjectContext) -> list[str]:
    return await ctx.get("seen", type_hint=list) or []


echo = restate.Service("Echo")


@echo.handler(name="headers", input_serde=BytesSerde())
async def headers(ctx: Context, value: bytes) -> dict[str, str]:
    return dict(ctx.request().headers)


@echo.handler(name="fail", input_serde=BytesSerde())
async def fail(ctx: Context, value: bytes) -> str:
    raise TerminalError(value.decode(), 418)


@echo.handler(name="send")
async def send(ctx: Context, request: dict) -> dict:  # type: ignore[type-arg]
    """A call of `Kafka/send`, and what it answers."""
    answer = await ctx.generic_call("Kafka", "send", json.dumps(request).encode())
    return json.loads(answer)  # type: ignore[no-any-return]


app = restate.app([tally, echo])
