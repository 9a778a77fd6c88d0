"""Services with large inputs and results, on the Restate Python SDK."""

import restate

payloads = restate.Service("Payloads")
LONGEST_NAME = "n" * 4096


@payloads.handler()
async def sink(ctx: restate.Context, text: str) -> int:
    return len(text)


@payloads.handler()
async def echo(ctx: restate.Context, text: str) -> str:
    return text


@payloads.handler()
async def step(ctx: restate.Context, text: str) -> str:
    return await ctx.run_typed("kept", lambda: text)


@payloads.handler()
async def call(ctx: restate.Context, text: str) -> str:
    return await ctx.service_call(echo, text)


@payloads.handler()
async def awakeable(ctx: restate.Context, text: str) -> str:
    name, given = ctx.awakeable(type_hint=str)
    ctx.resolve_awakeable(name, text)
    return await given


@payloads.handler()
async def signal(ctx: restate.Context, text: str) -> str:
    given = ctx.signal(LONGEST_NAME, type_hint=str)
    ctx.resolve_signal(ctx.request().id, LONGEST_NAME, text)
    return await given


keeper = restate.VirtualObject("Keeper")


@keeper.handler()
async def keep(ctx: restate.ObjectContext, text: str) -> str:
    ctx.set("text", text)
    return await ctx.get("text", type_hint=str) or ""


@keeper.handler(kind="shared")
async def kept(ctx: restate.ObjectSharedContext) -> str:
    return await ctx.get("text", type_hint=str) or ""


flow = restate.Workflow("PayloadFlow")


@flow.main()
async def run(ctx: restate.WorkflowContext, text: str) -> str:
    promise = ctx.promise("text", type_hint=str)
    await promise.resolve(text)
    return await promise.value()


app = restate.app([payloads, keeper, flow])
