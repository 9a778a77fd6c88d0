"""A restore tells how far it is: in the log, to /health, and to metrics."""

import asyncio
import logging
from collections.abc import Callable, Iterator

import pytest

from orchestrator.log.port import LogMessage, Rest
from orchestrator.processor.progress import Progress
from orchestrator.runtime.metrics import LAG, PARTITIONS, RESTORE_PROGRESS, RESTORES
from orchestrator.store.memory import MemoryHome, MemoryStore
from orchestrator.store.port import StoreError
from tests.unit.processor.virtual_loop import run
from tests.unit.processor.world import World


def test_a_restore_tells_how_far_it_is(caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        world = World(1)
        process = await world.led()
        for _ in range(50):
            await process.call(process.make(world.uid()))
        await process.processor.close()

        world.homes = [MemoryHome()]  # its disk is lost: all of it is in the log
        again = await world.process()
        read = again.log.read

        async def slowly(
            number: int, start: int, deliver: Callable[[list[LogMessage]], None], rest: Rest
        ) -> int:
            found: list[LogMessage] = []
            following = await read(number, start, found.extend)
            for at in range(0, len(found), 10):
                await asyncio.sleep(4)
                deliver(found[at : at + 10])
            return following

        again.log.read = slowly  # type: ignore[method-assign]
        telemetry = again.processor.telemetry
        ratios, lags = [], []
        while not telemetry.value(RESTORES):
            await asyncio.sleep(2)
            if telemetry.value(PARTITIONS, "restoring"):
                ratios.append(telemetry.value(RESTORE_PROGRESS, "0"))
                lags.append(telemetry.value(LAG, "0"))
                if 0.1 < ratios[-1] < 0.9:
                    reason = again.processor.engine.writable()
                    assert "partitions being restored: 0 at" in reason, reason
        assert ratios == sorted(ratios) and ratios[0] == 0 and ratios[-1] > 0.8
        assert lags == sorted(lags, reverse=True) and lags[0] > 90
        assert telemetry.value(RESTORES) == 1
        await again.until(lambda: again.processor.leading() == [0], 600)
        assert not telemetry.numbers(RESTORE_PROGRESS)
        assert again.processor.engine.writable() == ""
        await again.processor.close()

    with caplog.at_level(logging.INFO, "perdure.processor"):
        run(story())
    lines = [one for one in caplog.messages if "is restored: offset" in one]
    assert len(lines) >= 5 and "partition 0 is restored: offset 10 of" in lines[0]


class ShutHome(MemoryHome):
    """A home on a disk that is away."""

    is_shut = True

    def candidates(self) -> Iterator[MemoryStore]:
        if self.is_shut:
            raise StoreError("stores/0/live: IO error: not a directory")
        return super().candidates()


def test_a_store_that_cannot_be_opened_is_no_restore_that_is_over(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def story() -> None:
        world = World(1)
        home = ShutHome()
        world.homes = [home]
        process = await world.process()
        await asyncio.sleep(30)
        engine = process.processor.engine
        assert "PD0303" in engine.writable() and "restored" not in engine.writable()
        assert "PD0303" in engine.unreadable()[0]
        process.processor.refuse_new_work("this server is starting")
        assert "starting" in engine.writable() and "PD0303" in engine.writable()
        process.processor.refuse_new_work("")
        assert process.processor.telemetry.value(RESTORE_PROGRESS, "0") == 0
        home.is_shut = False
        await process.until(lambda: process.processor.leading() == [0], 600)
        assert engine.writable() == "" and not engine.unreadable()
        await process.processor.close()

    with caplog.at_level(logging.INFO, "perdure.processor"):
        run(story())
    assert len([one for one in caplog.messages if "PD0303" in one]) == 1, "not at each attempt"


def test_nothing_to_read_is_all_of_it() -> None:
    progress = Progress(3, lambda: 1.0)
    assert (progress.ratio, progress.lag) == (0.0, 0), "no store is open yet"
    progress.begin(100, 50)  # the store is ahead of what the log was asked for
    assert (progress.ratio, progress.lag) == (1.0, 0)
    progress.begin(0, 200)
    progress.reached(50)
    assert (progress.ratio, progress.lag) == (0.25, 150)
