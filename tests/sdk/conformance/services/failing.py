"""Handlers and steps that fail: for good, for a while, until their retries are used up."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from typing import NoReturn

import perdure

failing = perdure.Object("Failing")
attempts: Counter[str] = Counter()  # of this process, as the contract has them


@dataclass
class ToPropagate:
    errorMessage: str
    metadata: dict[str, str] | None = None

    def raise_it(self) -> NoReturn:
        raise perdure.Terminal(self.errorMessage, metadata=self.metadata)


@failing.handler(name="terminallyFailingCall")
async def terminally_failing_call(ctx: perdure.ObjectContext, failure: ToPropagate) -> None:
    failure.raise_it()


@failing.handler(name="callTerminallyFailingCall")
async def call_terminally_failing_call(ctx: perdure.ObjectContext, failure: ToPropagate) -> str:
    await ctx.call(terminally_failing_call, failure, key=str(ctx.uuid()))
    raise AssertionError("the callee has failed")


@failing.handler(name="failingCallWithEventualSuccess")
async def failing_call_with_eventual_success(ctx: perdure.ObjectContext) -> int:
    attempts["call"] += 1
    if attempts["call"] >= 4:
        attempts["call"] = 0
        return 4
    raise ValueError(f"Failed at attempt: {attempts['call']}")


@failing.handler(name="terminallyFailingSideEffect")
async def terminally_failing_step(ctx: perdure.ObjectContext, failure: ToPropagate) -> None:
    await ctx.step(failure.raise_it, name="sideEffect")
    raise AssertionError("the step has failed")


def quickly(max_attempts: int) -> perdure.Retry:
    return perdure.Retry(initial=timedelta(milliseconds=1), factor=1.0, max_attempts=max_attempts)


@failing.handler(name="sideEffectSucceedsAfterGivenAttempts")
async def step_succeeds_after(ctx: perdure.ObjectContext, least: int) -> int:
    def attempt() -> int:
        attempts["success"] += 1
        if attempts["success"] < least:
            raise ValueError(f"Failed at attempt: {attempts['success']}")
        return attempts["success"]

    return await ctx.step(attempt, retry=quickly(least + 1))


@failing.handler(name="sideEffectFailsAfterGivenAttempts")
def step_fails_after(ctx: perdure.SyncContext, most: int) -> int:
    def attempt() -> None:
        attempts["failure"] += 1
        raise ValueError(f"Failed at attempt: {attempts['failure']}")

    try:
        ctx.step(attempt, retry=quickly(most))
    except perdure.Terminal:
        return attempts["failure"]
    raise AssertionError("the step has failed")
