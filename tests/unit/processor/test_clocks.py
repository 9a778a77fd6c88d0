"""Backoffs and timers keep their intervals when the wall clock of the machine is set."""

import asyncio
from collections.abc import Callable

import pytest

from orchestrator.processor.port import Reply, Result
from tests.unit.processor.test_actuators import failing, sleeper
from tests.unit.processor.virtual_loop import VirtualClock, run
from tests.unit.processor.world import Process, World

HOUR_MS = 3_600_000
YEAR_MS = 365 * 24 * HOUR_MS


@pytest.fixture
def set_clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Set the wall clock of all processes by so many ms."""
    skew_ms = [0]
    before = VirtualClock.now_ms
    monkeypatch.setattr(VirtualClock, "now_ms", lambda clock: before(clock) + skew_ms[0])

    def set_by(by_ms: int) -> None:
        skew_ms[0] += by_ms

    return set_by


async def took_s(process: Process, replies: list[Reply]) -> float:
    loop = asyncio.get_running_loop()
    start_s = loop.time()
    await process.until(lambda: isinstance(replies[-1], Result), 20.0)
    return loop.time() - start_s


@pytest.mark.parametrize("by_ms", [-HOUR_MS, -YEAR_MS, HOUR_MS, YEAR_MS])
@pytest.mark.parametrize("handler", ["nap", "flaky"])
def test_an_interval_is_as_long_as_it_was(
    by_ms: int, handler: str, set_clock: Callable[[int], None]
) -> None:
    async def story() -> None:
        process = await World(1).led({"nap": sleeper(3_000), "flaky": failing(1, 3_000)})
        replies = process.send(process.make(process.world.uid(), handler))
        await asyncio.sleep(1)
        set_clock(by_ms)
        assert 1.9 < await took_s(process, replies) < 2.1
        await process.processor.close()

    run(story())


@pytest.mark.parametrize("by_ms", [-HOUR_MS, -YEAR_MS])
@pytest.mark.parametrize("handler", ["nap", "flaky"])
def test_a_new_leader_waits_no_longer_than_the_interval_after_a_step_back(
    by_ms: int, handler: str, set_clock: Callable[[int], None]
) -> None:
    async def story() -> None:
        world = World(1)
        scripts = {"nap": sleeper(3_000), "flaky": failing(1, 3_000)}
        process = await world.led(scripts)
        uid = world.uid()
        process.send(process.make(uid, handler), wait=False)
        await asyncio.sleep(1)
        await process.processor.close()
        set_clock(by_ms)
        again = await world.led(scripts)
        replies: list[Reply] = [object()]  # type: ignore[list-item]
        again.processor.engine.attach(uid, replies.append)
        assert await took_s(again, replies) < 3.1
        await again.processor.close()

    run(story())


def test_a_long_sleep_after_a_step_back_is_as_long_as_asked_for(
    set_clock: Callable[[int], None],
) -> None:
    """Longer than what is held in memory."""

    async def story() -> None:
        process = await World(1).led({"nap": sleeper(300_000)})
        set_clock(-HOUR_MS)
        replies = process.send(process.make(process.world.uid(), "nap"))
        loop = asyncio.get_running_loop()
        start_s = loop.time()
        await asyncio.sleep(299)
        assert not any(isinstance(reply, Result) for reply in replies)
        await process.until(lambda: isinstance(replies[-1], Result) if replies else False, 100.0)
        assert 300 <= loop.time() - start_s < 300.1
        await process.processor.close()

    run(story())
