"""One alarm for all timers of the process: wakes when the earliest of them is due."""

from collections.abc import Callable

from orchestrator.runtime.clock import Clock
from orchestrator.runtime.scheduler import Scheduler, Timer

WAIT_MAX_MS = 5_000  # the wall clock may be set: look at least this often


class Alarm:
    """Calls `look` at the earliest time asked for, or before; `look` asks for the next time."""

    def __init__(
        self,
        scheduler: Scheduler,
        clock: Clock,
        look: Callable[[], None],
        wait_max_ms: int = WAIT_MAX_MS,
    ) -> None:
        self._scheduler = scheduler
        self._clock = clock
        self._look = look
        self._wait_max_ms = wait_max_ms
        self._timer: Timer | None = None
        self._at_ms = 0

    def by(self, at_ms: int) -> None:
        """Look at this time of the monotonic clock, or before."""
        now_ms = self._clock.monotonic_ms()
        at_ms = min(max(at_ms, now_ms), now_ms + self._wait_max_ms)
        if self._timer is not None:
            if self._at_ms <= at_ms:
                return
            self._timer.cancel()
        self._at_ms = at_ms
        self._timer = self._scheduler.call_later((at_ms - now_ms) / 1000, self._wake)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wake(self) -> None:
        self._timer = None
        self._look()
