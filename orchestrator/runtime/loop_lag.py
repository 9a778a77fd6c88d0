"""How late the event loop comes to what is due: the one number that shows work without a bound.

A timer runs every TICK_S; the loop was silent for as long as the timer is late. A silence may be
seen up to TICK_S shorter than it was. The part of a silence that was the loop's own work is
measured apart from waiting for a processor that others use. While the loop has next to nothing to
do it looks every QUIET_TICK_S: an idle node costs next to nothing.
"""

import time
from collections.abc import Callable
from typing import Final

from orchestrator.runtime.beat import until_beat_s
from orchestrator.runtime.metrics import LOOP_BUSY, LOOP_LAG, LOOP_SILENCE
from orchestrator.runtime.scheduler import Scheduler, Timer
from orchestrator.runtime.telemetry import Telemetry

TICK_S: Final = 0.05
QUIET_TICK_S: Final = 0.5
QUIET_PART: Final = 0.02  # of the time, worked: less is quiet


class LoopLag:
    """Measures from `start` to `stop`; `longest_s` is the longest silence so far.

    `busiest_s` is the longest during which this thread worked: `thread_s` tells for how long it
    has run on a processor.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        telemetry: Telemetry,
        thread_s: Callable[[], float] = time.thread_time,
    ) -> None:
        self.longest_s = self.busiest_s = 0.0
        self._scheduler = scheduler
        self._thread_s = thread_s
        self._worked_s = 0.0
        self._lag = telemetry.histogram(LOOP_LAG)
        self._tick_s = TICK_S
        self._due_s = 0.0
        self._timer: Timer | None = None
        telemetry.ask(LOOP_SILENCE, lambda: self.longest_s)
        telemetry.ask(LOOP_BUSY, lambda: self.busiest_s)

    def start(self) -> None:
        self._worked_s = self._thread_s()
        self._wait()

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _wait(self) -> None:
        now_s, wait_s = self._scheduler.time_s(), self._tick_s
        if wait_s == QUIET_TICK_S:
            wait_s = until_beat_s(now_s, wait_s)
        self._due_s = now_s + wait_s
        self._timer = self._scheduler.call_later(wait_s, self._measure)

    def _measure(self) -> None:
        late_s = max(0.0, self._scheduler.time_s() - self._due_s)
        self._lag.observe(late_s)
        self.longest_s = max(self.longest_s, late_s)
        before_s, self._worked_s = self._worked_s, self._thread_s()
        worked_s = self._worked_s - before_s
        self.busiest_s = max(self.busiest_s, min(late_s, worked_s))
        self._tick_s = QUIET_TICK_S if worked_s < QUIET_PART * self._tick_s else TICK_S
        self._wait()
