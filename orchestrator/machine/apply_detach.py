"""Detach: a caller that waited for a result has ended; forget that it waits."""

from orchestrator.machine.step import Step
from orchestrator.machine.waiting import drop_waiter, whom_of
from orchestrator.model.records import Detach


def apply_detach(step: Step, detach: Detach) -> None:
    """Nothing if it was answered meanwhile."""
    row = step.state.invocations.get(detach.target_id)
    if row is not None:
        drop_waiter(step, row, whom_of(row), detach.caller)
        step.state.invocations.touch(detach.target_id)
