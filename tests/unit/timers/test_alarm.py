"""One alarm: the earliest time counts, and the clock of the wall may be set."""

import asyncio

from orchestrator.runtime.scheduler import LoopScheduler
from orchestrator.timers.alarm import WAIT_MAX_MS, Alarm
from tests.unit.processor.virtual_loop import VirtualClock, run


def test_it_rings_by_the_earliest_time_and_then_when_told() -> None:
    async def story() -> None:
        clock = VirtualClock(asyncio.get_running_loop())
        start_ms = clock.now_ms()
        rung: list[int] = []

        def ring() -> int | None:
            rung.append(clock.now_ms() - start_ms)
            return start_ms + 900 if len(rung) == 1 else None

        alarm = Alarm(LoopScheduler(), clock, ring)
        alarm.by(start_ms + 500)
        alarm.by(start_ms + 200)
        alarm.by(start_ms + 400)
        await asyncio.sleep(3)
        assert rung == [200, 900]
        alarm.by(start_ms + 4_000)
        alarm.stop()
        await asyncio.sleep(3)
        assert len(rung) == 2

    run(story())


def test_a_clock_that_is_set_forward_is_noticed() -> None:
    class Set(VirtualClock):
        ahead_ms = 0

        def now_ms(self) -> int:
            return super().now_ms() + self.ahead_ms

    async def story() -> None:
        clock = Set(asyncio.get_running_loop())
        due_ms = clock.now_ms() + 3_600_000
        seen: list[int] = []

        def ring() -> int | None:
            if clock.now_ms() >= due_ms:
                seen.append(clock.now_ms())
                return None
            return due_ms

        Alarm(LoopScheduler(), clock, ring).by(due_ms)
        await asyncio.sleep(1)
        clock.ahead_ms = 3_600_000
        await asyncio.sleep(WAIT_MAX_MS / 1000 + 0.1)
        assert len(seen) == 1

    run(story())
