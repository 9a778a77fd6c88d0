"""Sleep: a timer row; a time that has passed completes at once."""

from orchestrator.machine.arming import arm
from orchestrator.machine.details import SLEEPS, keep
from orchestrator.machine.journal import complete_entry
from orchestrator.machine.step import Step
from orchestrator.model.effects import Sleep
from orchestrator.model.rows import TIMER_SLEEP, InvocationRow
from perdure.wire.codes import SLEEP_COMPLETION


def sleep(step: Step, row: InvocationRow, effect: Sleep, frames: bytes) -> None:
    if effect.due_ms <= step.now_ms:
        complete_entry(step, row, SLEEP_COMPLETION, effect.completion_id, None)
        return
    keep(step, row, SLEEPS, effect.completion_id, effect.due_ms)
    arm(step, row, TIMER_SLEEP, effect.completion_id, effect.due_ms)
