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
    """From the start of an append to its answer, and what is done with that.

    Times are seconds of the clock of `Turns`.
    """

    def __init__(self, telemetry: Telemetry) -> None:
        self._turns = telemetry.counter(TURNS)
        self._messages = telemetry.counter(APPEND_MESSAGES)
        self._refused = telemetry.counter(APPEND_FAILURES, "refused")
        self._unknown = telemetry.counter(APPEND_FAILURES, "unknown")
        self._observe_append = telemetry.histogram(APPEND_TIME).observe
        self._observe_apply = telemetry.histogram(APPLY_TIME).observe
        self._started_s: dict[int, float] = {}

    def started(self, batch: Batch, now_s: float) -> None:
        """These messages are handed to the log now."""
        self._turns.value += 1
        for number, messages in batch:
            self._started_s[number] = now_s
            self._messages.value += len(messages)

    def answered(self, number: int, error: AppendError | None, now_s: float) -> None:
        """The log has answered for a partition."""
        started_s = self._started_s.pop(number, now_s)
        if error is None:
            self._observe_append(now_s - started_s)
        else:
            (self._refused if error.refused else self._unknown).add()

    def applied(self, took_s: float) -> None:
        """The answer has been handled: what was acknowledged is applied."""
        self._observe_apply(took_s)
