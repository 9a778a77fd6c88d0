"""Timers: a row each, under its due time, and when the last one of the partition was armed."""

from orchestrator.codec.keys import timer_key
from orchestrator.machine.step import Step
from orchestrator.model.actions import ArmTimer
from orchestrator.model.rows import InvocationRow, TimerRow


def arm(step: Step, row: InvocationRow, kind: int, completion_id: int, due_ms: int) -> None:
    """Fire at `due_ms`; if the clock is set back, no later than that is away now."""
    invocation_id = row.invoke.id
    key = timer_key(due_ms, invocation_id, completion_id)
    timer = TimerRow(kind, invocation_id, row.incarnation, completion_id, step.now_ms)
    step.state.timers.put(key, timer)
    own = step.state.partition_row
    own.timers_armed_at_ms = max(own.timers_armed_at_ms, step.now_ms)
    step.actions.append(ArmTimer(due_ms, key, due_ms - step.now_ms))
