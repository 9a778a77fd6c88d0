"""Pause and Resume: an invocation stops where it is, and continues when resumed."""

from orchestrator.machine import life
from orchestrator.machine.events import begin_count, note_pause
from orchestrator.machine.status import PAUSE, RESUME, change_status, go_on
from orchestrator.machine.step import Step
from orchestrator.model.actions import StopAttempt
from orchestrator.model.answers import DONE, Answer
from orchestrator.model.records import Pause, Resume
from orchestrator.model.rows import InvocationRow
from orchestrator.model.values import INBOXED, INVOKED, PAUSED, SCHEDULED, SUSPENDED


def hold(step: Step, row: InvocationRow) -> None:
    """Pause an invocation: notifications are stored, and only a resume or a cancel lets it go
    on."""
    change_status(step, row, PAUSE)
    row.pause_requested = False
    note_pause(step, row)


def apply_pause(step: Step, pause: Pause) -> Answer:
    """A running attempt is asked to come to an end; any other is paused at once."""
    row = step.state.invocations.get(pause.target_id)
    if row is None:
        return life.answer_if_over(step, pause.target_id)
    if row.status in (SCHEDULED, INBOXED) or row.invoke.produce is not None:
        return Answer.NOT_RUNNING
    if row.status == PAUSED:
        return Answer.ALREADY_PAUSED
    if row.status == INVOKED and not row.retry_at_ms:
        row.pause_requested = True
        step.state.invocations.touch(row.invoke.id)
        step.actions.append(StopAttempt(row.invoke.id, row.incarnation, False))
        return Answer.ACCEPTED
    step.actions.append(StopAttempt(row.invoke.id, row.incarnation, True))
    row.attempt += 1  # what an aborted attempt still proposes is dropped
    hold(step, row)
    return DONE


def apply_resume(step: Step, resume: Resume) -> Answer:
    """Go on now, with a fresh count of retries; perhaps on another deployment."""
    row = step.state.invocations.get(resume.target_id)
    if row is None:
        return life.answer_if_over(step, resume.target_id)
    if row.status in (SCHEDULED, INBOXED) or row.invoke.produce is not None:
        return Answer.NOT_STARTED
    if row.status not in (PAUSED, SUSPENDED) and resume.deployment:
        return Answer.CANNOT_CHANGE_DEPLOYMENT
    if resume.deployment:
        row.deployment = resume.deployment
        row.protocol = row.protocol or resume.protocol  # a journal keeps its version
    begin_count(row)
    row.failures_since_entry = 0
    row.pause_requested = False
    go_on(step, row, RESUME)
    return Answer.ACCEPTED
