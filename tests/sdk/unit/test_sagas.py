"""All that a saga has noted is undone, whatever happens meanwhile."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

import perdure
from perdure.testing import Env

pytestmark = pytest.mark.anyio

trips = perdure.Service("Trips")
undone: list[str] = []
waiting: list[asyncio.Event] = []


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


async def undo(what: str) -> None:
    if what == "charge":
        raise perdure.Terminal("the bank is closed", 503)
    if what == "seat" and waiting:
        await waiting[0].wait()
    undone.append(what)


@trips.handler
async def fails(ctx: perdure.Context) -> None:
    async with ctx.saga() as saga:
        for what in ("seat", "charge", "room"):
            saga.undo(undo, what)
        raise perdure.Terminal("sold out", 410)


@trips.handler
def fails_in_place(ctx: perdure.SyncContext) -> None:
    with ctx.saga() as saga:
        for what in ("seat", "charge", "room"):
            saga.undo(undo, what)
        raise perdure.Terminal("sold out", 410)


@trips.handler
async def waits(ctx: perdure.Context) -> None:
    async with ctx.saga() as saga:
        for what in ("car", "seat", "room"):
            saga.undo(undo, what)
        await ctx.sleep(timedelta(days=1))


@trips.handler
def waits_in_place(ctx: perdure.SyncContext) -> None:
    with ctx.saga() as saga:
        for what in ("car", "seat", "room"):
            saga.undo(undo, what)
        ctx.sleep(timedelta(days=1))


@pytest.mark.parametrize("always_replay", [False, True])
@pytest.mark.parametrize("handler", [fails, fails_in_place])
async def test_an_undo_that_fails_keeps_no_other_from_being_run(
    handler: Any, always_replay: bool
) -> None:
    undone.clear()
    async with Env(perdure.app(trips), always_replay=always_replay) as env:
        with pytest.raises(perdure.Terminal, match="the bank is closed"):
            await env.client.call(handler)
    assert undone == ["room", "seat"]


@pytest.mark.parametrize("handler", [waits, waits_in_place])
async def test_a_second_cancellation_ends_no_undo(handler: Any) -> None:
    undone.clear()
    waiting[:] = [asyncio.Event()]
    async with Env(perdure.app(trips)) as env:
        handle = await env.client.send(handler)
        await env.skip()
        await handle.cancel()
        await env.skip()
        assert undone == ["room"]
        await handle.cancel()
        await env.skip()
        waiting[0].set()
        with pytest.raises(perdure.Terminal) as failed:
            await handle.result()
    waiting.clear()
    assert failed.value.code == 409
    assert undone == ["room", "seat", "car"]
