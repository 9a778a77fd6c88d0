"""Sleep: a timer row; a time that has passed completes at once."""

from orchestrator.codec.keys import timer_key
from orchestrator.machine.details import SLEEPS, keep
from orchestrator.machine.journal import complete_entry
from orchestrator.machine.step import Step
from orchestrator.model.actions import ArmTimer
from orchestrator.model.effects import Sleep
from orchestrator.model.rows import TIMER_SLEEP, InvocationRow, TimerRow
from perdure.wire.codes import SLEEP_COMPLETION


def sleep(step: Step, row: InvocationRow, effect: Sleep, frames: bytes) -> None:
    if effect.due_ms <= step.now_ms:
        complete_entry(step, row, SLEEP_COMPLETION, effect.completion_id, None)
        return
    invocation_id = row.invoke.id
    key = timer_key(effect.due_ms, invocation_id, effect.completion_id)
    timer = TimerRow(TIMER_SLEEP, invocation_id, row.incarnation, effect.completion_id)
    step.state.timers.put(key, timer)
    keep(step, row, SLEEPS, effect.completion_id, effect.due_ms)
    step.actions.append(ArmTimer(effect.due_ms, key))
