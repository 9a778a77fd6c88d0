"""Holders of awakeables, trees of calls to cancel and to kill, and the workflow that waits."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

import perdure

holder = perdure.Object("AwakeableHolder")
cancel_runner = perdure.Object("CancelTestRunner")
blocking = perdure.Object("CancelTestBlockingService")
kill_runner = perdure.Object("KillTestRunner")
kill_singleton = perdure.Object("KillTestSingleton")

Operation = Literal["CALL", "SLEEP", "AWAKEABLE"]


@holder.handler
async def hold(ctx: perdure.ObjectContext, awakeable_id: str) -> None:
    ctx.set("id", awakeable_id)


@holder.handler(name="hasAwakeable")
async def has_awakeable(ctx: perdure.ObjectContext) -> bool:
    return await ctx.get("id", str) is not None


@holder.handler
async def unlock(ctx: perdure.ObjectContext, payload: str) -> None:
    held = await ctx.get("id", str)
    if held is None:
        raise perdure.Terminal("No awakeable is registered")
    ctx.resolve_awakeable(held, payload)


@cancel_runner.handler(name="startTest")
async def start_test(ctx: perdure.ObjectContext, operation: Operation) -> None:
    try:
        await ctx.call(block, operation, key=ctx.key)
    except perdure.Terminal as error:
        if error.code != 409:
            raise
        ctx.set("state", True)


@cancel_runner.handler(name="verifyTest")
async def verify_test(ctx: perdure.ObjectContext) -> bool:
    return await ctx.get("state", bool, False)


@blocking.handler
async def block(ctx: perdure.ObjectContext, operation: Operation) -> None:
    held = ctx.awakeable(str)
    await ctx.call(hold, held.id, key=ctx.key)
    await held
    if operation == "CALL":
        await ctx.call(block, operation, key=ctx.key)
    elif operation == "SLEEP":
        await ctx.sleep(timedelta(days=1024))
    else:
        await ctx.awakeable()


@blocking.handler(name="isUnlocked")
async def is_unlocked(ctx: perdure.ObjectContext) -> None:
    """Answers once nobody holds the key."""


@kill_runner.handler(name="startCallTree")
async def start_call_tree(ctx: perdure.ObjectContext) -> None:
    await ctx.call(recursive_call, key=ctx.key)


@kill_singleton.handler(name="recursiveCall")
async def recursive_call(ctx: perdure.ObjectContext) -> None:
    held = ctx.awakeable(str)
    ctx.send(hold, held.id, key=ctx.key)
    await held
    await ctx.call(recursive_call, key=ctx.key)


@kill_singleton.handler(name="isUnlocked")
async def is_alone(ctx: perdure.ObjectContext) -> None:
    """Answers once nobody holds the key."""


class BlockAndWaitWorkflow(perdure.Workflow):
    kept: str | None = perdure.state(default=None, name="my-state")

    @perdure.run
    async def run(self, text: str) -> str:
        self.kept = text
        promise = self.ctx.promise("durable-promise", str)
        output = await promise
        if await promise.peek() is None:
            raise perdure.Terminal("Durable promise should be completed")
        return output

    @perdure.handler
    async def unblock(self, output: str) -> None:
        await self.ctx.promise("durable-promise", str).resolve(output)

    @perdure.handler(name="getState")
    async def get_state(self, ignored: str = "") -> str | None:
        return self.kept
