"""Random handlers over streams that are cut, and bytes that are noise."""

import asyncio
import random
from datetime import timedelta
from typing import Any

import pytest

from tests.sdk.unit.engine import Invocation
from tests.sdk.unit.handlers import handler

DAY = timedelta(days=1)


async def double(n: int) -> int:
    return 2 * n


def shout(text: str) -> str:
    return text.upper()


@pytest.mark.parametrize("seed", range(60))
def test_any_handler_survives_any_cut(seed: int) -> None:
    """A random handler, its stream cut at any byte in any attempt, ends as it does uncut; a step
    whose result was stored is not executed again."""
    program = random.Random(seed).choices(range(6), k=8)
    chance = random.Random(seed)
    stored: set[int] = set()
    again: list[int] = []

    async def effect(n: int) -> int:
        if n in stored:
            again.append(n)
        return n * 3

    async def work(ctx: Any) -> list[Any]:
        out: list[Any] = []
        for n, op in enumerate(program):
            if op == 0:
                out.append(await ctx.step(effect, n))
                stored.add(n)
            elif op == 1:
                await ctx.sleep(DAY)
            elif op == 2:
                out.append(await ctx.call("O/h", n, returns=int))
            elif op == 3:
                ctx.set("k", n)
                out.append(await ctx.get("k", int))
            elif op == 4:
                out.append(await ctx.gather(ctx.step(double, n), ctx.call("O/h", n, returns=int)))
            else:
                out.append(await ctx.select(a=ctx.step(shout, "a"), b=ctx.call("O/h", n)))
        return out

    def cut() -> int | None:
        return chance.choice((None, chance.randrange(1, 200)))

    def pieces(data: bytes) -> list[bytes]:
        size = chance.choice((1, 3, 50, len(data) or 1))
        return [data[at : at + size] for at in range(0, len(data), size)]

    made = Invocation(
        handler(work),
        version=chance.choice((5, 6, 7)),
        suspending=chance.random() < 0.3,
        call=lambda m: m.parameter,
        cut=cut,
        pieces=pieces,
    )
    asyncio.run(made.run(200))
    assert made.output.failure is None
    assert not again
    assert not made.errors
    # Once more from the whole journal: the same bytes.
    whole, output = made.journal, made.output
    made.journal = [frame for frame in whole if frame[:2] != b"\x04\x01"]
    made.output, made.cut, made.suspending = None, lambda: None, False
    asyncio.run(made.attempt())
    assert made.output == output


@pytest.mark.parametrize("seed", range(100))
def test_noise_never_hangs_or_crashes(seed: int, caplog: pytest.LogCaptureFixture) -> None:
    chance = random.Random(seed)

    async def work(ctx: Any, text: str) -> str:
        await ctx.step(double, 1)
        await ctx.sleep(DAY)
        return await ctx.call("O/h", returns=str)  # type: ignore[no-any-return]

    def pieces(data: bytes) -> list[bytes]:
        noisy = bytearray(data)
        for _ in range(chance.randrange(1, 4)):
            noisy[chance.randrange(len(noisy))] = chance.randrange(256)
        return [bytes(noisy)]

    made = Invocation(handler(work), b'"text"', suspending=True, call=lambda m: b'"r"')
    asyncio.run(made.attempt())
    made.pieces = pieces
    for _ in range(3):
        if made.output is None:
            asyncio.run(made.attempt())
