"""Objects that interpret random programs, in layers that call each other."""

from __future__ import annotations

import json
import random
from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import perdure
from tests.conformance import programs

helper = perdure.Service("ServiceInterpreterHelper")


@dataclass
class Place:
    layer: int
    key: str

    @property
    def target(self) -> str:
        return f"ObjectInterpreterL{self.layer}/interpret"


@dataclass
class Later:
    parameter: str
    sleep: int


@dataclass
class Dance:
    interpreter: Place
    txPromiseId: str


INCREMENT = {"commands": [{"kind": programs.INCREMENT}]}


@helper.handler
async def ping(ctx: perdure.Context) -> None:
    pass


@helper.handler
async def echo(ctx: perdure.Context, text: str) -> str:
    return text


@helper.handler(name="echoLater")
async def echo_later(ctx: perdure.Context, order: Later) -> str:
    await ctx.sleep(timedelta(milliseconds=order.sleep))
    return order.parameter


@helper.handler(name="terminalFailure")
async def terminal_failure(ctx: perdure.Context) -> str:
    raise perdure.Terminal("bye")


@helper.handler(name="incrementIndirectly")
async def increment_indirectly(ctx: perdure.Context, place: Place) -> None:
    ctx.send(place.target, INCREMENT, key=place.key)


@helper.handler(name="resolveAwakeable")
async def resolve_awakeable(ctx: perdure.Context, awakeable_id: str) -> None:
    ctx.resolve_awakeable(awakeable_id, "ok")


@helper.handler(name="rejectAwakeable")
async def reject_awakeable(ctx: perdure.Context, awakeable_id: str) -> None:
    ctx.reject_awakeable(awakeable_id, "error")


@helper.handler(name="incrementViaAwakeableDance")
async def dance(ctx: perdure.Context, order: Dance) -> None:
    mine = ctx.awakeable(str)
    ctx.resolve_awakeable(order.txPromiseId, mine.id)
    await mine
    ctx.send(order.interpreter.target, INCREMENT, key=order.interpreter.key)


class Interpretation:
    """One program of one invocation."""

    def __init__(self, ctx: perdure.ObjectContext, layer: int) -> None:
        self.ctx = ctx
        self.layer = layer
        self.place = Place(layer, ctx.key)
        self.pending: dict[int, tuple[Any, Awaitable[Any]]] = {}

    async def run(self, commands: list[dict[str, Any]]) -> None:
        for number, command in enumerate(commands):
            if command["kind"] == programs.AWAIT:
                await self.settle(command["index"])
            elif command["kind"] in TABLE:
                await TABLE[command["kind"]](self, number, command)
            else:
                self.begin(number, command)

    async def settle(self, index: int) -> None:
        if index not in self.pending:
            return
        expected, future = self.pending.pop(index)
        try:
            result = await future
        except perdure.Terminal:
            result = "rejected"
        if result != expected:
            raise perdure.Terminal(f"Expected {expected} but got {result}")

    def begin(self, number: int, command: dict[str, Any]) -> None:
        """What is not awaited before the program says so."""
        ctx, kind, hello = self.ctx, command["kind"], f"hello-{number}"
        if kind == programs.CALL:
            self.pending[number] = hello, ctx.call(echo, hello)
        elif kind == programs.SLOW_CALL:
            self.pending[number] = hello, ctx.call(echo_later, Later(hello, command["sleep"]))
        elif kind in (programs.RESOLVE, programs.REJECT):
            awakeable = ctx.awakeable(str)
            resolves = kind == programs.RESOLVE
            self.pending[number] = "ok" if resolves else "rejected", awakeable
            ctx.send(resolve_awakeable if resolves else reject_awakeable, awakeable.id)
        elif kind == programs.NEXT_LAYER:
            target = Place(self.layer + 1, str(command["key"])).target
            program = json.dumps(command["program"]).encode()
            future = ctx.call(target, program, key=str(command["key"]), returns=bytes)
            self.pending[number] = b"", future

    async def change_state(self, number: int, command: dict[str, Any]) -> None:
        name = f"key-{command['key']}"
        if command["kind"] == programs.SET:
            self.ctx.set(name, f"value-{command['key']}")
        elif command["kind"] == programs.CLEAR:
            self.ctx.clear(name)
        else:
            await self.ctx.get(name, str)

    async def increment(self, number: int, command: dict[str, Any]) -> None:
        self.ctx.set("counter", await self.ctx.get("counter", int, 0) + 1)

    async def increment_elsewhere(self, number: int, command: dict[str, Any]) -> None:
        delayed = command["kind"] == programs.INCREMENT_DELAYED
        delay = timedelta(milliseconds=command["duration"]) if delayed else None
        self.ctx.send(increment_indirectly, self.place, delay=delay)

    async def dance(self, number: int, command: dict[str, Any]) -> None:
        awakeable = self.ctx.awakeable(str)
        self.ctx.send(dance, Dance(self.place, awakeable.id))
        self.ctx.resolve_awakeable(await awakeable, "ok")

    async def sleep(self, number: int, command: dict[str, Any]) -> None:
        await self.ctx.sleep(timedelta(milliseconds=command["duration"]))

    async def step(self, number: int, command: dict[str, Any]) -> None:
        expected = f"hello-{number}"
        if await self.ctx.step(lambda: expected, name="sideEffect") != expected:
            raise perdure.Terminal(f"a step gave something other than {expected}")

    async def throwing_step(self, number: int, command: dict[str, Any]) -> None:
        async def step() -> None:
            if random.getrandbits(1):
                raise ValueError("Random error")

        await self.ctx.step(step, name="throwingSideEffect")

    async def recover(self, number: int, command: dict[str, Any]) -> None:
        try:
            await self.ctx.call(terminal_failure)
        except perdure.Terminal:
            return
        raise perdure.Terminal("Expected terminal error")

    async def nothing(self, number: int, command: dict[str, Any]) -> None:
        """As the other SDKs' services have it."""


TABLE = {
    programs.SET: Interpretation.change_state,
    programs.GET: Interpretation.change_state,
    programs.CLEAR: Interpretation.change_state,
    programs.INCREMENT: Interpretation.increment,
    programs.INCREMENT_INDIRECTLY: Interpretation.increment_elsewhere,
    programs.INCREMENT_DELAYED: Interpretation.increment_elsewhere,
    programs.DANCE: Interpretation.dance,
    programs.SLEEP: Interpretation.sleep,
    programs.STEP: Interpretation.step,
    programs.THROWING_STEP: Interpretation.throwing_step,
    programs.SLOW_STEP: Interpretation.nothing,
    programs.RECOVER: Interpretation.recover,
    programs.RECOVER_LATER: Interpretation.nothing,
}


@dataclass
class Program:
    commands: list[dict[str, Any]]


def make_layer(number: int) -> perdure.Object:
    layer = perdure.Object(f"ObjectInterpreterL{number}")

    @layer.handler
    async def interpret(ctx: perdure.ObjectContext, program: Program) -> None:
        await Interpretation(ctx, number).run(program.commands)

    @layer.shared
    async def counter(ctx: perdure.ObjectSharedContext) -> int:
        return await ctx.get("counter", int, 0)

    return layer


layers = [make_layer(number) for number in range(programs.LAYERS)]
