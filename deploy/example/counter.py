"""An object that counts what a topic brings, and says each new count on another topic."""

import json
import os
from typing import TypedDict

import restate

# Without Kafka there is no such topic.
COUNTS = os.environ.get("COUNTS_TOPIC", "")

counter = restate.VirtualObject("Counter")


class Order(TypedDict):
    amount: int


@counter.handler()
async def add(ctx: restate.ObjectContext, order: Order) -> int:
    """The new count of this key; each is sent to the topic of counts once."""
    count = (await ctx.get("count", type_hint=int) or 0) + order["amount"]
    ctx.set("count", count)
    if COUNTS:
        record = {"topic": COUNTS, "key": ctx.key(), "value": count}
        ctx.generic_send("Kafka", "send", json.dumps(record).encode())
    return count


@counter.handler(kind="shared")
async def read(ctx: restate.ObjectSharedContext) -> int:
    return await ctx.get("count", type_hint=int) or 0


app = restate.app([counter])
