"""Counters, lists and maps: state of objects, by functions of a context and by classes."""

from __future__ import annotations

from dataclasses import dataclass

import perdure


@dataclass
class CounterUpdate:
    oldValue: int
    newValue: int


class Counter(perdure.Object):
    counter: int = perdure.state(default=0)

    @perdure.handler
    async def reset(self) -> None:
        del self.counter

    @perdure.handler
    async def get(self) -> int:
        return self.counter

    @perdure.handler
    def add(self, addend: int) -> CounterUpdate:
        before = self.counter
        self.counter = before + addend
        return CounterUpdate(before, self.counter)

    @perdure.handler(name="addThenFail")
    async def add_then_fail(self, addend: int) -> None:
        self.counter += addend
        raise perdure.Terminal(self.ctx.key)


class ListObject(perdure.Object):
    items: list[str] = perdure.state(default_factory=list, name="list")

    @perdure.handler
    async def append(self, value: str) -> None:
        self.items.append(value)

    @perdure.handler
    async def get(self) -> list[str]:
        return self.items

    @perdure.handler
    async def clear(self) -> list[str]:
        result = self.items
        del self.items
        return result


@dataclass
class Entry:
    key: str
    value: str


map_object = perdure.Object("MapObject")


@map_object.handler(name="set")
async def map_set(ctx: perdure.ObjectContext, entry: Entry) -> None:
    ctx.set(entry.key, entry.value)


@map_object.handler(name="get")
async def map_get(ctx: perdure.ObjectContext, key: str) -> str:
    return await ctx.get(key, str, "")


@map_object.handler(name="clearAll")
async def map_clear_all(ctx: perdure.ObjectContext) -> list[Entry]:
    entries = [Entry(key, await ctx.get(key, str, "")) for key in await ctx.state_keys()]
    ctx.clear_all()
    return entries
