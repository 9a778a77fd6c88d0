"""Timers: a row each, under its due time, and when the last one of the partition was armed."""

from orchestrator.codec.keys import timer_key
from orchestrator.machine.step import Step
from orchestrator.model.actions import ArmTimer
from orchestrator.model.rows import InvocationRow, TimerRow


def arm(step: Step, row: InvocationRow, kind: int, completion_id: int, due_ms: int) -> None:
    """Arm a timer for `due_ms`. If the clock is set back, it fires no later than the interval
    from now to `due_ms`."""
    invocation_id = row.invoke.id
    key = timer_key(due_ms, invocation_id, completion_id)
    timer = TimerRow(kind, invocation_id, row.incarnation, completion_id, step.now_ms)
    step.state.timers.put(key, timer)
    own = step.state.partition_row
    own.timers_armed_at_ms = max(own.timers_armed_at_ms, step.now_ms)
    step.actions.append(ArmTimer(due_ms, key, due_ms - step.now_ms))
