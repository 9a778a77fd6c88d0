"""Time that can be skipped."""

import asyncio
import time

from orchestrator.runtime.virtual import VirtualClock, VirtualScheduler


async def _settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def test_what_is_due_comes_in_order_and_at_its_time() -> None:
    async def main() -> None:
        clock = VirtualClock(1_000)
        scheduler = VirtualScheduler(clock)
        seen: list[tuple[str, int]] = []

        def note(name: str) -> None:
            seen.append((name, clock.now_ms()))

        def first() -> None:
            note("first")
            scheduler.call_later(5, lambda: note("of the first"))

        scheduler.call_later(10, first)
        scheduler.call_later(20, lambda: note("second"))
        scheduler.call_later(12, lambda: note("never")).cancel()
        scheduler.call_later(99, lambda: note("later"))
        await clock.skip(30, _settle)
        assert seen == [("first", 11_000), ("of the first", 16_000), ("second", 21_000)]
        assert clock.now_ms() == 31_000 and clock.monotonic_ms() == 30_000

    asyncio.run(main())


def test_it_stands_still_between_timers_and_does_not_hold_them_up() -> None:
    async def main() -> None:
        clock = VirtualClock(0)
        scheduler = VirtualScheduler(clock)
        await asyncio.sleep(0.02)
        assert clock.now_ms() == 0
        began_s = time.monotonic()
        await scheduler.sleep(0.03)
        assert clock.now_ms() == 30 and time.monotonic() - began_s >= 0.029
        flowing = VirtualClock(0, flows=True)
        await asyncio.sleep(0.02)
        assert flowing.now_ms() >= 19

    asyncio.run(main())


def test_a_skip_brings_nearer_what_comes_after_it() -> None:
    async def main() -> None:
        clock = VirtualClock(0)
        scheduler = VirtualScheduler(clock)
        over = asyncio.Event()
        scheduler.call_later(3_600.02, over.set)
        await clock.skip(3_600, _settle)
        assert not over.is_set()
        async with asyncio.timeout(30):
            await over.wait()
        assert clock.now_ms() == 3_600_020

    asyncio.run(main())


def test_nothing_of_a_scheduler_runs_after_its_end() -> None:
    async def main() -> None:
        clock = VirtualClock(0)
        scheduler, other = VirtualScheduler(clock), VirtualScheduler(clock)
        seen: list[str] = []

        async def waits() -> None:
            await scheduler.sleep(1)
            seen.append("task")

        scheduler.call_soon(lambda: seen.append("soon"))
        scheduler.call_later(0, lambda: seen.append("at once"))
        scheduler.call_later(1, lambda: seen.append("later"))
        other.call_later(1, lambda: seen.append("of another"))
        scheduler.spawn(waits(), "waits")
        await scheduler.end()
        await clock.skip(2, _settle)
        assert seen == ["of another"] and clock.ready == 0

    asyncio.run(main())
