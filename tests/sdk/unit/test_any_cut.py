"""Random handlers over streams that are cut, and bytes that are noise."""

import asyncio
import random
from datetime import timedelta
from typing import Any

import pytest

from perdure import wire
from tests.sdk.unit import corpus
from tests.sdk.unit.engine import Invocation
from tests.sdk.unit.handlers import handler

DAY = timedelta(days=1)


async def double(n: int) -> int:
    return 2 * n


MAKERS = {
    "async": corpus.async_handler,
    "plain": corpus.plain_handler,
    "method": corpus.method,
}
SHAPES = {"async": 60, "plain": 30, "method": 30}  # so many programs of each


def _answer(command: Any) -> bytes | wire.WireFailure:
    if command.handler_name == "fails":
        return wire.WireFailure(418, "no luck")
    return command.parameter or b"null"  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("kind", "seed"), [(kind, seed) for kind, count in SHAPES.items() for seed in range(count)]
)
def test_any_handler_survives_any_cut(kind: str, seed: int) -> None:
    """A random handler, its stream cut at any byte in any attempt, ends as it does uncut; a step
    whose result was stored is not executed again."""
    chance = random.Random(f"{kind} {seed}")
    program = chance.choices(range(1_000), k=8)
    stored: set[int] = set()
    again: list[int] = []

    def effect(n: int) -> int:
        if n in stored:
            again.append(n)
        return n * 3

    def cut() -> int | None:
        return chance.choice((None, chance.randrange(1, 400)))

    def pieces(data: bytes) -> list[bytes]:
        size = chance.choice((1, 3, 50, len(data) or 1))
        return [data[at : at + size] for at in range(0, len(data), size)]

    made = Invocation(
        MAKERS[kind](program, effect, stored.add),
        version=chance.choice((5, 6, 7)),
        suspending=chance.random() < 0.3,
        lazy=chance.random() < 0.3,
        key="k",
        call=_answer,
        cut=cut,
        pieces=pieces,
    )
    asyncio.run(made.run(400))
    assert made.output.failure is None
    assert not again
    assert not made.errors
    # Once more from the whole journal: the same bytes.
    whole, output = made.journal, made.output
    made.journal = [frame for frame in whole if frame[:2] != b"\x04\x01"]
    made.output, made.cut, made.suspending, made.state = None, lambda: None, False, {}
    asyncio.run(made.attempt())
    assert made.output == output, (made.errors, program)


def test_every_piece_is_in_some_program() -> None:
    assert len({piece.__name__ for piece in corpus.PIECES}) == len(corpus.PIECES) == 26


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


@pytest.mark.parametrize("kind", ["async", "plain"])
def test_what_a_group_waits_for_is_what_its_members_wait_for(kind: str) -> None:
    """All of nothing would be there at once, and the server resume the invocation for ever."""
    made = Invocation(
        MAKERS[kind]([corpus.PIECES.index(corpus.group) if kind == "async" else 13], int, id),
        suspending=True,
        key="k",
        answers_sleep=False,
    )
    asyncio.run(made.attempt())
    (waiting,) = made.suspensions
    assert len(waiting.flat().completions) >= 2
    assert not any(
        not (one.completions or one.signals or one.named_signals or one.nested)
        for one in waiting.nodes()
    )
