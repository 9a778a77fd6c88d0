"""Completion: the result of a call, attach, output or promise, for one incarnation of a caller."""

from orchestrator.machine.journal import complete_entry
from orchestrator.machine.step import Step
from orchestrator.model.records import Completion


def apply_completion(step: Step, completion: Completion) -> None:
    """Ignored if the caller is over or lives anew."""
    caller = completion.caller
    row = step.state.invocations.get(caller.id)
    if row is not None and row.incarnation == caller.incarnation:
        code, number = caller.code, caller.completion_id
        if complete_entry(step, row, code, number, completion.outcome) and row.open_calls:
            row.open_calls -= 1
