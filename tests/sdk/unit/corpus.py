"""Pieces of handlers, to be put together at random: whatever a context can do, in `async def`
handlers, plain ones, and methods of classes with typed state.

Each takes the context of a workflow's run, its number `n`, unique in its handler, and `effect`, a
function that is told of each execution of the step of a number.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import perdure
from perdure.definitions import HandlerDefinition
from perdure.service import definition_of

DAY = timedelta(days=1)
Effect = Callable[[int], int]


async def double(n: int) -> int:
    return 2 * n


def shout(text: str) -> str:
    return text.upper()


async def step(ctx: Any, n: int, effect: Effect) -> Any:
    return await ctx.step(effect, n)


async def step_on_the_loop(ctx: Any, n: int, effect: Effect) -> Any:
    async def later() -> int:
        await asyncio.sleep(0)
        return effect(n)

    return await ctx.step(later)


async def sleep(ctx: Any, n: int, effect: Effect) -> Any:
    await ctx.sleep(DAY)


async def call(ctx: Any, n: int, effect: Effect) -> Any:
    return await ctx.call("O/h", n, returns=int)


async def send(ctx: Any, n: int, effect: Effect) -> Any:
    handle = await ctx.send("O/h", n, delay=DAY)
    return bool(handle.id)


async def state(ctx: Any, n: int, effect: Effect) -> Any:
    ctx.set("k", n)
    ctx.set("gone", n)
    ctx.clear("gone")
    return [await ctx.get("k", int), await ctx.get("gone"), sorted(await ctx.state_keys())]


async def all_state(ctx: Any, n: int, effect: Effect) -> Any:
    ctx.clear_all()
    return await ctx.get("k", int, n)


async def gathered(ctx: Any, n: int, effect: Effect) -> Any:
    return await ctx.gather(
        ctx.step(double, n), ctx.call("O/h", n, returns=int), ctx.step(shout, "")
    )


async def selected(ctx: Any, n: int, effect: Effect) -> Any:
    return await ctx.select(a=ctx.step(shout, "a"), b=ctx.call("O/h", n))


async def raced(ctx: Any, n: int, effect: Effect) -> Any:
    return await ctx.race(ctx.sleep(DAY).map(str), ctx.step(double, n), ctx.call("O/h", n))


async def any_of(ctx: Any, n: int, effect: Effect) -> Any:
    return await ctx.any(ctx.call("O/fails"), ctx.step(double, n), ctx.call("O/fails"))


async def settled(ctx: Any, n: int, effect: Effect) -> Any:
    both = await ctx.all_settled(ctx.step(double, n), ctx.call("O/fails"))
    return [one.value if one.ok else str(one.error) for one in both]


async def completed(ctx: Any, n: int, effect: Effect) -> Any:
    steps = (ctx.step(double, at) for at in range(3))
    return [await one async for one in ctx.as_completed(*steps)]


async def in_time(ctx: Any, n: int, effect: Effect) -> Any:
    return await ctx.call("O/h", n, returns=int).timeout(DAY)


async def too_late(ctx: Any, n: int, effect: Effect) -> Any:
    try:
        await ctx.promise(f"never {n}").timeout(DAY)
    except perdure.DurableTimeout:
        return "late"


async def group(ctx: Any, n: int, effect: Effect) -> Any:
    async def member(at: int) -> int:
        await ctx.sleep(DAY)
        return int(await ctx.step(double, at))

    async with ctx.group() as members:
        first = members.start(member, n)
        second = members.start(member, n + 1)
        called = members.start(ctx.call("O/h", n))
    return [await first, await second, await called]


async def broken_group(ctx: Any, n: int, effect: Effect) -> Any:
    async def waits() -> None:
        await ctx.promise(f"never {n}")

    async def fails() -> None:
        await ctx.call("O/fails")

    try:
        async with ctx.group() as members:
            members.start(waits)
            members.start(fails)
    except perdure.Terminal as error:
        return error.message


async def saga(ctx: Any, n: int, effect: Effect) -> Any:
    try:
        async with ctx.saga() as done:
            done.undo(effect, n, name="undo")
            await ctx.step(double, n)
            await ctx.call("O/fails")
    except perdure.Terminal as error:
        return error.message


async def promise(ctx: Any, n: int, effect: Effect) -> Any:
    made = ctx.promise(f"p{n}", int)
    before = await made.peek()
    await made.resolve(n)
    try:
        await made.resolve(n)
    except perdure.Terminal as error:
        return [before, await made, error.code]


async def awakeable(ctx: Any, n: int, effect: Effect) -> Any:
    made = ctx.awakeable(int)
    ctx.resolve_awakeable(made.id, n)
    return await made


async def rejected(ctx: Any, n: int, effect: Effect) -> Any:
    made = ctx.awakeable(int)
    ctx.reject_awakeable(made.id, "no", 418)
    try:
        await made
    except perdure.Terminal as error:
        return error.code


async def signal(ctx: Any, n: int, effect: Effect) -> Any:
    ctx.invocation(ctx.id).signal(f"s{n}", n)
    return await ctx.signal(f"s{n}", int)


async def attached(ctx: Any, n: int, effect: Effect) -> Any:
    known = ctx.workflow("Other", "k", int)
    return [await known.attach(), await known.output()]


async def failed_step(ctx: Any, n: int, effect: Effect) -> Any:
    def fail() -> None:
        raise perdure.Terminal("no luck", 418)

    try:
        await ctx.step(fail)
    except perdure.Terminal as error:
        return error.code


async def values(ctx: Any, n: int, effect: Effect) -> Any:
    return [str(ctx.uuid()), ctx.random.random(), (await ctx.now()).isoformat()]


async def of_asyncio(ctx: Any, n: int, effect: Effect) -> Any:
    async def task(at: int) -> Any:
        return await ctx.step(double, at)

    return await asyncio.gather(task(n), task(n + 1), ctx.call("O/h", n))


Piece = Callable[[Any, int, Effect], Awaitable[Any]]
PIECES: list[Piece] = [
    step, step_on_the_loop, sleep, call, send, state, all_state, gathered, selected, raced, any_of,
    settled, completed, in_time, too_late, group, broken_group, saga, promise, awakeable, rejected,
    signal, attached, failed_step, values, of_asyncio,
]  # fmt: skip


# -- the same in plain handlers


def _group_in_place(ctx: Any, n: int) -> Any:
    def member(at: int) -> int:
        ctx.sleep(DAY)
        return int(ctx.step(double, at))

    with ctx.group() as members:
        first, second = members.start(member, n), members.start(member, n + 1)
    return [first.result(), second.result()]


def _saga_in_place(ctx: Any, n: int, effect: Effect) -> Any:
    try:
        with ctx.saga() as done:
            done.undo(effect, n, name="undo")
            ctx.call("O/fails")
    except perdure.Terminal as error:
        return error.message


def _promise_in_place(ctx: Any, n: int) -> Any:
    made = ctx.promise(f"p{n}", int)
    before = made.peek()
    made.resolve(n)
    return [before, made.result()]


def _awakeable_in_place(ctx: Any, n: int) -> Any:
    made = ctx.awakeable(int)
    ctx.resolve_awakeable(made.id, n)
    return made.result()


def _too_late_in_place(ctx: Any, n: int) -> Any:
    try:
        ctx.promise(f"never {n}").result(timeout=DAY)
    except perdure.DurableTimeout:
        return "late"


def _state_in_place(ctx: Any, n: int) -> Any:
    ctx.set("k", n)
    return [ctx.get("k", int), sorted(ctx.state_keys())]


def _completed_in_place(ctx: Any, n: int) -> Any:
    steps = [ctx.futures.step(double, at) for at in range(3)]
    return [one.result() for one in ctx.as_completed(*steps)]


def _signal_in_place(ctx: Any, n: int) -> Any:
    ctx.invocation(ctx.id).signal(f"s{n}", n)
    return ctx.signal(f"s{n}", int)


PlainPiece = Callable[[Any, int, Effect], Any]
PLAIN_PIECES: list[PlainPiece] = [
    lambda ctx, n, effect: ctx.step(effect, n),
    lambda ctx, n, effect: ctx.step(double, n),
    lambda ctx, n, effect: ctx.sleep(DAY),
    lambda ctx, n, effect: ctx.call("O/h", n, returns=int),
    lambda ctx, n, effect: bool(ctx.send("O/h", n).id),
    lambda ctx, n, effect: _state_in_place(ctx, n),
    lambda ctx, n, effect: ctx.gather(ctx.futures.step(double, n), ctx.futures.call("O/h", n)),
    lambda ctx, n, effect: ctx.select(a=ctx.futures.step(shout, "a"), b=ctx.futures.call("O/h", n)),
    lambda ctx, n, effect: ctx.race(ctx.futures.step(double, n), ctx.futures.call("O/h", n)),
    lambda ctx, n, effect: ctx.any(ctx.futures.call("O/fails"), ctx.futures.step(double, n)),
    lambda ctx, n, effect: _completed_in_place(ctx, n),
    lambda ctx, n, effect: ctx.futures.call("O/h", n, returns=int).timeout(DAY).result(),
    lambda ctx, n, effect: _too_late_in_place(ctx, n),
    lambda ctx, n, effect: _group_in_place(ctx, n),
    lambda ctx, n, effect: _saga_in_place(ctx, n, effect),
    lambda ctx, n, effect: _promise_in_place(ctx, n),
    lambda ctx, n, effect: _awakeable_in_place(ctx, n),
    lambda ctx, n, effect: _signal_in_place(ctx, n),
    lambda ctx, n, effect: [str(ctx.uuid()), ctx.random.random(), ctx.time()],
]


# -- handlers of pieces


class Attempts:
    """Effects of the attempt that began last. A thread of one that was cut off may begin its step
    when the next one has stored it: nobody can call it back, and nothing of it counts."""

    def __init__(self, effect: Effect) -> None:
        self._effect = effect
        self._latest: object = None

    def begin(self) -> Effect:
        attempt = self._latest = object()

        def effect(n: int) -> int:
            return self._effect(n) if self._latest is attempt else n * 3

        return effect


Stored = Callable[[int], None]
"""Told that the piece of a number has ended: what it stored is there."""


def async_handler(program: list[int], effect: Effect, stored: Stored) -> HandlerDefinition:
    """An `async def` handler; `program` are numbers of PIECES."""
    made = perdure.Workflow("Test")
    attempts = Attempts(effect)

    @made.run
    async def run(ctx: perdure.WorkflowContext) -> list[Any]:
        out, own = [], attempts.begin()
        for n, at in enumerate(program):
            out.append(await PIECES[at % len(PIECES)](ctx, n, own))
            stored(n)
        return out

    return definition_of(made).handlers["run"]


def plain_handler(program: list[int], effect: Effect, stored: Stored) -> HandlerDefinition:
    """A plain `def` handler; `program` are numbers of PLAIN_PIECES."""
    made = perdure.Workflow("Test")
    attempts = Attempts(effect)

    @made.run
    def run(ctx: perdure.SyncContext) -> list[Any]:
        out, own = [], attempts.begin()
        for n, at in enumerate(program):
            out.append(PLAIN_PIECES[at % len(PLAIN_PIECES)](ctx, n, own))
            stored(n)
        return out

    return definition_of(made).handlers["run"]


def method(program: list[int], effect: Effect, stored: Stored) -> HandlerDefinition:
    """A method of a class with typed state, which changes between pieces; see async_handler."""

    attempts = Attempts(effect)

    class Test(perdure.Workflow):
        count: int = perdure.state(default=0)
        seen: list[int] = perdure.state(default_factory=list)

        @perdure.run
        async def run(self) -> list[Any]:
            out, own = [], attempts.begin()
            for n, at in enumerate(program):
                piece = PIECES[at % len(PIECES)]
                if piece not in (state, all_state):
                    out.append(await piece(self.ctx, n, own))
                self.count += n
                self.seen.append(self.count)
                stored(n)
            return [*out, self.count, self.seen]

    return definition_of(Test).handlers["run"]
