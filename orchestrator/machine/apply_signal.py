"""Signal and Cancel: given to the current incarnation of an invocation."""

from orchestrator.machine import life
from orchestrator.machine.events import begin_count
from orchestrator.machine.journal import give_signal
from orchestrator.machine.status import CANCEL, go_on
from orchestrator.machine.step import Step
from orchestrator.model.actions import StopAttempt
from orchestrator.model.answers import DONE, Answer
from orchestrator.model.limits import SIGNALS_BYTES_MAX, SIGNALS_MAX
from orchestrator.model.records import Cancel, Signal
from orchestrator.model.values import (
    CODE_CONFLICT,
    CODE_TOO_MANY,
    INBOXED,
    PAUSED,
    SCHEDULED,
    Failure,
)
from perdure.wire.codes import CANCEL_SIGNAL

CANCELS_SPARE = 100  # beyond what other signals may take
FLOODED = Failure(
    CODE_TOO_MANY,
    f"handlers sent more signals before it was at work again than may wait for it: {SIGNALS_MAX},"
    f" or {SIGNALS_BYTES_MAX >> 20} MiB of them",
)
CANCELED = Failure(CODE_CONFLICT, "canceled")


def apply_signal(step: Step, signal: Signal) -> Answer:
    """Store a signal; the built-in one with index 1 cancels."""
    if signal.index == CANCEL_SIGNAL:
        return apply_cancel(step, Cancel(signal.target_id, signal.now_ms))
    row = step.state.invocations.get(signal.target_id)
    if row is None:
        return life.answer_if_over(step, signal.target_id)
    if row.signal_count >= SIGNALS_MAX or row.signal_bytes >= SIGNALS_BYTES_MAX:
        return Answer.TOO_MANY_SIGNALS
    if row.invoke.produce is not None:
        return Answer.ACCEPTED  # no attempt will ask for it
    give_signal(step, row, signal.index, signal.name, signal.value)
    return Answer.ACCEPTED


def apply_signal_of_handler(step: Step, signal: Signal) -> None:
    """A handler is not told what becomes of its signals: an invocation that has too many fails."""
    if apply_signal(step, signal) is Answer.TOO_MANY_SIGNALS:
        row = step.state.invocations.get(signal.target_id)
        assert row is not None
        step.actions.append(StopAttempt(row.invoke.id, row.incarnation, True))
        life.complete(step, row, FLOODED)


def apply_cancel(step: Step, cancel: Cancel) -> Answer:
    """What has not started ends at once; a running attempt is notified. One that is paused or
    backs off is attempted at once, to see that it is cancelled."""
    row = step.state.invocations.get(cancel.target_id)
    if row is None:
        return life.answer_if_over(step, cancel.target_id)
    if row.signal_count >= SIGNALS_MAX + CANCELS_SPARE:
        return Answer.TOO_MANY_SIGNALS
    if row.status in (SCHEDULED, INBOXED):
        life.complete(step, row, CANCELED)
        return DONE
    if row.invoke.produce is not None:
        return Answer.ACCEPTED  # its record is under way
    row.pause_requested = False  # as one that is paused would, it goes on to see the cancel
    give_signal(step, row, CANCEL_SIGNAL, "", None)
    if row.status == PAUSED:
        begin_count(row)
    if row.status == PAUSED or row.retry_at_ms:
        row.seen = row.entries  # this attempt is for it: if it fails, the next one is a retry
        go_on(step, row, CANCEL)
    return Answer.ACCEPTED
