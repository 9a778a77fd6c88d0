"""Journal: one flush of an attempt, its effects in order, and how the attempt ended."""

from collections.abc import Sequence

from orchestrator.machine import life
from orchestrator.machine.apply_pause import hold
from orchestrator.machine.details import SIGNALS, look_up
from orchestrator.machine.entries import APPLY_EFFECT
from orchestrator.machine.events import begin_count, note_attempt, note_failure
from orchestrator.machine.futures import is_resolved
from orchestrator.machine.idle import why_idle
from orchestrator.machine.journal import store_entries
from orchestrator.machine.origins import free_slot
from orchestrator.machine.status import BACK_OFF, CANCEL, FLUSH, SUSPEND, WAKE, change_status, go_on
from orchestrator.machine.step import Step
from orchestrator.model.actions import ArmRetry
from orchestrator.model.answers import DONE, Answer
from orchestrator.model.effects import AnyEffect, RunResult
from orchestrator.model.limits import IDLE_DELAY_MS, IDLE_DELAY_MS_MAX
from orchestrator.model.records import Ended, Failed, Journal, Pin, Suspended
from orchestrator.model.rows import InvocationRow
from orchestrator.model.values import (
    CODE_INTERNAL,
    INVOKED,
    THEN_KILL,
    THEN_PAUSE,
    THEN_RETRY,
    Attempted,
    Failure,
)
from perdure.wire.codes import CANCEL_SIGNAL

NO_OUTPUT = Failure(CODE_INTERNAL, "the handler ended without a result")


def apply_journal(step: Step, record: Journal) -> Answer:
    """Dropped if it is of another epoch, incarnation or an earlier attempt."""
    state = step.state
    if record.epoch != state.partition_row.epoch:
        return Answer.DROPPED
    row = state.invocations.get(record.id)
    if row is None or row.incarnation != record.incarnation or row.status != INVOKED:
        return Answer.DROPPED
    if record.attempt < row.attempt:
        return Answer.DROPPED
    row.attempt = record.attempt
    if row.retry_at_ms:
        change_status(step, row, FLUSH)
    row.modified_at_ms = record.now_ms
    row.signal_count = row.signal_bytes = 0
    state.invocations.touch(record.id)
    if record.pin is not None:
        _pin(row, record.pin)
    if record.entries:
        row.commands += record.commands
        row.failures_since_entry = 0
        row.trying_since_ms = record.now_ms
        if record.runs:
            row.open_runs = max(0, row.open_runs + record.runs)
        frames, effects = record.frames, record.effects
        store_entries(step, row, frames, record.entries)
        for effect in effects if len(effects) < 2 else _as_stored(effects):
            APPLY_EFFECT[type(effect)](step, row, effect, frames)
    if record.end is not None:
        _end(step, row, record.end)
    return DONE


def _as_stored(effects: Sequence[AnyEffect]) -> Sequence[AnyEffect]:
    """Run results first: their notifications lie among the frames of the record, those of other
    effects are stored behind them.

    Notifications are sent in the order of the journal, so that a replay decides each race as the
    attempt did.
    """
    return sorted(effects, key=_is_no_run_result)


def _is_no_run_result(effect: AnyEffect) -> bool:
    return type(effect) is not RunResult


def _pin(row: InvocationRow, pin: Pin) -> None:
    row.deployment = pin.deployment
    row.protocol = pin.protocol
    row.server = pin.server


def _end(step: Step, row: InvocationRow, end: Ended | Suspended | Failed) -> None:
    row.attempt += 1
    if isinstance(end, Ended):
        life.complete(step, row, NO_OUTPUT if row.output is None else row.output, end.output)
    elif isinstance(end, Suspended):
        _suspend(step, row, end)
    else:
        _fail(step, row, end)


def _suspend(step: Step, row: InvocationRow, end: Suspended) -> None:
    row.retry_count = 0
    row.seen = end.seen
    is_ready, why = False, ""
    if not row.pause_requested:
        is_ready = is_resolved(step.state, row, end.waiting)
        why = why_idle(step.state, row, end, is_ready)
    if why:
        _ask_again(step, row, end, why)
        return
    begin_count(row)
    row.is_failing = False
    if row.pause_requested:
        hold(step, row)
    elif is_ready:
        go_on(step, row, WAKE)
    else:
        change_status(step, row, SUSPEND)
        row.waiting = end.waiting
        if row.invoke.origin is not None:
            free_slot(step, row)


def _ask_again(step: Step, row: InvocationRow, end: Suspended, why: str) -> None:
    """Nobody is certain to wake it: it is attempted again after a while, or when it is given
    something new."""
    failure = Attempted(CODE_INTERNAL, why, restate_code="RT0012", at_ms=step.now_ms)
    note_failure(step, row, failure)
    note_attempt(row, end.started_at_ms, row.deployment, row.server)
    assert row.retries is not None
    delay_ms = IDLE_DELAY_MS << min(row.retries.in_row, 8)
    _back_off(step, row, step.now_ms + min(delay_ms, IDLE_DELAY_MS_MAX))
    row.waiting = end.waiting


def _fail(step: Step, row: InvocationRow, end: Failed) -> None:
    row.retry_count = end.retry_count
    if end.reached:
        if not row.failures_since_entry:
            row.trying_since_ms = max(row.trying_since_ms, end.started_at_ms)
        row.failures_since_entry += 1
    note_failure(step, row, end.why)
    note_attempt(row, end.started_at_ms, end.deployment, end.server)
    seen, row.seen = row.seen, row.entries
    if end.then == THEN_KILL:
        life.complete(step, row, Failure(end.why.code, end.why.message))
    elif row.pause_requested:
        hold(step, row)
    elif (look_up(step.state, row, SIGNALS, CANCEL_SIGNAL) or -1) >> 2 >= seen:
        # Canceled during this attempt: it goes on as if that had come after the failure.
        if end.then == THEN_PAUSE:
            begin_count(row)
        go_on(step, row, CANCEL)
    elif end.then == THEN_RETRY:
        _back_off(step, row, end.retry_at_ms)
    else:
        hold(step, row)


def _back_off(step: Step, row: InvocationRow, retry_at_ms: int) -> None:
    change_status(step, row, BACK_OFF)
    row.retry_at_ms = retry_at_ms
    delay_ms = retry_at_ms - step.now_ms
    step.actions.append(ArmRetry(row.invoke.id, row.incarnation, retry_at_ms, delay_ms))
