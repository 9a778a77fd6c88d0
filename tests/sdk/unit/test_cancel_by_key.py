"""Handlers cancel what they know by a workflow's or an idempotency key."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

import perdure
from perdure.testing import Env
from tests.sdk.unit.engine import Invocation
from tests.sdk.unit.handlers import handler

pytestmark = pytest.mark.anyio
DAY = timedelta(days=1)

flow = perdure.Workflow("Flow")
worker = perdure.Service("Worker")
keyed = perdure.Object("Keyed")
ender = perdure.Service("Ender")


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@flow.run
async def run(ctx: perdure.WorkflowContext) -> None:
    await ctx.sleep(DAY)


@worker.handler
async def work(ctx: perdure.Context, n: int) -> None:
    await ctx.sleep(DAY)


@keyed.handler
async def hold(ctx: perdure.ObjectContext) -> None:
    await ctx.sleep(DAY)


@ender.handler
async def end(ctx: perdure.Context) -> None:
    ctx.workflow(flow, "k").cancel()
    ctx.invocation_of(work, idempotency_key="i").cancel()
    ctx.invocation_of(hold, key="k", idempotency_key="i").cancel()
    ctx.workflow(flow, "nobody").cancel()


@ender.handler
def end_in_place(ctx: perdure.SyncContext) -> None:
    ctx.workflow(flow, "k").cancel()
    ctx.invocation_of("Worker/work", idempotency_key="i").cancel()
    ctx.invocation_of(hold, key="k", idempotency_key="i").cancel()


@pytest.mark.parametrize("ends", [end, end_in_place])
async def test_by_keys(ends: Any) -> None:
    async with Env(perdure.app(flow, worker, keyed, ender)) as env:
        known = [
            await env.client.workflow(flow, "k").submit(),
            await env.client.send(work, 1, idempotency_key="i"),
            await env.client.send(hold, key="k", idempotency_key="i"),
        ]
        others = [
            await env.client.workflow(flow, "other").submit(),
            await env.client.send(work, 1, idempotency_key="other"),
        ]
        await env.client.call(ends)
        for one in known:
            with pytest.raises(perdure.Terminal) as ended:
                await one.result(timedelta(seconds=20))
            assert ended.value.code == 409
        assert [await one.status() for one in others] == ["running", "running"]


async def test_other_servers_make_other_ids() -> None:
    async def ends(ctx: Any) -> None:
        ctx.workflow("Flow", "k").cancel()

    made = Invocation(handler(ends))
    await made.attempt()
    assert "cancel by ctx.invocation(id)" in made.errors[0].message
    assert not made.sent
