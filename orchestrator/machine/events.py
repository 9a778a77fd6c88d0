"""Life-cycle events kept with an invocation: the latest few, their texts cut, one stack trace."""

from msgspec.structs import replace

from orchestrator.machine.step import Step
from orchestrator.model.limits import (
    EVENTS_KEPT_COUNT,
    FAILURE_MESSAGE_CHARS_MAX,
    FAILURE_STACKTRACE_CHARS_MAX,
)
from orchestrator.model.rows import (
    EVENT_FAILED,
    EVENT_PAUSED,
    EVENT_PAUSED_BY_FAILURE,
    Event,
    InvocationRow,
    Retries,
)
from orchestrator.model.values import Attempted


def note_failure(step: Step, row: InvocationRow, why: Attempted) -> None:
    """An attempt failed. Equal failures in a row are counted in one event, so that they push
    nothing else out. Earlier failures lose their stack traces: only the last one is shown."""
    row.is_failing = True
    why = _cut(why)
    last = row.events[-1] if row.events else None
    if last is not None and last.why is not None and _is_same(last.why, why):
        known = replace(last, entries=row.entries, why=why, count=last.count + 1)
        row.events = (*row.events[:-1], known)
        return
    row.events = tuple(map(_without_stack, row.events))
    _add(row, Event(EVENT_FAILED, step.now_ms, row.entries, why))


def note_attempt(
    row: InvocationRow, started_at_ms: int = 0, deployment: str = "", server: str = ""
) -> None:
    """Count an attempt that failed; when and where it began, if that is known."""
    before = row.retries or Retries(0, 0)
    row.retries = Retries(
        before.failed_count + 1,
        before.in_row + 1,
        started_at_ms or before.started_at_ms,
        deployment or before.deployment,
        server or before.server,
    )


def begin_count(row: InvocationRow) -> None:
    """Failures from here on have nothing to do with those before."""
    row.retry_count = 0
    if row.retries is not None:
        row.retries = replace(row.retries, in_row=0)


def note_pause(step: Step, row: InvocationRow) -> None:
    """It is paused: after a failure, which is not repeated here, or because somebody asked."""
    kind = EVENT_PAUSED_BY_FAILURE if row.is_failing else EVENT_PAUSED
    _add(row, Event(kind, step.now_ms, row.entries))


def _add(row: InvocationRow, event: Event) -> None:
    row.events = (*row.events, event)[-EVENTS_KEPT_COUNT:]


def _is_same(one: Attempted, other: Attempted) -> bool:
    """But for when, and where in the handler."""
    return replace(one, stacktrace="", at_ms=0) == replace(other, stacktrace="", at_ms=0)


def _without_stack(event: Event) -> Event:
    if event.why is None or not event.why.stacktrace:
        return event
    return replace(event, why=replace(event.why, stacktrace=""))


def _cut(why: Attempted) -> Attempted:
    message, stacktrace = why.message, why.stacktrace
    if len(message) <= FAILURE_MESSAGE_CHARS_MAX and (
        len(stacktrace) <= FAILURE_STACKTRACE_CHARS_MAX
    ):
        return why
    return replace(
        why,
        message=_shortened(message, FAILURE_MESSAGE_CHARS_MAX),
        stacktrace=_shortened(stacktrace, FAILURE_STACKTRACE_CHARS_MAX),
    )


def _shortened(text: str, chars_max: int) -> str:
    return text if len(text) <= chars_max else text[: chars_max - 3] + "..."
