"""What is done once nothing comes any more."""

import asyncio

from orchestrator.processor.upkeep import QUIET_FLUSH_RECORDS
from orchestrator.runtime.metrics import FLUSHES
from orchestrator.store.stamp import read_stamp
from tests.unit.processor.virtual_loop import run
from tests.unit.processor.world import Process, World


def _flushes(process: Process) -> float:
    return process.processor.telemetry.value(FLUSHES)


def test_a_quiet_partition_is_flushed_once_so_that_little_is_replayed_after_a_kill() -> None:
    async def story() -> None:
        world = World(2)
        process = await world.led()
        await asyncio.sleep(5)
        began = _flushes(process)
        assert began == 2, "what was replayed at the start is flushed, too"
        for _ in range(QUIET_FLUSH_RECORDS):
            process.send(process.make(world.uid(0)), wait=False)
        await asyncio.sleep(0.5)
        assert _flushes(process) == began, "others are at work"
        await asyncio.sleep(5)
        assert _flushes(process) == began + 1, "the other partition had nothing"
        _, end = await process.log.bounds(0)
        stamp = read_stamp(next(world.homes[0].candidates()))
        assert stamp is not None and stamp.applied == end
        await process.call(process.make(world.uid(0)))
        await asyncio.sleep(60)
        assert _flushes(process) == began + 1, "few records are not worth it"
        await process.processor.close()

    run(story())
