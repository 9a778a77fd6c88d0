"""Fakes in place of steps, by each name that a step has."""

import asyncio
from typing import Any

import pytest

import perdure
from perdure.testing import Env


class Mailer:
    def send(self, to: str) -> str:
        raise OSError("there is no network")


mailer = Mailer()


@perdure.step(name="archive")
async def keeps(to: str) -> str:
    raise OSError("there is no disk")


posts = perdure.Service("Posts")


@posts.handler
async def post(ctx: perdure.Context, to: str) -> list[str]:
    sent = await ctx.step(mailer.send, to, name="post it")
    return [sent, await keeps(to)]


def test_a_fake_is_found_by_each_name_of_its_step() -> None:
    fakes: list[tuple[Any, Any]] = [
        ("post it", lambda mailer, to: f"fake {to}"),
        ("send", lambda mailer, to: f"fake {to}"),
        (Mailer.send, lambda mailer, to: f"fake {to}"),
        (mailer.send, lambda to: f"fake {to}"),
    ]

    async def test(env: Env) -> None:
        for step, fake in fakes:
            for kept in ("archive", "keeps", keeps):
                with env.patch(step, fake), env.patch(kept, lambda to: f"kept {to}"):
                    assert await env.client.call(post, "ann", timeout=20) == [
                        "fake ann",
                        "kept ann",
                    ]

    async def refused(env: Env) -> None:
        wrong: list[tuple[Any, Any]] = [(5, print), (keeps, 5)]
        for step, fake in wrong:
            with pytest.raises(perdure.Misuse):
                env.patch(step, fake)
        odd: list[tuple[Any, str]] = [("a", "Nobody"), (5, "Posts")]
        for key, name in odd:
            with pytest.raises(perdure.Misuse):
                await env.state(name, key)
        with pytest.raises(perdure.Misuse, match="by its id or its handle"):
            await env.journal(None)

    async def both() -> None:
        async with Env(perdure.app(posts)) as env:
            await test(env)
            await refused(env)

    asyncio.run(both())
