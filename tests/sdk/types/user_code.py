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
    assert_type(await ctx.workflow(SignUp.run, "k").attach(), bool)
    assert_type(await ctx.workflow(SignUp, "k", bool).output(), bool | None)
    assert_type(await ctx.invocation_of(greet, idempotency_key="i").attach(), str)
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
    assert_type(ctx.send(greet, "a", delay=timedelta(days=1)), perdure.SendHandle)
    ctx.send(greet, 1)  # type: ignore[arg-type]
    ctx.send(greet, "a", keyy="k")  # type: ignore[call-overload]
    assert_type(ctx.workflow(SignUp.run, "k").attach(), bool)
    assert_type(ctx.workflow("SignUp", "k", bool).output(), bool | None)
    assert_type(ctx.invocation_of(greet, idempotency_key="i").attach(), str)
    assert_type(ctx.invocation("inv_1", int).output(), int | None)
    assert_type(ctx.step(len, "a"), int)
    assert_type(ctx.step(charge, 3), str)
    assert_type(ctx.get("n", int), int | None)
    assert_type(ctx.get("n", int, 0), int)
    assert_type(ctx.promise("p", str).result(), str)
    assert_type(ctx.awakeable(Item).result(), Item)
    assert_type(ctx.signal("s", int), int)
    assert_type(ctx.race(ctx.futures.step(len, "a"), ctx.awakeable(int)), int)


def wrong(client: perdure.Client) -> None:
    client.call(greet, 1)  # type: ignore[arg-type]
    client.call(Cart.add, key="k")  # type: ignore[arg-type]
    # mypy leaves this to the TypeError that comes at once.
    perdure.Service("S", retyr=1)  # pyright: ignore[reportCallIssue]


async def contexts(ctx: perdure.WorkflowContext, item: Item) -> None:
    async def price(sku: str) -> int:
        return len(sku)

    def weight(sku: str, factor: float) -> float:
        return len(sku) * factor

    assert_type(await ctx.step(price, "a"), int)
    assert_type(await ctx.step(weight, "a", 1.5, retry=perdure.Retry(max_attempts=3)), float)
    assert_type(await ctx.get("n", int), int | None)
    assert_type(await ctx.get("n", int, 0), int)
    assert_type(await ctx.promise("p", str), str)
    assert_type(await ctx.promise("p", str).peek(), str | None)
    assert_type(await ctx.awakeable(Item), Item)
    assert_type(ctx.awakeable(Item).id, str)
    assert_type(await ctx.signal("s", int), int)
    assert_type(await ctx.signal("s", int).timeout(timedelta(days=1)), int)
    assert_type(await ctx.step(price, "a").map(str), str)
    assert_type(await ctx.gather(ctx.step(price, "a"), ctx.step(price, "b")), list[int])
    ctx.gather(ctx.step(price, "a"), ctx.step(weight, "a", 1.5), ctx.promise("p", str).future())
    assert_type(await ctx.race(ctx.step(price, "a"), ctx.step(price, "b")), int)
    assert_type(await ctx.any(ctx.step(price, "a"), ctx.step(price, "b")), int)
    assert_type(ctx.key, str)
    assert_type(ctx.request.headers.get("a"), str | None)
    assert_type(await ctx.state_keys(), list[str])
    async with ctx.saga() as saga:
        saga.undo(weight, "a", 1.0)
    async with ctx.group() as group:
        group.start(price, "a")


def plain(ctx: perdure.SyncContext) -> None:
    assert_type(ctx.id, str)
    ctx.sleep(timedelta(seconds=1))


class SignUp(perdure.Workflow):
    """Methods may have the names of decorators."""

    def __init__(self, gateway: str) -> None:
        self.gateway = gateway

    @perdure.run
    async def run(self, user: str) -> bool:
        return bool(self.gateway)

    @perdure.handler
    async def handler(self) -> None:
        assert_type(await self.ctx.promise("p", int), int)


async def by_class(client: perdure.AsyncClient) -> None:
    assert_type(await client.call(SignUp.run, "ann", key="k"), bool)
    signing = client.workflow(SignUp.run, "k")
    assert_type(await (await signing.submit("ann")).result(timeout=5), bool)
    assert_type(await signing.attach(timeout=timedelta(seconds=5)), bool)
    assert_type(await signing.output(), bool)
    await client.workflow(SignUp, "k").attach()


def by_class_in_place(client: perdure.Client) -> None:
    signing = client.workflow(SignUp.run, "k")
    assert_type(signing.submit("ann").result(timeout=5), bool)
    assert_type(signing.output(), bool)
    assert_type(signing.lookup(), perdure.Handle[bool])
    known = client.invocation_of(greet, idempotency_key="i")
    assert_type(known.lookup().output(), str)


@perdure.iface
class Prices(perdure.Service):
    @perdure.handler
    async def price(self, sku: str) -> int:
        raise NotImplementedError


class OurPrices(Prices):
    async def price(self, sku: str) -> int:
        return len(sku)


async def by_interface(client: perdure.AsyncClient) -> None:
    assert_type(await client.call(Prices.price, "a"), int)


@perdure.step
async def charge(amount: int) -> str:
    return str(amount)


async def adopted() -> None:
    assert_type(await charge(3), str)


app = perdure.app(greeter, Cart, OurPrices, SignUp("x"))
