"""Attempts whose service has not answered yet, oldest first.

Each counts in the window of its deployment (see `window.py`) until it is answered, ends, or has
waited so long that its time says nothing about the queue of the service. Then it is dropped from
here at once: an attempt holds its whole request.
"""

from collections import OrderedDict
from typing import Final

from orchestrator.invoker.running import RunningAttempt

OPENING_MS: Final = 200  # an answer that takes longer says nothing about the queue of the service


class Openings:
    """The running attempts that are opening."""

    def __init__(self) -> None:
        self._running: OrderedDict[RunningAttempt, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._running)

    def add(self, running: RunningAttempt) -> None:
        self._running[running] = None

    def answered(self, running: RunningAttempt, took_ms: int) -> None:
        """Its service has begun with it."""
        running.opening = False
        del self._running[running]
        running.window.answered(took_ms)

    def ended(self, running: RunningAttempt) -> None:
        """It ended before it was answered."""
        running.opening = False
        del self._running[running]
        running.window.left()

    def forget_slow(self, now_ms: int) -> None:
        """Drop those that are late: a service that answers late is slow, not busy, and may be
        sent more."""
        before_ms = now_ms - OPENING_MS
        while self._running:
            running = next(iter(self._running))
            if running.begun_ms > before_ms:
                return
            running.opening = False
            del self._running[running]
            running.window.late()
