"""When the trouble is over somebody sees to it that all that waits for people comes to its end."""

import asyncio
from typing import TYPE_CHECKING, Any

from orchestrator.model.records import Resume, Signal
from orchestrator.model.rows import InvocationRow
from orchestrator.model.values import PAUSED
from tests.simulation.clients import Client, Wish, operate
from tests.simulation.programs import WORKFLOW

if TYPE_CHECKING:
    from tests.simulation.world import World


async def tend(world: "World") -> None:
    """Answer every awakeable, signal and promise, and resume what is paused, for ever."""
    while True:
        for invocation_id, row in world.rows():
            away = world.metadata.elsewhere(row, world.now_ms())
            if away is None and row.status == PAUSED:
                away = Resume(invocation_id, world.now_ms())
            if away is not None:
                if isinstance(away, Resume) and away.deployment:
                    world.oracle.moved.add(invocation_id)
                world.oracle.touched(type(away).__name__, invocation_id)
                await _operate(world, away)
            await _answer(world, invocation_id, row)
        await asyncio.sleep(0.5)


async def _answer(world: "World", invocation_id: bytes, row: InvocationRow) -> None:
    oracle, now_ms = world.oracle, world.now_ms()
    for target, index in list(oracle.awakeables):
        if target == invocation_id and index not in (row.signals or {}):
            await _operate(world, Signal(target, index, "", b"late", now_ms))
    for target, name in list(oracle.named):
        if target == invocation_id and name not in (row.names or {}):
            await _operate(world, Signal(target, 0, name, b"late", now_ms))
    if invocation_id in oracle.pongs:
        await _operate(world, Signal(invocation_id, 0, "ping", b"late", now_ms))
    if row.invoke.service == WORKFLOW and row.invoke.handler == "run":
        click = Wish(WORKFLOW, "click", row.invoke.key, world.plan.programs.click(), 0.0)
        await Client(world, click, world.next_number()).run()


async def _operate(world: "World", operation: Any) -> None:
    await operate(world, operation, world.next_number())
