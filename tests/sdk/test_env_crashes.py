"""Random handlers in an Env: killed at any moment, replayed at every await, they end alike."""

import asyncio
import random
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

import perdure
from perdure.testing import Env

HOUR = timedelta(hours=1)
OPS = 8
SHAPES = 30  # of programs, each killed at other moments

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
    for n, op in enumerate(program):
        if op == 0:
            out.append(await ctx.step(effect, ctx.id, n))
        elif op == 1:
            out.append(await ctx.step(noted, ctx.id, n))
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


app = perdure.app(worker, tally)


async def _end_of(program: list[int], chance: random.Random | None, replays: bool) -> Any:
    """Result and state of a program; `chance` says when to kill the engine."""
    async with asyncio.timeout(100), Env(app, always_replay=replays) as env:
        handle = await env.client.send(work, program, key="k")
        killing = None if chance is None else asyncio.create_task(_kill(env, chance))
        while await handle.status() == "running":
            await env.skip(HOUR)
        if killing is not None:
            await killing
        await env.skip(3 * HOUR)
        states = [await env.state(tally, key) for key in ("k", "k!", "k?")]
        return await handle.result(), await env.state(worker, "k"), states


async def _kill(env: Env, chance: random.Random) -> None:
    for _ in range(chance.randrange(1, 6)):
        for _ in range(chance.choice((3, 30, 200))):
            await asyncio.sleep(0)
            if chance.random() < 0.1:
                break
        await env.crash()


@pytest.mark.parametrize("seed", range(SHAPES))
def test_any_handler_survives_any_kill(seed: int) -> None:
    chance = random.Random(seed)
    program = chance.choices(range(8), k=OPS)
    expected = asyncio.run(_end_of(program, None, False))
    assert asyncio.run(_end_of(program, None, True)) == expected
    assert not repeated
    assert asyncio.run(_end_of(program, chance, chance.random() < 0.3)) == expected
    assert not repeated
