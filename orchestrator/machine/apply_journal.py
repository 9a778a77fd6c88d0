"""Journal: one flush of an attempt, its effects in order, and how the attempt ended."""

from collections.abc import Sequence

from orchestrator.machine import life
from orchestrator.machine.apply_pause import hold
from orchestrator.machine.details import SIGNALS, look_up
from orchestrator.machine.entries import APPLY_EFFECT
from orchestrator.machine.events import note_failure
from orchestrator.machine.futures import is_resolved
from orchestrator.machine.journal import store_entries
from orchestrator.machine.origins import free_slot
from orchestrator.machine.status import BACK_OFF, CANCEL, FLUSH, SUSPEND, WAKE, change_status, go_on
from orchestrator.machine.step import Step
from orchestrator.model.actions import ArmRetry
from orchestrator.model.answers import DONE, Answer
from orchestrator.model.effects import AnyEffect, RunResult
from orchestrator.model.records import Ended, Failed, Journal, Pin, Suspended
from orchestrator.model.rows import InvocationRow
from orchestrator.model.values import (
    CODE_INTERNAL,
    INVOKED,
    THEN_KILL,
    THEN_RETRY,
    Failure,
)
from perdure.wire.codes import CANCEL_SIGNAL

# No attempt of the service: no deployment, or no protocol version that both speak.
NOT_BEGUN = ("RT0011", "RT0013", "RT0014")
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
        row.last_entry_at_ms = record.now_ms
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
        life.complete(step, row, NO_OUTPUT if row.output is None else row.output)
    elif isinstance(end, Suspended):
        _suspend(step, row, end)
    else:
        _fail(step, row, end)


def _suspend(step: Step, row: InvocationRow, end: Suspended) -> None:
    row.retry_count = 0
    row.is_failing = False
    row.seen = end.seen
    if row.pause_requested:
        hold(step, row)
    elif is_resolved(step.state, row, end.waiting):
        go_on(step, row, WAKE)
    else:
        change_status(step, row, SUSPEND)
        row.waiting = end.waiting
        if row.invoke.origin is not None:
            free_slot(step, row)


def _fail(step: Step, row: InvocationRow, end: Failed) -> None:
    row.retry_count = end.retry_count
    if end.why.restate_code not in NOT_BEGUN:
        row.failures_since_entry += 1
    note_failure(step, row, end.why)
    seen, row.seen = row.seen, row.entries
    if end.then == THEN_KILL:
        life.complete(step, row, Failure(end.why.code, end.why.message))
    elif row.pause_requested:
        hold(step, row)
    elif end.then == THEN_RETRY:
        change_status(step, row, BACK_OFF)
        row.retry_at_ms = end.retry_at_ms
        delay_ms = end.retry_at_ms - step.now_ms
        step.actions.append(ArmRetry(row.invoke.id, row.incarnation, end.retry_at_ms, delay_ms))
    elif (look_up(step.state, row, SIGNALS, CANCEL_SIGNAL) or -1) >> 2 >= seen:
        # Canceled during this attempt: it goes on as if that had come after the pause.
        row.retry_count = 0
        go_on(step, row, CANCEL)
    else:
        hold(step, row)
