"""The benchmark's services on Perdure's own SDK: the same handlers as bench.py."""

import perdure

FAN_OUT = 20

greeter = perdure.Service("Greeter")
counter = perdure.Object("Counter")
steps = perdure.Service("Steps")
sign_up = perdure.Workflow("SignUp")
fan_out = perdure.Service("FanOut")


@greeter.handler
async def greet(ctx: perdure.Context, name: str) -> str:
    return f"Hello {name}"


@counter.handler
async def add(ctx: perdure.ObjectContext, by: int) -> int:
    total = await ctx.get("sum", int, 0) + by
    ctx.set("sum", total)
    return total


async def same(number: int) -> int:
    return number


@steps.handler
async def walk(ctx: perdure.Context, count: int) -> int:
    total = 0
    for number in range(count):
        total += await ctx.step(same, number, name=f"step {number}")
    return total


async def mail(email: str) -> str:
    return f"sent to {email}"


@sign_up.run
async def run(ctx: perdure.WorkflowContext, email: str) -> str:
    await ctx.step(mail, email)
    return await ctx.promise("clicked", str)


@sign_up.handler
async def click(ctx: perdure.WorkflowSharedContext, secret: str) -> None:
    await ctx.promise("clicked", str).resolve(secret)


@fan_out.handler
async def spread(ctx: perdure.Context, name: str) -> int:
    return len(await ctx.gather(*[ctx.call(greet, name) for _ in range(FAN_OUT)]))


app = perdure.app(greeter, counter, steps, sign_up, fan_out)
