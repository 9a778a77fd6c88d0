"""Proposes what attempts have sent: at once what somebody waits for, the rest a little later.

One read of a connection may bring several messages of several attempts: each attempt makes one
record of its own. Timers are shared by all attempts.
"""

from orchestrator.invoker.running import RunningAttempt
from orchestrator.invoker.urgency import LATER, NOTHING, NOW, SOON
from orchestrator.runtime.scheduler import Scheduler, Timer


def propose(running: RunningAttempt) -> None:
    """Propose all that an attempt has sent."""
    running.flushing = NOTHING
    for record in running.attempt.take():
        running.source.propose(record)


def half_close(running: RunningAttempt) -> None:
    """Ask it to suspend, and propose what it has sent until now."""
    running.half_close()
    propose(running)


class Flusher:
    """Attempts with something to propose, by how long it may wait."""

    def __init__(self, scheduler: Scheduler, soon_s: float, later_s: float) -> None:
        self._scheduler = scheduler
        self._soon_s = soon_s
        self._later_s = later_s
        self._now: list[RunningAttempt] = []
        self._soon: list[RunningAttempt] = []
        self._later: dict[RunningAttempt, None] = {}  # each once, however often it has more
        self._soon_timer: Timer | None = None
        self._later_timer: Timer | None = None

    def add(self, running: RunningAttempt, wants: int) -> None:
        """An attempt has something to propose, more urgent than before."""
        running.flushing = wants
        if wants == NOW:
            self._now.append(running)
        elif wants == LATER:
            self._later[running] = None
            if self._later_timer is None:
                self._later_timer = self._scheduler.call_later(self._later_s, self._flush_later)
        elif wants == SOON:
            self._soon.append(running)
            if self._soon_timer is None:
                self._soon_timer = self._scheduler.call_later(self._soon_s, self._flush_soon)

    def flush_now(self) -> None:
        """What came in one read has been delivered."""
        if self._now:
            batch, self._now = self._now, []
            for running in batch:
                propose(running)

    def stop(self) -> None:
        for timer in (self._soon_timer, self._later_timer):
            if timer is not None:
                timer.cancel()

    def _flush_soon(self) -> None:
        self._soon_timer = None
        batch, self._soon = self._soon, []
        for running in batch:
            propose(running)

    def _flush_later(self) -> None:
        self._later_timer = None
        batch, self._later = self._later, {}
        for running in batch:
            # Since it was listed it may have been proposed, and have sent something new.
            if running.flushing == LATER:
                propose(running)
