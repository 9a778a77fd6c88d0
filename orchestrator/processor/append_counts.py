"""Counts and times the appends of all partitions."""

from orchestrator.log.port import AppendError, Batch
from orchestrator.runtime.metrics import (
    APPEND_FAILURES,
    APPEND_MESSAGES,
    APPEND_TIME,
    APPLY_TIME,
    TURNS,
)
from orchestrator.runtime.telemetry import Telemetry


class AppendCounts:
    """From the start of an append to its answer, and what is done with that."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._now_s = telemetry.now_s
        self._turns = telemetry.counter(TURNS)
        self._messages = telemetry.counter(APPEND_MESSAGES)
        self._refused = telemetry.counter(APPEND_FAILURES, "refused")
        self._unknown = telemetry.counter(APPEND_FAILURES, "unknown")
        self._append_time = telemetry.histogram(APPEND_TIME)
        self._apply_time = telemetry.histogram(APPLY_TIME)
        self._started_s: dict[int, float] = {}

    def started(self, batch: Batch) -> None:
        """These messages are handed to the log now."""
        now_s = self._now_s()
        self._turns.value += 1
        for number, messages in batch:
            self._started_s[number] = now_s
            self._messages.value += len(messages)

    def answered(self, number: int, error: AppendError | None) -> float:
        """The log has answered for a partition; the time now."""
        now_s = self._now_s()
        started_s = self._started_s.pop(number, now_s)
        if error is None:
            self._append_time.observe(now_s - started_s)
        else:
            (self._refused if error.refused else self._unknown).add()
        return now_s

    def applied(self, answered_s: float) -> None:
        """The answer has been dealt with: applied, if it was an acknowledgement."""
        self._apply_time.observe(self._now_s() - answered_s)
