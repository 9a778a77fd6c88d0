"""One alarm for all timers of the process: wakes when the earliest of them is due."""

from collections.abc import Callable

from orchestrator.runtime.clock import Clock
from orchestrator.runtime.scheduler import Scheduler, Timer

WAIT_MAX_MS = 5_000  # the clock of the wall may be set: never sleep longer without a look


class Alarm:
    """Calls `ring`, which does what is due and returns when to be called again, in Unix ms."""

    def __init__(self, scheduler: Scheduler, clock: Clock, ring: Callable[[], int | None]) -> None:
        self._scheduler = scheduler
        self._clock = clock
        self._ring = ring
        self._timer: Timer | None = None
        self._at_ms = 0

    def by(self, at_ms: int) -> None:
        """Ring at this time, or before."""
        if self._timer is not None:
            if self._at_ms <= at_ms:
                return
            self._timer.cancel()
        self._at_ms = at_ms
        wait_ms = min(max(0, at_ms - self._clock.now_ms()), WAIT_MAX_MS)
        self._timer = self._scheduler.call_later(wait_ms / 1000, self._wake)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wake(self) -> None:
        self._timer = None
        next_ms = self._ring()
        if next_ms is not None:
            self.by(next_ms)
