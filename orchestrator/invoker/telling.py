"""Log lines about attempts that failed."""

import logging
from typing import Final

from orchestrator.invoker.attempt import Attempt
from orchestrator.model.records import Failed
from orchestrator.model.values import THEN_KILL, THEN_PAUSE
from perdure.wire import invocation_id_to_str

_log: Final = logging.getLogger("perdure.invoker")
_THEN: Final = {THEN_PAUSE: "paused", THEN_KILL: "completed with the failure"}


def log_failure(attempt: Attempt, invocation_id: bytes, number: int, now_ms: int) -> None:
    """One line with the code, what follows and why; nothing for an attempt that did not fail."""
    failed = attempt.failed
    if failed is not None:
        why = failed.why
        _log.warning(
            "attempt failed: id=%s target=%s attempt=%d code=%s %s reason=%r",
            invocation_id_to_str(invocation_id),
            attempt.target,
            number,
            why.restate_code or why.code,
            _next_step(failed, now_ms),
            why.message,
        )


def _next_step(failed: Failed, now_ms: int) -> str:
    return _THEN.get(failed.then) or f"next attempt in {max(0, failed.retry_at_ms - now_ms)} ms"
