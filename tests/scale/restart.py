"""A server starts with very many invocations that are to run: on 24 partitions, all at once."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from orchestrator.codec.records import encode_message
from orchestrator.log.embedded.log import EmbeddedLog, EmbeddedOptions
from orchestrator.log.port import Batch
from orchestrator.model.ids import placed_key
from orchestrator.model.invoke import Invoke
from orchestrator.model.values import SERVICE
from tests.scale.world import Used, World

PARTITIONS = 24
_MESSAGE_COUNT = 1_000  # records in one message
_START_S = 600.0


def _invoke(partition: int, number: int) -> Invoke:
    identity = placed_key(partition, PARTITIONS, number * 0x9E3779B97F4A7C15)
    identity += number.to_bytes(16, "big")
    now_ms = int(time.time() * 1000)
    return Invoke(identity, "Light", "hang", "", SERVICE, b"1", (), now_ms, 0, 0)


async def _append(log: EmbeddedLog, batch: Batch) -> None:
    done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    left = len(batch)

    def told(number: int, first: int, count: int, error: Exception | None) -> None:
        nonlocal left
        left -= 1
        if error is not None:
            done.set_exception(error)
        elif left == 0:
            done.set_result(None)

    log.append(batch, told)
    await done


async def write(data_dir: Path, count: int) -> None:
    """So many invocations into the log of a server that does not run."""
    options = EmbeddedOptions(data_dir / "log", PARTITIONS, mark_directory=data_dir)
    log = EmbeddedLog(options)
    await log.open()
    try:
        each = count // PARTITIONS
        for first in range(0, each, _MESSAGE_COUNT):
            numbers = range(first, min(first + _MESSAGE_COUNT, each))
            for partition in range(PARTITIONS):
                records = [_invoke(partition, number) for number in numbers]
                await _append(log, [(partition, [encode_message(records)])])
    finally:
        await log.close()


def _begun(world: World) -> int:
    """Attempts that run, or wait for a slot."""
    metrics = world.metrics()
    return int(metrics["perdure_attempts_running"] + metrics["perdure_attempts_waiting"])


def restart(count: int) -> Used:
    """Their services never answer; a call of another deployment has to be answered at once."""
    with World(PARTITIONS) as world:
        world.server.stop()
        asyncio.run(write(world.server.data_dir, count))
        world.start(_START_S)  # applies the log
        world.server.stop()
        began_s = time.monotonic()
        world.start_measured(_START_S)
        led_s = time.monotonic()
        assert world.call("/Other/add") == 1
        answer_s = time.monotonic() - led_s
        world.wait(lambda: _begun(world), count // PARTITIONS * PARTITIONS)
        note = f"led after {led_s - began_s:.1f} s, then answered in {answer_s:.2f} s"
        return world.used("waiting at a start", count, note, answer_s)
