"""Counts and times attempts."""

from collections.abc import Callable
from typing import Final, Protocol

from orchestrator.invoker.attempt import Attempt
from orchestrator.model.records import Ended, Failed, Suspended
from orchestrator.model.values import THEN_KILL
from orchestrator.runtime import metrics
from orchestrator.runtime.telemetry import LABEL_SETS_MAX, Counter, Telemetry

HOW: Final[dict[type, str]] = {
    Ended: "completed",
    Suspended: "suspended",
    Failed: "failed",
    type(None): "dropped",
}


class SlotCounts(Protocol):
    """What `Slots` knows of all attempts."""

    memory_bytes: int
    waiting_count: int


class AttemptCounts:
    """How attempts begin and end."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._retries = telemetry.counter(metrics.RETRIES)
        ended = telemetry.counters(metrics.ATTEMPTS)
        self._ended: dict[type, Counter] = {kind: ended.of(how) for kind, how in HOW.items()}
        self._failures = telemetry.counters(metrics.FAILURES)
        self._invocations = telemetry.counters(metrics.INVOCATIONS)
        self._succeeded: dict[tuple[str, str], Counter] = {}  # by service and handler
        self._failed: dict[tuple[str, str], Counter] = {}
        self._observe = telemetry.histogram(metrics.ATTEMPT_TIME).observe

    def retried(self) -> None:
        """An attempt takes its slot after others that failed."""
        self._retries.value += 1

    def ended(self, attempt: Attempt, took_ms: int) -> None:
        """It is over by itself."""
        self._observe(took_ms / 1000)
        kind = type(attempt.end)
        self._ended[kind].value += 1
        if kind is Ended:
            by_handler = self._failed if attempt.output_failed else self._succeeded
            handler = attempt.handler
            counter = by_handler.get(handler)
            if counter is None:
                counter = self._keep(by_handler, handler)
            counter.value += 1
        elif kind is Failed:
            self.failed(attempt)

    def _keep(
        self, by_handler: dict[tuple[str, str], Counter], handler: tuple[str, str]
    ) -> Counter:
        outcome = "succeeded" if by_handler is self._succeeded else "failed"
        counter = self._invocations.of(*handler, outcome)
        if len(by_handler) < LABEL_SETS_MAX:
            by_handler[handler] = counter
        return counter

    def failed(self, attempt: Attempt) -> None:
        """Why, and whether the invocation ends with it."""
        failed = attempt.failed
        if failed is not None:
            self._failures.of(failed.why.restate_code or "none").value += 1
            if failed.then == THEN_KILL:
                self._invocations.of(*attempt.handler, "failed").value += 1

    def unplaced(self, attempt: Attempt) -> None:
        """It failed before it had a slot."""
        self._ended[Failed].value += 1
        self.failed(attempt)

    def dropped(self) -> None:
        """It was taken away: cancelled, killed, or its partition went elsewhere."""
        self._ended[type(None)].value += 1


def measure_slots(
    telemetry: Telemetry, slots: SlotCounts, running_count: Callable[[], int], slots_max: int
) -> None:
    """Let `telemetry` ask for the slots in use."""
    telemetry.ask(metrics.SLOTS, running_count)
    telemetry.ask(metrics.ATTEMPTS_MAX, lambda: slots_max)
    telemetry.ask(metrics.SLOTS_WAITING, lambda: slots.waiting_count)
    telemetry.ask(metrics.ATTEMPT_MEMORY, lambda: slots.memory_bytes)
