"""The benchmark's services on the Restate Python SDK: the same handlers as bench.ts.

What the handlers saw is served at `/seen`.
"""

import json
from functools import cache

import restate
from confluent_kafka import Producer

FAN_OUT = 20

greeter = restate.Service("Greeter")
counter = restate.VirtualObject("Counter")
steps = restate.Service("Steps")
sign_up = restate.Workflow("SignUp")
fan_out = restate.Service("FanOut")
tally = restate.VirtualObject("Tally")
relay = restate.Service("Relay")


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


tallied = 0  # kept in memory: no record is handled twice unless the server is killed


@tally.handler("add")
async def tally_add(ctx: restate.ObjectContext, by: int) -> None:
    global tallied
    ctx.set("sum", (await ctx.get("sum", type_hint=int) or 0) + by)
    tallied += 1


@relay.handler()
async def forward(ctx: restate.Context, record: dict) -> None:
    """Sends the record on, exactly once."""
    number = record["n"]
    sent = {"topic": record["to"], "key": str(number), "value": number}
    ctx.generic_send("Kafka", "send", json.dumps(sent).encode())


@cache
def _producer(bootstrap: str) -> Producer:
    return Producer({"bootstrap.servers": bootstrap, "linger.ms": 0})


@relay.handler()
async def produce(ctx: restate.Context, record: dict) -> None:
    """Sends the record on by a producer of its own: again, if the step is not kept."""

    def send() -> None:
        number, producer = str(record["n"]), _producer(record["brokers"])
        producer.produce(record["to"], number, number)
        assert producer.flush(30) == 0

    await ctx.run_typed("send", send)


services = restate.app([greeter, counter, steps, sign_up, fan_out, tally, relay])


async def app(scope, receive, send):
    if scope["type"] != "http" or scope["path"] != "/seen":
        return await services(scope, receive, send)
    global tallied
    if scope["method"] == "DELETE":
        tallied = 0
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b'{"tallied": %d}' % tallied})
