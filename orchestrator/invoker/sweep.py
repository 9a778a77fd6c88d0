"""The sweep: the timeouts of all attempts, and the upkeep of connections, by two timers.

Attempts carry a stamp of their last activity. Each is looked at when its timeout would have passed
if it had stayed quiet, and is put off if it did not; so an attempt that is not due costs nothing.
Most are over within a second of their begin: until then they are only kept in a set.
Connections are looked after once a second. Nothing runs while there is nothing to look after.
"""

import heapq
from functools import lru_cache
from typing import Final

from orchestrator.exchanges.pools import Pools
from orchestrator.invoker.running import RunningAttempt
from orchestrator.runtime.clock import Clock
from orchestrator.runtime.scheduler import Scheduler, Timer

PERIOD_S: Final = 1.0
ACTED_AT_ONCE: Final = 100  # each may end an attempt and begin another
LOOKED_AT_ONCE: Final = 2_000
_LATE_MS_MAX: Final = 1_000
_LATE_MS_MIN: Final = 20
_BUCKETS_OF_A_TIMEOUT: Final = 1_000  # of timeouts of hours
_PARTS: Final = 4  # a timeout is noticed late by at most one part of it
_FRESH: Final = -1  # the `look_ms` of an attempt that is in no bucket yet
_SHORT_MS: Final = int(2 * PERIOD_S * 1000)  # timeouts below it are never left for the upkeep


class Sweep:
    """Half-closes what is inactive, breaks off what does not suspend.

    Attempts are in buckets by when to look. Thousands may be due together, when a service hangs:
    they are acted on in slices.
    """

    def __init__(self, clock: Clock, scheduler: Scheduler, pools: Pools) -> None:
        self._clock = clock
        self._scheduler = scheduler
        self._pools = pools
        self._fresh: dict[RunningAttempt, None] = {}  # begun since the last upkeep
        self._buckets: dict[int, dict[RunningAttempt, None]] = {}
        self._times: list[int] = []  # a heap of the keys of `_buckets`
        self._timer: Timer | None = None
        self._timer_ms = 0  # when `_timer` is due
        self._upkeep: Timer | None = None
        self._count = 0  # attempts looked after

    def __len__(self) -> int:
        return self._count

    def arm(self, running: RunningAttempt) -> None:
        """An attempt begins: look after it in time."""
        self._count += 1
        if running.abort_ms < _SHORT_MS or running.inactivity_ms < _SHORT_MS:
            self._put(running, running.touched_ms)
        else:
            running.look_ms = _FRESH
            self._fresh[running] = None
        if self._upkeep is None:
            self._upkeep = self._scheduler.call_later(PERIOD_S, self._look_after_pools)

    def disarm(self, running: RunningAttempt) -> None:
        """It is over: drop it at once, since it holds its whole request."""
        look_ms = running.look_ms
        if look_ms:
            self._count -= 1
            running.look_ms = 0
            if look_ms == _FRESH:
                del self._fresh[running]
            else:
                self._buckets[look_ms].pop(running, None)

    def stop(self) -> None:
        for timer in (self._timer, self._upkeep):
            if timer is not None:
                timer.cancel()
        self._timer = self._upkeep = None

    def _put(self, running: RunningAttempt, now_ms: int) -> None:
        """Put it into the bucket of the time when it may be due."""
        timeout_ms = running.abort_ms
        if running.inactivity_ms < timeout_ms and running.may_close:
            timeout_ms = running.inactivity_ms  # it may have been half-closed by others, too
        late_ms = _late_ms(timeout_ms)  # a little later, so that many share a bucket
        due_ms = running.touched_ms + timeout_ms
        if due_ms < now_ms:
            due_ms = now_ms
        running.look_ms = look_ms = due_ms // late_ms * late_ms + late_ms
        bucket = self._buckets.get(look_ms)
        if bucket is None:
            self._buckets[look_ms] = {running: None}
            heapq.heappush(self._times, look_ms)
            self._wake_by(look_ms)
        else:
            bucket[running] = None

    def _wake_by(self, look_ms: int) -> None:
        if self._timer is not None:
            if self._timer_ms <= look_ms:
                return
            self._timer.cancel()
        self._timer_ms = look_ms
        delay_ms = max(0, look_ms - self._clock.monotonic_ms())
        self._timer = self._scheduler.call_later(delay_ms / 1000, self._sweep_due)

    def _sweep_due(self) -> None:
        """Look at a slice of the attempts that are due."""
        self._timer = None
        now_ms = self._clock.monotonic_ms()
        acted = looked = 0
        while self._times and self._times[0] <= now_ms:
            bucket = self._buckets[self._times[0]]
            while bucket and acted < ACTED_AT_ONCE and looked < LOOKED_AT_ONCE:
                running, _ = bucket.popitem()
                looked += 1
                acted += _check(running, now_ms)
                if running.look_ms:  # it is not over
                    self._put(running, now_ms)
            if bucket:
                break
            del self._buckets[heapq.heappop(self._times)]
        if self._count == len(self._fresh):
            self._buckets.clear()
            self._times.clear()
        elif self._times:
            self._wake_by(self._times[0])

    def _look_after_pools(self) -> None:
        self._upkeep = None
        now_ms = self._clock.monotonic_ms()
        fresh, self._fresh = self._fresh, {}
        for running in fresh:
            self._put(running, now_ms)
        self._pools.sweep(now_ms / 1000)
        if self._count or self._pools:
            self._upkeep = self._scheduler.call_later(PERIOD_S, self._look_after_pools)


@lru_cache
def _late_ms(timeout_ms: int) -> int:
    """How late the end of a timeout may be noticed, in ms."""
    late_ms = min(timeout_ms // _PARTS, _LATE_MS_MAX)
    return max(late_ms, timeout_ms // _BUCKETS_OF_A_TIMEOUT, _LATE_MS_MIN)


def _check(running: RunningAttempt, now_ms: int) -> bool:
    """End or half-close it if its timeout has passed; whether it has. One that is held back is not
    quiet: it is we who do not listen."""
    if running.is_held_back:
        running.touched_ms = now_ms
        return False
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
