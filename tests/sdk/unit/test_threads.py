"""Plain handlers come to their end with fewer threads than there are of them."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from typing import Any

import pytest

import perdure
from perdure.runtime.threads import Threads
from perdure.testing import Env

pytestmark = pytest.mark.anyio

THREADS = 4
CALLS = 3 * THREADS
SOON = timedelta(seconds=60)

plain = perdure.Service("Plain")


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def few_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    handlers = Threads(THREADS)
    monkeypatch.setattr("perdure.runtime.bridge.handler_threads", handlers)
    monkeypatch.setattr("perdure.runtime.attempt.handler_threads", handlers)
    monkeypatch.setattr("perdure.runtime.running.step_threads", Threads(THREADS))


def effect() -> int:
    time.sleep(0.005)
    return 1


def member(ctx: perdure.SyncContext) -> int:
    return ctx.step(effect)


@plain.handler
def steps(ctx: perdure.SyncContext) -> int:
    return ctx.step(effect) + ctx.step(effect) - 1


@plain.handler
def calls(ctx: perdure.SyncContext) -> int:
    return ctx.call(steps)


@plain.handler
def groups(ctx: perdure.SyncContext) -> int:
    with ctx.group() as group:
        parts = [group.start(member, ctx) for _ in range(3)]
    return int(sum(part.result() for part in parts)) - 2


@plain.handler
def sleeps(ctx: perdure.SyncContext) -> int:
    ctx.sleep(timedelta(hours=1))
    return ctx.step(effect)


@pytest.mark.parametrize("handler", [steps, calls, groups])
async def test_all_of_many_end(handler: Any) -> None:
    async with Env(perdure.app(plain)) as env:
        asked = [env.client.call(handler, timeout=SOON) for _ in range(CALLS)]
        assert await asyncio.gather(*asked) == [1] * CALLS


async def test_who_waits_for_long_gives_its_thread_to_others() -> None:
    async with Env(perdure.app(plain)) as env:
        handles = [await env.client.send(sleeps) for _ in range(CALLS)]
        assert await env.client.call(steps, timeout=SOON) == 1
        await env.skip(timedelta(hours=2))
        assert [await handle.result(SOON) for handle in handles] == [1] * CALLS
