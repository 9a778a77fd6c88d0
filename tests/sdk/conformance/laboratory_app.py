"""The services of `tests.parts.laboratory_app` on our SDK: watched or held by tests from outside.

A gate is a file `gate-<name>` in LAB_DIR: a handler passes once a test has created it. A mark is
a line in the file `marks-<name>`: a step that ran leaves one, so a test can count executions.
"""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

import perdure

DIRECTORY = Path(os.environ["LAB_DIR"])
VERSION = os.environ.get("LAB_VERSION", "v1")
DAY = timedelta(days=1)
SHORT = timedelta(seconds=2)
TICK = timedelta(milliseconds=10)


def gate_open(name: str) -> bool:
    return (DIRECTORY / f"gate-{name}").exists()


def mark(name: str, text: str = VERSION) -> None:
    with (DIRECTORY / f"marks-{name}").open("a") as marks:
        marks.write(text + "\n")


def first_time(name: str) -> bool:
    found = not (DIRECTORY / f"marks-{name}").exists()
    mark(name)
    return found


def eager(attempts: int, then: Literal["pause", "kill"]) -> perdure.Retry:
    return perdure.Retry(TICK, 1.0, TICK, max_attempts=attempts, on_exhausted=then)


pausing = perdure.Service("Pausing", retry=eager(3, "pause"))


@pausing.handler(name="passGate")
async def pass_gate(ctx: perdure.Context, gate: str) -> str:
    """Fails until the gate is open; each attempt leaves a mark."""
    mark(gate)
    if not gate_open(gate):
        raise ValueError(f"gate {gate} is shut")
    return VERSION


@pausing.handler(name="passGateInRun")
async def pass_gate_in_step(ctx: perdure.Context, gate: str) -> str:
    """The first step fails in version v1, whatever the gate."""

    def step() -> str:
        mark(gate)
        if VERSION == "v1":
            raise ValueError("this version always fails")
        return VERSION

    return await ctx.step(step)


class Killing(perdure.Service, retry=eager(3, "kill")):
    @perdure.handler
    def fail(self, name: str) -> str:
        mark(name)
        raise ValueError(f"no luck for {name}")

    @perdure.handler(name="askedDelay")
    async def asked_delay(self, name: str) -> str:
        """Fails once and asks for its own delay before the next attempt."""
        if first_time(name):
            raise perdure.RetryAfter(timedelta(milliseconds=300), "later, please")
        return "done"


class Versioned(perdure.Object):
    awakeable: str | None = perdure.state(default=None)

    @perdure.handler
    async def version(self) -> str:
        return VERSION

    @perdure.handler(name="aroundAwakeable")
    async def around_awakeable(self) -> list[str]:
        """The version before and after a wait."""
        before = VERSION
        awakeable = self.ctx.awakeable(str)
        self.awakeable = awakeable.id
        return [before, await awakeable, VERSION]

    @perdure.shared(name="awakeableId")
    async def awakeable_id(self) -> str | None:
        return self.awakeable


restartable = perdure.Service("Restartable", journal_retention=DAY)


@restartable.handler(name="stepThenGate")
async def step_then_gate(ctx: perdure.Context, gate: str) -> str:
    """A step that remembers whether the gate was open; fails for good while it is shut."""
    seen = await ctx.step(lambda: "open" if gate_open(gate) else "shut", name="look")
    if not gate_open(gate):
        raise perdure.Terminal("the gate is shut", code=418)
    return f"{gate} was {seen}"


class Retained(perdure.Service, journal_retention=DAY):
    @perdure.handler
    def nap(self, text: str) -> str:
        self.ctx.sleep(timedelta(milliseconds=100))
        return text


forgetful = perdure.Object("Forgetful", idempotency_retention=SHORT)


@forgetful.handler
async def add(ctx: perdure.ObjectContext, addend: int) -> int:
    total = await ctx.get("total", int, 0) + addend
    ctx.set("total", total)
    return total


@forgetful.shared(idempotency_retention=timedelta(0))
async def total(ctx: perdure.ObjectSharedContext) -> int:
    return await ctx.get("total", int, 0)


hidden = perdure.Service("Hidden", private=True)


@hidden.handler
async def greet(ctx: perdure.Context, name: str) -> str:
    return f"Hello {name}"


front = perdure.Service("Front")


@front.handler(name="greet")
async def greet_through(ctx: perdure.Context, name: str) -> str:
    greeting: str = await ctx.call(greet, name)
    return greeting


brief = perdure.Workflow("Brief")


@brief.run(workflow_retention=SHORT)
async def run(ctx: perdure.WorkflowContext, text: str) -> str:
    ctx.set("text", text)
    return f"{text} {ctx.key}"


@dataclass
class ManySteps:
    name: str
    count: int
    pauseMs: int = 0


steps = perdure.Service("Steps")


@steps.handler(name="manySteps")
async def many_steps(ctx: perdure.Context, order: ManySteps) -> list[int]:
    """Steps in sequence with a mark each; returns what each of them returned."""

    async def step(number: int) -> int:
        await asyncio.sleep(order.pauseMs / 1000)
        mark(order.name, str(number))
        return number * number

    return [await ctx.step(step, number, name=f"step {number}") for number in range(order.count)]


stubborn = perdure.Service(
    "Stubborn",
    inactivity_timeout=timedelta(milliseconds=100),
    abort_timeout=timedelta(milliseconds=300),
    retry=eager(1000, "kill"),
)


@stubborn.handler(name="hangOnce")
def hang_once(ctx: perdure.SyncContext, name: str) -> str:
    """Its first attempt answers much too late, and does not suspend: only an abort ends it."""
    if first_time(name):
        time.sleep(5)
    return "second"


@stubborn.handler(name="slowStep")
async def slow_step(ctx: perdure.Context, name: str) -> str:
    """One step that outlives the inactivity timeout, but not the abort timeout."""

    async def step() -> str:
        mark(name)
        await asyncio.sleep(0.25)
        return "slept"

    return await ctx.step(step, name="slow")


typed = perdure.Service("Typed")


@typed.handler
async def object_in(ctx: perdure.Context, order: dict[str, Any]) -> dict[str, Any]:
    return order


@typed.handler
async def nothing(ctx: perdure.Context) -> None:
    return None


SERVICES: dict[str, Any] = {
    "Pausing": pausing,
    "Killing": Killing,
    "Versioned": Versioned,
    "Restartable": restartable,
    "Retained": Retained,
    "Forgetful": forgetful,
    "Hidden": hidden,
    "Front": front,
    "Brief": brief,
    "Steps": steps,
    "Stubborn": stubborn,
    "Typed": typed,
}
_wanted = os.environ.get("SERVICES")
_key = os.environ.get("E2E_REQUEST_SIGNING")

app = perdure.app(
    *(SERVICES[name] for name in (_wanted.split(",") if _wanted else SERVICES)),
    identity_keys=[_key] if _key else (),
)
