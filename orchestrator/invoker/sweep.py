"""The sweep: one timer for the timeouts of all attempts and for the upkeep of connections.

Attempts carry a stamp of their last activity. The sweep runs once a second, or more often while
an attempt with short timeouts runs, and not at all while there is nothing to look after.
"""

from collections.abc import Callable
from typing import Final

from orchestrator.invoker.pools import Pools
from orchestrator.invoker.running import RunningAttempt
from orchestrator.runtime.clock import Clock
from orchestrator.runtime.scheduler import Scheduler, Timer

PERIOD_S: Final = 1.0
ACTED_AT_ONCE: Final = 100  # each may end an attempt and begin another
_PERIOD_MIN_S: Final = 0.02
_PARTS: Final = 4  # a timeout is noticed late by at most one part of it


class Sweep:
    """Half-closes what is inactive, breaks off what does not suspend.

    Thousands may be due together, when a service hangs: they are acted on in slices.
    """

    def __init__(
        self,
        clock: Clock,
        scheduler: Scheduler,
        running: Callable[[], list[RunningAttempt]],
        pools: Pools,
    ) -> None:
        self._clock = clock
        self._scheduler = scheduler
        self._running = running
        self._pools = pools
        self._timer: Timer | None = None
        self._period_s = PERIOD_S
        self._left: list[RunningAttempt] = []  # of this round
        self._patient_ms = 0.0  # timeouts from here on need no shorter period

    def arm(self, running: RunningAttempt) -> None:
        """An attempt begins: look after it in time."""
        patient_ms = self._patient_ms
        if running.inactivity_ms < patient_ms or running.abort_ms < patient_ms or not patient_ms:
            self._arm(_period_s(running))

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self, period_s: float) -> None:
        if self._timer is not None:
            if period_s >= self._period_s:
                return
            self._timer.cancel()
        self._period_s = period_s
        self._patient_ms = period_s * _PARTS * 1000
        self._timer = self._scheduler.call_later(period_s, self._run)

    def _run(self) -> None:
        self._patient_ms = 0.0
        self._left = self._running()
        self._slice()

    def _slice(self) -> None:
        self._timer = None
        now_ms = self._clock.monotonic_ms()
        acted = 0
        while self._left and acted < ACTED_AT_ONCE:
            acted += _check(self._left.pop(), now_ms)
        if self._left:
            self._period_s = 0.0
            self._timer = self._scheduler.call_later(0, self._slice)
            return
        self._pools.sweep(now_ms / 1000)
        left = self._running()
        if left or self._pools:
            self._arm(min(map(_period_s, left), default=PERIOD_S))


def _period_s(running: RunningAttempt) -> float:
    timeouts = [t for t in (running.inactivity_ms, running.abort_ms) if t > 0]
    shortest_s = min(timeouts, default=0) / 1000
    return max(min(shortest_s / _PARTS, PERIOD_S), _PERIOD_MIN_S) if shortest_s else PERIOD_S


def _check(running: RunningAttempt, now_ms: int) -> bool:
    """Whether its time was over; what has ended meanwhile has none."""
    quiet_ms = now_ms - running.touched_ms
    if running.may_close:
        if quiet_ms >= running.inactivity_ms:
            running.half_close()
            return True
    elif quiet_ms >= running.abort_ms and not running.attempt.over:
        running.time_out(
            f"the service neither suspended nor said anything for {running.abort_ms} ms"
        )
        return True
    return False
