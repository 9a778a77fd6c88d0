"""Admission of new work: refused while the log is slow, a partition has no leader, or at the end.

What is refused here was never handed to the log: the client may come back at once.
"""

from orchestrator.log.port import Log
from orchestrator.processor.options import ProcessorOptions
from orchestrator.processor.seat import Seat
from orchestrator.runtime.scheduler import Scheduler

LOOK_S = 0.1  # how old the last look at the log's health may be


class Admission:
    """Answers why new work is refused, "" if it is admitted."""

    def __init__(self, log: Log, scheduler: Scheduler, options: ProcessorOptions) -> None:
        self._log = log
        self._scheduler = scheduler
        self._age_s = options.door_age_s
        self._log_reason = ""
        self._looked_s = -LOOK_S
        self.shut_reason = ""

    def reason(self, seat: Seat) -> str:
        """For work that goes to this partition."""
        if self.shut_reason:
            return self.shut_reason
        now_s = self._scheduler.time_s()
        if seat.term is None:
            if seat.stopped:
                return f"partition {seat.number} is stopped: {seat.stopped}"
            if seat.leaderless_s(now_s) >= self._age_s:
                return f"partition {seat.number} has no leader yet"
        append = seat.in_flight
        if append is not None and now_s - append.at_s >= self._age_s:
            return f"the log is slow to take what goes to partition {seat.number}"
        if now_s - self._looked_s >= LOOK_S:
            self._look(now_s)
        return self._log_reason

    def _look(self, now_s: float) -> None:
        """Why the log takes no appends; looked at every LOOK_S at most."""
        self._looked_s = now_s
        health = self._log.health()
        self._log_reason = "" if health.writable else health.reason or "the log is closed"
