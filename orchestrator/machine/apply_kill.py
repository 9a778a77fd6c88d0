"""Kill: an invocation ends at once, and with it the children it started."""

from orchestrator.machine import life
from orchestrator.machine.step import Step
from orchestrator.model.answers import DONE, Answer
from orchestrator.model.records import Kill
from orchestrator.model.values import CODE_CONFLICT, Failure

_KILLED = Failure(CODE_CONFLICT, "killed")


def apply_kill(step: Step, kill: Kill) -> Answer:
    """State that was written stays; the lock is freed."""
    row = step.state.invocations.get(kill.target_id)
    if row is not None:
        life.end_by_force(step, row, _KILLED)
        return DONE
    return life.answer_if_over(step, kill.target_id)
