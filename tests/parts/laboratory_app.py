"""Our own services on the Restate SDK, each made to be watched or held by a test from outside.

A gate is a file `gate-<name>` in LAB_DIR: a handler passes once a test has created it. A mark is
a line in the file `marks-<name>`: a step that ran leaves one, so a test can count executions.
"""

from __future__ import annotations

import asyncio
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import restate
from restate import Context, ObjectContext, ObjectSharedContext, WorkflowContext
from restate.exceptions import RetryableError, TerminalError
from restate.retry_policy import InvocationRetryPolicy

DIRECTORY = Path(os.environ["LAB_DIR"])
VERSION = os.environ.get("LAB_VERSION", "v1")
DAY = timedelta(days=1)


def gate_open(name: str) -> bool:
    return (DIRECTORY / f"gate-{name}").exists()


def mark(name: str, text: str = VERSION) -> None:
    with (DIRECTORY / f"marks-{name}").open("a") as marks:
        marks.write(text + "\n")


def eager(attempts: int, then: Any) -> InvocationRetryPolicy:
    tick = timedelta(milliseconds=10)
    return InvocationRetryPolicy(tick, 1.0, tick, max_attempts=attempts, on_max_attempts=then)


pausing = restate.Service("Pausing", invocation_retry_policy=eager(3, "pause"))


@pausing.handler(name="passGate")
async def pass_gate(ctx: Context, gate: str) -> str:
    """Fails until the gate is open; each attempt leaves a mark."""
    mark(gate)
    if not gate_open(gate):
        raise ValueError(f"gate {gate} is shut")
    return VERSION


@pausing.handler(name="passGateInRun")
async def pass_gate_in_run(ctx: Context, gate: str) -> str:
    """The first step fails in version v1, whatever the gate."""

    def step() -> str:
        mark(gate)
        if VERSION == "v1":
            raise ValueError("this version always fails")
        return VERSION

    return await ctx.run_typed("step", step)


killing = restate.Service("Killing", invocation_retry_policy=eager(3, "kill"))


@killing.handler()
async def fail(ctx: Context, name: str) -> str:
    mark(name)
    raise ValueError(f"no luck for {name}")


@killing.handler(name="askedDelay")
async def asked_delay(ctx: Context, name: str) -> str:
    """Fails once and asks for its own delay before the next attempt."""
    first = not (DIRECTORY / f"marks-{name}").exists()
    mark(name)
    if first:
        raise RetryableError("later, please", retry_after=timedelta(milliseconds=300))
    return "done"


versioned = restate.VirtualObject("Versioned")


@versioned.handler(name="version")
async def version(ctx: ObjectContext) -> str:
    return VERSION


@versioned.handler(name="aroundAwakeable")
async def around_awakeable(ctx: ObjectContext) -> list[str]:
    """The version before and after a wait."""
    before = VERSION
    name, value = ctx.awakeable(type_hint=str)
    ctx.set("awakeable", name)
    return [before, await value, VERSION]


@versioned.handler(name="awakeableId", kind="shared")
async def awakeable_id(ctx: ObjectSharedContext) -> str | None:
    return await ctx.get("awakeable", type_hint=str)


restartable = restate.Service("Restartable", journal_retention=DAY)


@restartable.handler(name="stepThenGate")
async def step_then_gate(ctx: Context, gate: str) -> str:
    """A step that remembers whether the gate was open; fails for good while it is shut."""
    seen = await ctx.run_typed("look", lambda: "open" if gate_open(gate) else "shut")
    if not gate_open(gate):
        raise TerminalError("the gate is shut", status_code=418)
    return f"{gate} was {seen}"


retained = restate.Service("Retained", journal_retention=DAY)


@retained.handler()
async def nap(ctx: Context, text: str) -> str:
    await ctx.sleep(timedelta(milliseconds=100))
    return text


SHORT = timedelta(seconds=2)
forgetful = restate.VirtualObject("Forgetful", idempotency_retention=SHORT)


@forgetful.handler()
async def add(ctx: ObjectContext, addend: int) -> int:
    total = (await ctx.get("total", type_hint=int) or 0) + addend
    ctx.set("total", total)
    return total


@forgetful.handler(kind="shared", idempotency_retention=timedelta(0))
async def total(ctx: ObjectSharedContext) -> int:
    return await ctx.get("total", type_hint=int) or 0


hidden = restate.Service("Hidden", ingress_private=True)


@hidden.handler()
async def greet(ctx: Context, name: str) -> str:
    return f"Hello {name}"


front = restate.Service("Front")


@front.handler(name="greet")
async def greet_through(ctx: Context, name: str) -> str:
    return await ctx.service_call(greet, arg=name)


brief = restate.Workflow("Brief")


@brief.main(workflow_retention=SHORT)
async def run(ctx: WorkflowContext, text: str) -> str:
    ctx.set("text", text)
    return f"{text} {ctx.key()}"


steps = restate.Service("Steps")


@steps.handler(name="manySteps")
async def many_steps(ctx: Context, order: dict[str, Any]) -> list[int]:
    """Steps in sequence with a mark each; returns what each of them returned."""

    async def step(number: int) -> int:
        await asyncio.sleep(order.get("pauseMs", 0) / 1000)
        mark(order["name"], str(number))
        return number * number

    return [
        await ctx.run_typed(f"step {number}", step, number=number)
        for number in range(order["count"])
    ]


stubborn = restate.Service(
    "Stubborn",
    inactivity_timeout=timedelta(milliseconds=100),
    abort_timeout=timedelta(milliseconds=300),
    invocation_retry_policy=eager(1000, "kill"),
)


@stubborn.handler(name="hangOnce")
async def hang_once(ctx: Context, name: str) -> str:
    """Never answers on its first attempt, nor suspends: only an abort ends that attempt."""
    first = not (DIRECTORY / f"marks-{name}").exists()
    mark(name)
    if first:
        await asyncio.sleep(3600)
    return "second"


@stubborn.handler(name="slowStep")
async def slow_step(ctx: Context, name: str) -> str:
    """One step that outlives the inactivity timeout, but not the abort timeout."""

    async def step() -> str:
        mark(name)
        await asyncio.sleep(0.25)
        return "slept"

    return await ctx.run_typed("slow", step)


typed = restate.Service("Typed")


@typed.handler(accept="application/json", content_type="application/json")
async def object_in(ctx: Context, order: dict[str, Any]) -> dict[str, Any]:
    return order


@typed.handler(name="nothing")
async def nothing(ctx: Context) -> None:
    return None


SERVICES: list[restate.Service | restate.VirtualObject | restate.Workflow] = [
    pausing,
    killing,
    versioned,
    restartable,
    retained,
    forgetful,
    hidden,
    front,
    brief,
    steps,
    stubborn,
    typed,
]
_wanted = os.environ.get("SERVICES")
_key = os.environ.get("E2E_REQUEST_SIGNING")

app = restate.app(
    services=[one for one in SERVICES if not _wanted or one.name in _wanted.split(",")],
    identity_keys=[_key] if _key else None,
)
