"""A store that cannot keep up slows down its own partition, and blocks nothing."""

import asyncio
from collections.abc import Iterator

import pytest

from orchestrator.model.invoke import Invoke
from orchestrator.model.limits import RESULT_ONCE_BYTES
from orchestrator.processor.port import Result
from orchestrator.store.memory import MemoryHome, MemoryStore
from tests.unit.processor.virtual_loop import run
from tests.unit.processor.world import Process, World

MB = 1 << 20


class BusyStore(MemoryStore):
    """Has many files to put in order."""

    def __init__(self, home: "BusyHome", rows: dict[bytes, bytes]) -> None:
        super().__init__(home, rows)
        self._busy = home

    def backlog(self) -> int:
        return self._busy.files


class BusyHome(MemoryHome):
    files = 0

    def candidates(self) -> Iterator[MemoryStore]:
        for store in super().candidates():
            yield BusyStore(self, store._rows)


def large(process: Process) -> Invoke:
    return process.make(process.world.uid(0), body=b"x" * MB)


@pytest.mark.parametrize(
    ("files", "least_s", "most_s"),
    [(0, 0.0, 0.2), (12, 0.0, 0.2), (28, 1.5, 4.0), (140, 2.5, 30.0)],
)
def test_large_writes_wait_for_a_store_that_lags(files: int, least_s: float, most_s: float) -> None:
    async def story() -> None:
        world = World(2)
        home = BusyHome()
        home.files = files
        world.homes = [home, MemoryHome()]
        process = await world.led(spill_bytes=MB)
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        replies = [process.send(large(process)) for _ in range(12)]
        while not all(isinstance(one[-1], Result) for one in replies if one):
            asked_s = loop.time()
            await process.call(process.make(world.uid(1)))
            assert loop.time() - asked_s < 0.05, "the other partition waits for nothing"
            await asyncio.sleep(0.01)
        await process.until(lambda: all(len(one) == 2 for one in replies))
        assert least_s <= loop.time() - began_s <= most_s
        await process.processor.close()

    run(story())


@pytest.mark.parametrize(("files", "least_s", "most_s"), [(20, 0.0, 0.2), (40, 1.5, 10.0)])
def test_a_replay_of_large_records_waits_for_a_store_that_lags(
    files: int, least_s: float, most_s: float
) -> None:
    """Else it fills the memory of the store until a write is held up, and all else with it."""

    async def story() -> None:
        world = World(2)
        first = await world.led(spill_bytes=MB)
        replies = [first.send(large(first)) for _ in range(12)]
        await first.until(lambda: all(len(one) == 2 for one in replies))
        await first.processor.close()
        home = BusyHome()  # empty: all is read again
        home.files = files
        world.homes = [home, MemoryHome()]
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        second = await world.process({}, spill_bytes=MB)
        await second.until(lambda: 1 in second.processor.leading())
        assert loop.time() - began_s < 0.2, "the other partition waits for nothing"
        await second.until(lambda: len(second.processor.leading()) == 2)
        assert least_s <= loop.time() - began_s <= most_s
        await second.processor.close()

    run(story())


def test_small_writes_wait_for_nothing() -> None:
    async def story() -> None:
        world = World(1)
        home = BusyHome()
        world.homes = [home]
        process = await world.led(spill_rows=1)
        home.files = 140
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        for _ in range(50):
            await process.call(process.make(world.uid()))
        assert loop.time() - began_s < 1
        await process.processor.close()

    run(story())


def test_a_copy_is_made_of_what_is_spilled_already() -> None:
    """Spilling much for it would leave as much to be flushed in the thread of the loop."""

    async def story() -> None:
        world = World(1)
        process = await world.led(spill_s=60, spill_bytes=8 * MB)
        (served,) = process.processor._seats._served.values()
        partition, upkeep = served.seat.partition, served.upkeep
        assert partition is not None
        await process.call(process.make(world.uid()))
        upkeep.checkpoint()
        assert max(world.homes[0].copies) == partition.next_offset == partition.spilled_to
        await process.call(large(process))
        upkeep.checkpoint()
        assert max(world.homes[0].copies) == partition.spilled_to < partition.next_offset
        assert partition.state.dirty_bytes >= MB
        await process.processor.close()

    run(story())


@pytest.mark.parametrize(("size_bytes", "times"), [(RESULT_ONCE_BYTES, 2), (MB, 1)])
def test_a_result_counts_as_often_as_it_is_written(size_bytes: int, times: int) -> None:
    """In the journal, and unless it is large in a row of its own: what one spill writes is
    bounded."""

    async def story() -> None:
        world = World(1)
        process = await world.led(
            {"answer": lambda attempt: attempt.finish(b"r" * size_bytes)}, spill_s=60
        )
        seat = process.processor._seats.get(0)
        assert seat is not None and seat.partition is not None
        before = seat.partition.state.dirty_bytes
        await process.call(process.make(world.uid(), "answer"))
        dirty_bytes = seat.partition.state.dirty_bytes - before
        assert times * size_bytes <= dirty_bytes < (times + 0.5) * size_bytes
        await process.processor.close()

    run(story())
