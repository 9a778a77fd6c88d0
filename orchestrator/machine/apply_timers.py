"""TimersFired: sleeps complete, delayed invocations start."""

from orchestrator.machine import life
from orchestrator.machine.details import SLEEPS, drop_detail
from orchestrator.machine.journal import complete_entry
from orchestrator.machine.step import Step
from orchestrator.model.answers import DONE, Answer
from orchestrator.model.records import TimersFired
from orchestrator.model.rows import TIMER_SLEEP, TimerRow
from orchestrator.model.values import SCHEDULED
from perdure.wire.codes import SLEEP_COMPLETION


def apply_timers_fired(step: Step, fired: TimersFired) -> Answer:
    """A timer whose row has gone was fired before, or its invocation is over."""
    if fired.epoch != step.state.partition_row.epoch:
        return Answer.DROPPED
    timers = step.state.timers
    for key in fired.keys:
        timer = timers.get(key)
        if timer is not None:
            timers.delete(key)
            _fire(step, timer)
    return DONE


def _fire(step: Step, timer: TimerRow) -> None:
    row = step.state.invocations.get(timer.id)
    if row is None or row.incarnation != timer.incarnation:
        return
    if timer.kind == TIMER_SLEEP:
        drop_detail(step, row, SLEEPS, timer.completion_id)
        step.state.invocations.touch(timer.id)
        complete_entry(step, row, SLEEP_COMPLETION, timer.completion_id, None)
    elif row.status == SCHEDULED:
        life.enter(step, row)
