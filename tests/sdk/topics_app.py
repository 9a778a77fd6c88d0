"""A service that writes to topics by `ctx.kafka`."""

from datetime import timedelta
from typing import Any

import perdure

writer = perdure.Object("Writer")


@writer.handler
async def write(ctx: perdure.ObjectContext, topic: str) -> perdure.Produced:
    """Three records, around a suspension."""
    ctx.kafka.send(topic, {"first": ctx.key}, key=ctx.key, headers={"h": "1", "n": None})
    await ctx.sleep(timedelta(milliseconds=1))
    ctx.kafka.send(topic, b"\xff", key=ctx.key)
    return await ctx.kafka.produce(topic, "last", key=ctx.key)


@writer.handler
def write_plainly(ctx: perdure.SyncContext, topic: str) -> perdure.Produced:
    ctx.kafka.send(topic, "first")
    return ctx.kafka.produce(topic, [1, 2])


@writer.handler
async def refused(ctx: perdure.ObjectContext, topic: str) -> list[Any]:
    try:
        await ctx.kafka.produce(topic, "x", partition=-1)
    except perdure.Terminal as error:
        return [error.code, error.message]
    return []


app = perdure.app(writer)
