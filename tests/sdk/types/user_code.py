"""A user's file: what a type checker sees of the SDK. Checked by test_types.py, never run."""

from dataclasses import dataclass
from datetime import timedelta
from typing import assert_type

import perdure


@dataclass
class Item:
    sku: str
    count: int


greeter = perdure.Service("Greeter", retry=perdure.Retry(max_attempts=3))


@greeter.handler
async def greet(ctx: perdure.Context, name: str) -> str:
    return name


@greeter.handler(name="plain", inactivity_timeout=timedelta(seconds=1))
def blocking(ctx: perdure.SyncContext, count: int) -> list[int]:
    return [count]


@greeter.handler
async def nothing(ctx: perdure.Context) -> Item:
    return Item("a", 1)


class Cart(perdure.Object, private=True):
    items: dict[str, int] = perdure.state(default_factory=dict)

    @perdure.handler
    async def add(self, item: Item) -> int:
        assert_type(self.items, dict[str, int])
        assert_type(self.ctx.key, str)
        return 1

    @perdure.shared(name="all")
    async def get_all(self) -> dict[str, int]:
        return self.items


def blocking_client(client: perdure.Client) -> None:
    assert_type(client.call(greet, "a"), str)
    assert_type(client.call(blocking, 1), list[int])
    assert_type(client.call(nothing), Item)
    assert_type(client.call(Cart.add, Item("a", 1), key="k"), int)
    assert_type(client.call("A/h", 1, returns=int), int)
    handle = client.send(Cart.get_all, key="k", delay=timedelta(days=1))
    assert_type(handle, perdure.Handle[dict[str, int]])
    assert_type(handle.result(), dict[str, int])


async def async_client(client: perdure.AsyncClient) -> None:
    assert_type(await client.call(greet, "a"), str)
    handle = await client.send(greet, "a")
    assert_type(await handle, str)


async def in_handlers(ctx: perdure.Context) -> None:
    assert_type(await ctx.call(greet, "a"), str)
    assert_type(await ctx.call(blocking, 1), list[int])
    assert_type(await ctx.call(nothing), Item)
    assert_type(ctx.call(Cart.add, Item("a", 1), key="k"), perdure.CallFuture[int])
    assert_type(await ctx.call("A/h", 1, returns=int), int)
    assert_type(await ctx.send(greet, "a", delay=timedelta(days=1)), perdure.SendHandle)
    assert_type(await ctx.invocation("inv_1", int).attach(), int)
    assert_type(await ctx.kafka.produce("t", {"a": 1}, key="k"), perdure.Produced)
    ctx.kafka.send("t", b"raw", headers={"h": None})
    ctx.call(greet, 1)  # type: ignore[arg-type]
    ctx.call(greet, "a", keyy="k")  # type: ignore[call-overload]
    ctx.send(Cart.add, 1, key="k")  # type: ignore[arg-type]


def in_plain_handlers(ctx: perdure.SyncContext) -> None:
    assert_type(ctx.call(greet, "a"), str)
    assert_type(ctx.call(Cart.add, Item("a", 1), key="k"), int)
    assert_type(ctx.call("A/h", 1, returns=int), int)
    assert_type(ctx.kafka.produce("t", "text"), perdure.Produced)
    ctx.call(greet, 1)  # type: ignore[arg-type]


def wrong(client: perdure.Client) -> None:
    client.call(greet, 1)  # type: ignore[arg-type]
    client.call(Cart.add, key="k")  # type: ignore[arg-type]
    perdure.Service("S", retyr=1)  # type: ignore[call-arg]


app = perdure.app(greeter, Cart)
