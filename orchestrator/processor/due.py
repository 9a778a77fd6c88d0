"""What is due in one term: timers, retries, and results that expired.

A look does a bounded part. One record of fired timers and one purge are under way at a time: the
next is proposed when the last has been applied, so that what is due together makes things late,
but never more work than a turn can take.
"""

from collections.abc import Iterator
from typing import Protocol

from orchestrator.model.actions import ArmRetry, ArmTimer
from orchestrator.model.limits import PURGE_STEP_COUNT
from orchestrator.model.records import AnyRecord, PurgeExpired, TimersFired
from orchestrator.model.values import INVOKED
from orchestrator.processor.expiry import ExpiryClock
from orchestrator.runtime.clock import Clock
from orchestrator.tables.state import State
from orchestrator.timers.queue import WINDOW_MS, TimerQueue
from orchestrator.timers.retries import Retry, RetryQueue

LOAD_COUNT = 500  # timers loaded by one look
RETRY_COUNT = 64  # attempts begun by one look
PHASE_MS = 1  # added, since the two clocks tick at different moments: no timer fires early
JUMP_MS = 1_000  # a step of the wall clock below this is not noticed


class DueHost(Protocol):
    """What the work that is due needs of its term."""

    def propose(self, record: AnyRecord) -> None: ...

    def start_retry(self, invocation_id: bytes, incarnation: int) -> None: ...

    def share(self, count: int) -> int:
        """This partition's part of a count that all partitions share."""
        ...

    def wake_by(self, monotonic_ms: int) -> None: ...

    def run_due_soon(self) -> None:
        """Call run_due soon, and again as long as there is more."""
        ...

    def purge_soon(self) -> None:
        """Call `purge` soon."""
        ...

    def clock_went_back(self) -> None: ...


class Due:
    """Timers, retries and retention of one partition, for one term."""

    def __init__(
        self,
        state: State,
        epoch: int,
        clock: Clock,
        expiry: ExpiryClock,
        timers_per_record: int,
        host: DueHost,
        timers_ahead_ms: int = WINDOW_MS,
    ) -> None:
        self.timers = TimerQueue(timers_ahead_ms)
        self.retries = RetryQueue(self._is_owed)
        self._state = state
        self._epoch = epoch
        self._clock = clock
        self._expiry = expiry
        self._timers_per_record = timers_per_record
        self._host = host
        self._is_firing = False
        self._is_purging = self._has_more_expired = False
        self._wall_offset_ms = clock.now_ms() - clock.monotonic_ms()

    def __len__(self) -> int:
        """Timers and retries held in memory."""
        return len(self.timers) + len(self.retries)

    # --- armed by actions ---

    def arm_timer(self, action: ArmTimer) -> None:
        clock = self._clock
        wait_ms = max(0, min(action.delay_ms, action.due_ms - clock.now_ms()))
        monotonic_ms = clock.monotonic_ms() + PHASE_MS
        if self.timers.add(action.key, wait_ms, monotonic_ms):
            self._host.wake_by(monotonic_ms + wait_ms)

    def arm_retry(self, action: ArmRetry) -> None:
        clock = self._clock
        wait_ms = max(0, min(action.delay_ms, action.at_ms - clock.now_ms()))
        due_ms = clock.monotonic_ms() + wait_ms
        self.retries.arm(Retry(due_ms, action.id, action.incarnation, action.at_ms))
        self._host.wake_by(due_ms)

    def _is_owed(self, retry: Retry) -> bool:
        row = self._state.invocations.get(retry.id)
        if row is None or row.incarnation != retry.incarnation or row.status != INVOKED:
            return False
        return row.retry_at_ms == retry.at_ms

    # --- looks ---

    def run_due(self) -> bool:
        """Load, fire and start a bounded part of what is due; whether there is more to do now."""
        now_ms, monotonic_ms = self._clock.now_ms(), self._clock.monotonic_ms()
        self._notice_jump(now_ms - monotonic_ms)
        has_more = self.timers.needs_load(now_ms) and self.timers.load(
            now_ms, monotonic_ms + PHASE_MS, self._timer_keys(), LOAD_COUNT
        )
        if not self._is_firing:
            has_more |= self._fire(now_ms, monotonic_ms)
        for retry in self.retries.due(monotonic_ms, RETRY_COUNT):
            self._host.start_retry(retry.id, retry.incarnation)
        has_more |= self.retries.is_due(monotonic_ms)
        if not has_more:
            self._host.wake_by(self._next_look_ms(now_ms, monotonic_ms))
        return has_more

    def _notice_jump(self, wall_offset_ms: int) -> None:
        """When the wall clock was set back: timers armed before and after it keep their
        intervals."""
        went_back = wall_offset_ms < self._wall_offset_ms - JUMP_MS
        self._wall_offset_ms = wall_offset_ms
        if went_back:
            self.timers.clock_set_back(self._clock.now_ms())
            self._host.clock_went_back()

    def _fire(self, now_ms: int, monotonic_ms: int) -> bool:
        keys = self.timers.due(monotonic_ms, self._host.share(self._timers_per_record))
        live = tuple(key for key in keys if self._state.timers.get(key) is not None)
        if live:
            self._is_firing = True
            self._host.propose(TimersFired(self._epoch, now_ms, live))
            return False  # it goes on when that has been applied
        return self.timers.is_due(monotonic_ms)

    def _next_look_ms(self, now_ms: int, monotonic_ms: int) -> int:
        load_in_ms = self.timers.load_in_ms(now_ms)
        times = [
            self.retries.first_ms(),
            None if self._is_firing else self.timers.first_ms(),
            None if load_in_ms is None else monotonic_ms + load_in_ms,
        ]
        later_ms = monotonic_ms + (1 << 40)
        return min(later_ms if time is None else time for time in times)

    def _timer_keys(self) -> Iterator[bytes]:
        return (key for key, _ in self._state.timers.scan(self.timers.horizon))

    def fired(self, record: TimersFired) -> None:
        """Own timers have been applied."""
        self._is_firing = False
        if self.timers.is_due(self._clock.monotonic_ms()):
            self._host.run_due_soon()
        else:
            first_ms = self.timers.first_ms()
            if first_ms is not None:
                self._host.wake_by(first_ms)

    # --- retention ---

    def purge(self) -> bool:
        """Propose to forget some of what has expired; what is left goes when that is applied."""
        if self._is_purging:
            return False
        now_ms = self._expiry.now_ms()
        count_max = self._host.share(PURGE_STEP_COUNT)
        keys: list[bytes] = []
        count = 0
        self._has_more_expired = False
        for key, row in self._state.retention.scan(stop=(now_ms + 1).to_bytes(8, "big")):
            if keys and count + len(row.items) > count_max:
                self._has_more_expired = True
                break
            keys.append(key)
            count += len(row.items)
        if keys:
            self._is_purging = True
            self._host.propose(PurgeExpired(self._epoch, now_ms, tuple(keys)))
        return False

    def purged(self, record: PurgeExpired) -> None:
        """An own purge has been applied."""
        if record.keys:
            self._is_purging = False
            if self._has_more_expired:
                self._host.purge_soon()
