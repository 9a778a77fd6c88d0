"""Log lines about attempts: those that failed, and at debug how each ended."""

import logging
from typing import Final

from orchestrator.invoker.attempt import Attempt
from orchestrator.invoker.counts import HOW
from orchestrator.model.records import Failed
from orchestrator.model.values import THEN_KILL, THEN_PAUSE
from perdure.wire import invocation_id_to_str

_log: Final = logging.getLogger("perdure.invoker")
FAILED_LINE: Final = "attempt failed: id=%s target=%s attempt=%d code=%s %s reason=%r"
ENDED_LINE: Final = "attempt %s: id=%s target=%s attempt=%d took_ms=%d"
_THEN: Final = {THEN_PAUSE: "paused", THEN_KILL: "completed with the failure"}


def log_failure(attempt: Attempt, invocation_id: bytes, number: int, now_ms: int) -> None:
    """One line with the code, what follows and why; nothing for an attempt that did not fail."""
    failed = attempt.failed
    if failed is not None:
        why = failed.why
        _log.warning(
            FAILED_LINE,
            invocation_id_to_str(invocation_id),
            attempt.target,
            number,
            why.restate_code or why.code,
            _next_step(failed, now_ms),
            why.message,
        )


def shows_ends() -> bool:
    """Whether anybody wants to see how each attempt ends."""
    return _log.isEnabledFor(logging.DEBUG)


def log_end(attempt: Attempt, invocation_id: bytes, number: int, took_ms: int) -> None:
    """One line for an attempt that ended by itself and did not fail."""
    how = HOW[type(attempt.end)]
    if attempt.output_failed:
        how += " with a failure"
    name = invocation_id_to_str(invocation_id)
    _log.debug(ENDED_LINE, how, name, attempt.target, number, took_ms)


def _next_step(failed: Failed, now_ms: int) -> str:
    return _THEN.get(failed.then) or f"next attempt in {max(0, failed.retry_at_ms - now_ms)} ms"
