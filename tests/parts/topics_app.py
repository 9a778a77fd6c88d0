"""Services on the Restate SDK that topics invoke, and that send to topics."""

from __future__ import annotations

import json

import restate
from restate import Context, ObjectContext, WorkflowContext
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


chain = restate.VirtualObject("Chain")


@chain.handler(name="link", input_serde=BytesSerde())
async def link(ctx: ObjectContext, value: bytes) -> dict[str, int]:
    """Counts what came to the key, and sends that on to the topic of the header `to`; every tenth
    waits until it is committed there."""
    count = (await ctx.get("count", type_hint=int) or 0) + 1
    ctx.set("count", count)
    passed = {"number": int(value), "count": count}
    request = {"topic": ctx.request().headers["to"], "key": ctx.key(), "value": passed}
    body = json.dumps(request).encode()
    if count % 10:
        ctx.generic_send("Kafka", "send", body)
    else:
        await ctx.generic_call("Kafka", "send", body)
    return passed


@chain.handler(name="count")
async def count_of(ctx: ObjectContext) -> int:
    return await ctx.get("count", type_hint=int) or 0


@tally.handler(name="keep")
async def keep(ctx: ObjectContext, values: dict[str, str]) -> None:
    """Set these; of no value none at all is left."""
    if not values:
        ctx.clear_all()
    for name, value in values.items():
        ctx.set(name, value)


@tally.handler(name="drop")
async def drop(ctx: ObjectContext, name: str) -> None:
    ctx.clear(name)


flow = restate.Workflow("Flow")


@flow.main(name="run")
async def run(ctx: WorkflowContext, value: str) -> str:
    ctx.set("step", value)
    return value


seen = restate.VirtualObject("Seen")


@seen.handler(name="note", input_serde=BytesSerde())
async def note(ctx: ObjectContext, event: bytes) -> None:
    """Events of one invocation, in order."""
    told = await ctx.get("told", type_hint=list) or []
    ctx.set("told", [*told, json.loads(event)["type"].rpartition(".")[2]])


@seen.handler(name="told")
async def told(ctx: ObjectContext) -> list[str]:
    return await ctx.get("told", type_hint=list) or []


echo = restate.Service("Echo")


@echo.handler(name="headers", input_serde=BytesSerde())
async def headers(ctx: Context, value: bytes) -> dict[str, str]:
    return dict(ctx.request().headers)


@echo.handler(name="whole", input_serde=BytesSerde(), output_serde=BytesSerde())
async def whole(ctx: Context, value: bytes) -> bytes:
    return value


@echo.handler(name="answer", input_serde=BytesSerde())
async def answer(ctx: Context, value: bytes) -> str:
    """Refuses every fifth request."""
    request = value.decode()
    if request[-1] in "05":
        raise TerminalError(f"no {request}", 418)
    return f"answer to {request}"


@echo.handler(name="fail", input_serde=BytesSerde())
async def fail(ctx: Context, value: bytes) -> str:
    raise TerminalError(value.decode(), 418)


@echo.handler(name="stumble", input_serde=BytesSerde())
async def stumble(ctx: Context, value: bytes) -> str:
    """Fails for as long as it is tried, if the value says so."""
    if value == b"bad":
        raise ValueError("it is bad")
    return value.decode()


@echo.handler(name="send")
async def send(ctx: Context, request: dict) -> dict:  # type: ignore[type-arg]
    """A call of `Kafka/send`, and what it answers."""
    answer = await ctx.generic_call("Kafka", "send", json.dumps(request).encode())
    return json.loads(answer)  # type: ignore[no-any-return]


@echo.handler(name="tell")
async def tell(ctx: Context, request: dict) -> None:  # type: ignore[type-arg]
    """A one-way send of `Kafka/send`."""
    ctx.generic_send("Kafka", "send", json.dumps(request).encode())


app = restate.app([tally, chain, flow, seen, echo])
