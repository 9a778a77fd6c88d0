"""Attempts as people see them."""

from collections.abc import Iterable

from orchestrator.invoker.port import AttemptView
from orchestrator.invoker.running import RunningAttempt
from orchestrator.invoker.slot_queue import SlotWaiter


def attempt_views(
    running: Iterable[RunningAttempt], waiting: Iterable[SlotWaiter]
) -> list[AttemptView]:
    """What runs, and what waits for a slot."""
    views = [
        AttemptView(r.id, True, r.started_at_ms, r.deployment, r.attempt.server) for r in running
    ]
    views += [AttemptView(w.id, False, 0, w.deployment, "") for w in waiting]
    return views
