"""Random handlers in an Env: killed at any moment, replayed at every await, they end alike."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

import perdure
from perdure.testing import Env
from tests.sdk.unit import corpus

HOUR = timedelta(hours=1)
OPS = 8
SHAPES = 16  # of programs, each killed at other moments

worker = perdure.Object("Worker")
tally = perdure.Object("Tally")

executed: Counter[tuple[str, int]] = Counter()
begun: dict[str, int] = {}  # by invocation: the last step that began
repeated: list[tuple[str, int]] = []


async def effect(invocation: str, n: int) -> int:
    await asyncio.sleep(0)
    return noted(invocation, n)


def noted(invocation: str, n: int) -> int:
    """A step that a later one has followed was stored: it is never executed again."""
    if n < begun.get(invocation, -1):
        repeated.append((invocation, n))
    begun[invocation] = n
    executed[invocation, n] += 1
    return n * 3


latest: dict[str, object] = {}  # by invocation: its attempt


def noting(ctx: perdure.Context) -> Callable[[int], int]:
    """Takes note of steps, but not of those that a thread executes after its engine was killed:
    where engine and handlers die together, threads do, too."""
    name, attempt = ctx.id, object()
    latest[name] = attempt

    def note(n: int) -> int:
        return noted(name, n) if latest[name] is attempt else n * 3

    return note


async def double(n: int) -> int:
    return 2 * n


@tally.handler
async def add(ctx: perdure.ObjectContext, amount: int) -> int:
    total = await ctx.get("total", int, 0) + amount
    ctx.set("total", total)
    await ctx.sleep(HOUR)
    return total


@worker.handler
async def work(ctx: perdure.ObjectContext, program: list[int]) -> list[Any]:
    out: list[Any] = []
    note = noting(ctx)
    for n, op in enumerate(program):
        if op == 0:
            out.append(await ctx.step(effect, ctx.id, n))
        elif op == 1:
            out.append(await ctx.step(note, n))
        elif op == 2:
            await ctx.sleep(HOUR)
        elif op == 3:
            out.append(await ctx.call(add, n, key=ctx.key))
        elif op == 4:
            ctx.set("n", await ctx.get("n", int, 0) + n)
            out.append(await ctx.get("n", int))
        elif op == 5:
            out.append(await ctx.gather(ctx.step(double, n), ctx.call(add, n, key=f"{ctx.key}!")))
        elif op == 6:
            await ctx.send(add, 100, key=f"{ctx.key}?", delay=HOUR)
        else:
            name, value = await ctx.select(a=ctx.call(add, 1, key=f"{ctx.key}-{n}"))
            out.append([name, value])
    return out


pieces = perdure.Workflow("Pieces", workflow_retention=timedelta(days=365))
echo = perdure.Service("O")

# What comes first of several depends on when the engine was killed, or on the clock; and nothing
# is there to attach to.
TIMED = (corpus.selected, corpus.raced, corpus.values, corpus.attached)
STEADY = [piece for piece in corpus.PIECES if piece not in TIMED]


@echo.handler
async def h(ctx: perdure.Context, n: int | None = None) -> int | None:
    return n


@echo.handler(name="fails")
async def fails(ctx: perdure.Context) -> None:
    raise perdure.Terminal("no luck", 418)


@pieces.run
async def run(ctx: perdure.WorkflowContext, program: list[int]) -> list[Any]:
    note = noting(ctx)
    return [await STEADY[at](ctx, n, note) for n, at in enumerate(program)]


attempts: Counter[str] = Counter()


@echo.handler
async def waits_in_a_group(ctx: perdure.Context) -> list[int]:
    attempts[ctx.id] += 1

    async def member(n: int) -> int:
        await ctx.sleep(HOUR)
        return await ctx.step(double, n)

    async with ctx.group() as members:
        results = [members.start(member, n) for n in range(3)]
    return [await one for one in results]


app = perdure.app(worker, tally, pieces, echo)


async def _end_of(
    handler: Any, program: list[int], chance: random.Random | None, replays: bool
) -> Any:
    """Result and state of a program; `chance` says when to kill the engine."""
    begun.clear()  # ids of workflows are the same in each engine
    async with asyncio.timeout(100), Env(app, always_replay=replays) as env:
        handle = await env.client.send(handler, program, key="k")
        killing = None if chance is None else asyncio.create_task(_kill(env, chance))
        while await handle.status() == "running":
            await env.skip(HOUR if handler is work else corpus.DAY)
        if killing is not None:
            await killing
        await env.skip(3 * HOUR)
        states = [await env.state(tally, key) for key in ("k", "k!", "k?")]
        own = await env.state(worker if handler is work else pieces, "k")
        return await handle.result(), own, states


async def _kill(env: Env, chance: random.Random) -> None:
    for _ in range(chance.randrange(1, 6)):
        for _ in range(chance.choice((3, 30, 200))):
            await asyncio.sleep(0)
            if chance.random() < 0.1:
                break
        await env.crash()


@pytest.mark.parametrize("seed", range(SHAPES))
@pytest.mark.parametrize("handler", [work, run], ids=["work", "pieces"])
def test_any_handler_survives_any_kill(handler: Any, seed: int) -> None:
    repeated.clear()
    chance = random.Random(seed)
    program = chance.choices(range(8 if handler is work else len(STEADY)), k=OPS)
    expected = asyncio.run(_end_of(handler, program, None, False))
    assert asyncio.run(_end_of(handler, program, None, True)) == expected
    assert not repeated
    assert asyncio.run(_end_of(handler, program, chance, chance.random() < 0.3)) == expected
    assert not repeated


async def _count_attempts() -> int:
    async with Env(app, always_replay=True) as env:
        handle = await env.client.send(waits_in_a_group)
        await env.skip(2 * HOUR)
        assert await handle.result() == [0, 2, 4]
        return attempts[handle.id]


def test_a_group_that_waits_is_resumed_when_there_is_something_new() -> None:
    assert asyncio.run(_count_attempts()) <= 8
