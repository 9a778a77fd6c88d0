"""Time that can be skipped: for tests that wait for days.

It passes by itself as on a wall clock, but only from timer to timer: between two timers it stands
still. `skip` goes through all timers of an interval at once, each at its own time, and lets what
it set going come to rest before the next one.
"""

import asyncio
import heapq
import time
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from itertools import count
from typing import Any, TypeVar

T = TypeVar("T")

_US: int = 1_000_000  # in a second


class VirtualTimer:
    """A callback that is due at a time of the clock."""

    __slots__ = ("callback", "owner", "real_us")

    def __init__(self, callback: Callable[[], object], owner: object, real_us: int) -> None:
        self.callback: Callable[[], object] | None = callback
        self.owner = owner
        self.real_us = real_us  # when it is due by the real clock and what was skipped

    def cancel(self) -> None:
        self.callback = None


class VirtualClock:
    """The `Clock` port, and the timers that are due by it; belongs to the running event loop.

    Begins at `start_ms` (Unix ms), or now. `flows`: it does not stand still between timers.
    """

    def __init__(self, start_ms: int | None = None, *, flows: bool = False) -> None:
        self._loop = asyncio.get_running_loop()
        self._flows = flows
        self._began_us = round(self._loop.time() * _US)
        self._start_ms = time.time_ns() // 1_000_000 if start_ms is None else start_ms
        self._now_us = 0
        self._skipped_us = 0
        self._timers: list[tuple[int, int, VirtualTimer]] = []
        self._numbers = count()
        self._wake: asyncio.TimerHandle | None = None
        self._is_skipping = False
        self.activity = 0  # callbacks that ran, of timers and schedulers
        self.ready = 0  # callbacks that are about to run

    def now_ms(self) -> int:
        return self._start_ms + self._look_us() // 1000

    def monotonic_ms(self) -> int:
        return self._look_us() // 1000

    def time_s(self) -> float:
        """For intervals, in seconds."""
        return self._look_us() / _US

    def _look_us(self) -> int:
        if self._flows and not self._is_skipping:
            self._now_us = max(self._now_us, self._real_us() - self._began_us)
        return self._now_us

    def call_later(
        self, delay_s: float, callback: Callable[[], object], owner: object
    ) -> VirtualTimer:
        """Call after the delay."""
        delay_us = max(0, round(delay_s * _US))
        timer = VirtualTimer(callback, owner, self._real_us() + delay_us)
        heapq.heappush(self._timers, (self._look_us() + delay_us, next(self._numbers), timer))
        if self._timers[0][2] is timer:
            self._arm()
        return timer

    def forget(self, owner: object) -> None:
        """Drop the timers of an owner that is gone."""
        self._timers = [one for one in self._timers if one[2].owner is not owner]
        heapq.heapify(self._timers)
        self._arm()

    async def skip(self, delta_s: float, settle: Callable[[], Awaitable[None]]) -> None:
        """Go through what is due in the interval; `settle` returns once all has come to rest."""
        await settle()
        self._is_skipping = True
        self._disarm()
        try:
            target_us = self._now_us + round(delta_s * _US)
            while (due_us := self._first_us()) is not None and due_us <= target_us:
                before = self.activity
                self._advance(due_us)
                self._fire_one()
                if self.ready or self.activity != before:
                    await settle()
            self._advance(target_us)
        finally:
            self._is_skipping = False
            self._arm()

    def _real_us(self) -> int:
        return round(self._loop.time() * _US) + self._skipped_us

    def _first_us(self) -> int | None:
        """When the next timer is due; drops those that were cancelled."""
        timers = self._timers
        while timers and timers[0][2].callback is None:
            heapq.heappop(timers)
        return timers[0][0] if timers else None

    def _advance(self, to_us: int) -> None:
        if to_us > self._now_us:
            self._skipped_us += to_us - self._now_us
            self._now_us = to_us

    def _fire_one(self) -> None:
        callback = heapq.heappop(self._timers)[2].callback
        if callback is not None:
            callback()

    def _arm(self) -> None:
        self._disarm()
        if not self._is_skipping and self._first_us() is not None:
            wait_us = self._timers[0][2].real_us - self._real_us()
            self._wake = self._loop.call_later(max(0, wait_us) / _US, self._due)

    def _disarm(self) -> None:
        if self._wake is not None:
            self._wake.cancel()
            self._wake = None

    def _due(self) -> None:
        """The real clock has come to the first timer."""
        self._wake = None
        now_us = self._real_us()
        while (due_us := self._first_us()) is not None and self._timers[0][2].real_us <= now_us:
            self._now_us = max(self._now_us, due_us)
            self._fire_one()
        self._arm()


class VirtualScheduler:
    """The `Scheduler` port of one life of an engine: after `end` nothing of it runs any more."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_over = False
        self.time_s = clock.time_s

    def call_soon(self, callback: Callable[[], object]) -> object:
        self._clock.ready += 1
        return self._loop.call_soon(self._run, callback)

    def _run(self, callback: Callable[[], object]) -> None:
        self._clock.ready -= 1
        self._clock.activity += 1
        if not self._is_over:
            callback()

    def call_later(self, delay_s: float, callback: Callable[[], object]) -> VirtualTimer:
        if delay_s > 0:
            return self._clock.call_later(delay_s, callback, self)
        timer = VirtualTimer(callback, self, 0)
        self.call_soon(partial(_fire, timer))
        return timer

    def spawn(self, coroutine: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        task = self._loop.create_task(coroutine, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def sleep(self, delay_s: float) -> None:
        waiter: asyncio.Future[None] = self._loop.create_future()

        def over() -> None:
            self._clock.activity += 1
            if not waiter.done():
                waiter.set_result(None)

        timer = self.call_later(delay_s, over)
        try:
            await waiter
        finally:
            timer.cancel()

    async def in_thread(self, call: Callable[[], T]) -> T:
        """At once: what is in memory does not block."""
        return call()

    async def end(self) -> None:
        """As if the process had died: nothing that waits goes on."""
        self._is_over = True
        self._clock.forget(self)
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _fire(timer: VirtualTimer) -> None:
    if timer.callback is not None:
        timer.callback()
