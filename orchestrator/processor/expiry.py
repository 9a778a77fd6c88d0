"""The clock by which results expire: the wall clock without its steps forward.

A request that is sent again must find its result for at least `REQUEST_DEDUPE_MS`, measured by the
monotonic clock. So a step of the wall clock forward counts only after that interval. A step while
no process runs looks like time that has passed.
"""

from orchestrator.model.limits import REQUEST_DEDUPE_MS
from orchestrator.runtime.clock import Clock

STEP_MS = 1_000  # a step of the wall clock below this is not noticed


class ExpiryClock:
    """One for all partitions of a process, so that a new term knows of earlier steps."""

    __slots__ = ("_ahead_ms", "_clock", "_held_until_ms", "_offset_ms")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._offset_ms = clock.now_ms() - clock.monotonic_ms()
        self._ahead_ms = 0  # how far the wall clock is ahead of what counts
        self._held_until_ms = 0  # by the monotonic clock

    def now_ms(self) -> int:
        """What expires by this time may be forgotten, in Unix ms."""
        wall_ms, monotonic_ms = self._clock.now_ms(), self._clock.monotonic_ms()
        step_ms = wall_ms - monotonic_ms - self._offset_ms
        self._offset_ms += step_ms
        if monotonic_ms >= self._held_until_ms:
            self._ahead_ms = 0
        if step_ms > STEP_MS:
            self._held_until_ms = monotonic_ms + REQUEST_DEDUPE_MS
        if abs(step_ms) > STEP_MS:
            self._ahead_ms = max(0, self._ahead_ms + step_ms)
        return wall_ms - self._ahead_ms
