"""Handlers that take another way on each attempt, as no handler should."""

from __future__ import annotations

from collections import Counter as Counts
from datetime import timedelta

import perdure
from tests.sdk.conformance.services.collections import Counter

divergent = perdure.Object("NonDeterministic")
attempts: Counts[str] = Counts()
A_WHILE = timedelta(milliseconds=100)


def goes_left(ctx: perdure.ObjectContext) -> bool:
    attempts[ctx.key] += 1
    return attempts[ctx.key] % 2 == 1


def increment(ctx: perdure.ObjectContext) -> None:
    ctx.send(Counter.add, 1, key=ctx.key)


@divergent.handler(name="setDifferentKey")
async def set_different_key(ctx: perdure.ObjectContext) -> None:
    ctx.set("a" if goes_left(ctx) else "b", "my-state")
    await ctx.sleep(A_WHILE)
    increment(ctx)


@divergent.handler(name="backgroundInvokeWithDifferentTargets")
async def send_to_different_targets(ctx: perdure.ObjectContext) -> None:
    ctx.send(Counter.get if goes_left(ctx) else Counter.reset, key="abc")
    await ctx.sleep(A_WHILE)
    increment(ctx)


@divergent.handler(name="callDifferentMethod")
async def call_different_method(ctx: perdure.ObjectContext) -> None:
    await ctx.call(Counter.get if goes_left(ctx) else Counter.reset, key="abc")
    await ctx.sleep(A_WHILE)
    increment(ctx)


@divergent.handler(name="eitherSleepOrCall")
async def either_sleep_or_call(ctx: perdure.ObjectContext) -> None:
    if goes_left(ctx):
        await ctx.sleep(A_WHILE)
    else:
        await ctx.call(Counter.get, key="abc")
    await ctx.sleep(A_WHILE)
    increment(ctx)
