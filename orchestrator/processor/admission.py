"""Admission of new work: refused while the log is slow, a partition has no leader, or at the end.

What is refused here was never handed to the log: the client may come back at once. Bodies that
wait for the log are in memory: there is a bound on those of all partitions together. Small ones
pass it as long as their own partition holds less than that.
"""

from collections.abc import Callable, Sequence

from orchestrator.log.port import Log
from orchestrator.processor.options import ProcessorOptions
from orchestrator.processor.seat import Seat
from orchestrator.runtime.scheduler import Scheduler

SMALL_BYTES = 64 << 10  # a body that passes while many large ones wait
LOOK_S = 0.1  # how old the last look at the log's health may be
NOT_LED = "the partition is not led by this node"
LACKS_STORE = "PD0303 the store of partition {} cannot be opened, the server's log has the reason"


class Admission:
    """Answers why new work is refused, "" if it is admitted."""

    def __init__(
        self,
        log: Log,
        scheduler: Scheduler,
        options: ProcessorOptions,
        seats: Callable[[], Sequence[Seat]],
    ) -> None:
        self._log = log
        self._seats = seats
        self._held_bytes_max = options.held_bytes_max
        self._time_s = scheduler.time_s
        self._age_s = options.door_age_s
        self._log_reason = ""
        self._looked_s = -LOOK_S
        self.shut_reason = ""

    def reason(self, seat: Seat) -> str:
        """For work that goes to this partition."""
        if self.shut_reason:
            return self.shut()
        now_s, state = self._time_s(), seat.state
        if state.term is None:
            if seat.stopped:
                return f"partition {seat.number} is stopped: {seat.stopped}"
            if seat.leaderless_s(now_s) >= self._age_s:
                if seat.lacks_store:
                    return LACKS_STORE.format(seat.number)
                return f"partition {seat.number} has no leader yet"
        append = state.in_flight
        if append is not None and now_s - append.at_s >= self._age_s:
            return f"the log is slow to take what goes to partition {seat.number}"
        if seat.pending.bytes_count >= self._held_bytes_max:
            return f"too much waits for the log to take it for partition {seat.number}"
        if now_s - self._looked_s >= LOOK_S:
            self._refresh_log_health(now_s)
        return self._log_reason

    def shut(self) -> str:
        """Why no work is taken at all, and what the log waits for; "" if work is taken."""
        return self._with_waits(self.shut_reason) if self.shut_reason else ""

    def not_led(self) -> str:
        """Why a partition is not served here; of a log that is away its group takes them all."""
        return self._with_waits(self.shut_reason or NOT_LED)

    def _with_waits(self, reason: str) -> str:
        """And what the log waits for, if it does."""
        health = self._log.health()
        return reason if health.writable or not health.reason else f"{reason}: {health.reason}"

    def body_reason(self, size_bytes: int) -> str:
        """Why a body of this size is too much now; one always passes if no other waits."""
        if size_bytes <= SMALL_BYTES:
            return ""
        held_bytes = sum(_held_bytes(seat) for seat in self._seats())
        if not held_bytes or held_bytes + size_bytes <= self._held_bytes_max:
            return ""
        return "too many large bodies wait for the log to take them"

    def _refresh_log_health(self, now_s: float) -> None:
        """Why the log takes no appends; looked at every LOOK_S at most."""
        self._looked_s = now_s
        health = self._log.health()
        self._log_reason = "" if health.writable else health.reason or "the log is closed"


def _held_bytes(seat: Seat) -> int:
    """Of all that is not in the log yet: what waits, and what is in flight."""
    append = seat.in_flight
    return seat.pending.bytes_count + (0 if append is None else append.bytes_count)
