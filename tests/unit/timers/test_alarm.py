"""One alarm: the earliest time counts, and it looks now and then whatever the clocks say."""

import asyncio

from orchestrator.runtime.scheduler import LoopScheduler
from orchestrator.timers.alarm import WAIT_MAX_MS, Alarm
from tests.unit.processor.virtual_loop import VirtualClock, run


def test_it_looks_by_the_earliest_time_and_then_when_told() -> None:
    async def story() -> None:
        clock = VirtualClock(asyncio.get_running_loop())
        start_ms = clock.monotonic_ms()
        looked: list[int] = []

        def look() -> None:
            looked.append(clock.monotonic_ms() - start_ms)
            if len(looked) == 1:
                alarm.by(start_ms + 900)

        alarm = Alarm(LoopScheduler(), clock, look)
        alarm.by(start_ms + 500)
        alarm.by(start_ms + 200)
        alarm.by(start_ms + 400)
        await asyncio.sleep(3)
        assert looked == [200, 900]
        alarm.by(start_ms + 4_000)
        alarm.stop()
        await asyncio.sleep(3)
        assert len(looked) == 2

    run(story())


def test_it_never_sleeps_long_without_a_look() -> None:
    async def story() -> None:
        clock = VirtualClock(asyncio.get_running_loop())
        looked: list[int] = []
        alarm = Alarm(LoopScheduler(), clock, lambda: looked.append(1))
        alarm.by(clock.monotonic_ms() + 3_600_000)
        await asyncio.sleep(WAIT_MAX_MS / 1000 + 0.1)
        assert looked == [1]

    run(story())
