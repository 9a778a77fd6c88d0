"""The benchmark's services on the Restate Python SDK: the same handlers as bench.ts."""

import restate

FAN_OUT = 20

greeter = restate.Service("Greeter")
counter = restate.VirtualObject("Counter")
steps = restate.Service("Steps")
sign_up = restate.Workflow("SignUp")
fan_out = restate.Service("FanOut")


@greeter.handler()
async def greet(ctx: restate.Context, name: str) -> str:
    return f"Hello {name}"


@counter.handler()
async def add(ctx: restate.ObjectContext, by: int) -> int:
    total = (await ctx.get("sum", type_hint=int) or 0) + by
    ctx.set("sum", total)
    return total


@steps.handler()
async def walk(ctx: restate.Context, count: int) -> int:
    total = 0
    for number in range(count):
        total += await ctx.run_typed(f"step {number}", lambda step=number: step)
    return total


@sign_up.main()
async def run(ctx: restate.WorkflowContext, email: str) -> str:
    await ctx.run_typed("mail", lambda: f"sent to {email}")
    return await ctx.promise("clicked", type_hint=str).value()


@sign_up.handler()
async def click(ctx: restate.WorkflowSharedContext, secret: str) -> None:
    await ctx.promise("clicked", type_hint=str).resolve(secret)


@fan_out.handler()
async def spread(ctx: restate.Context, name: str) -> int:
    calls = [ctx.service_call(greet, name) for _ in range(FAN_OUT)]
    return len(await restate.gather(*calls))


app = restate.app([greeter, counter, steps, sign_up, fan_out])
