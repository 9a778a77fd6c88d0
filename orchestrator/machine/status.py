"""The life of an invocation as one table: which cause leads from which status to which.

Nothing else changes the status of a row. A cause that a status has no line for is an invariant
broken: the partition stops and keeps its data. ARCHITECTURE shows the table as a diagram.
"""

from orchestrator.machine import origins
from orchestrator.machine.event_feed import tell
from orchestrator.machine.step import Step
from orchestrator.model.actions import StartAttempt
from orchestrator.model.rows import InvocationRow
from orchestrator.model.values import (
    COMPLETED,
    INBOXED,
    INVOKED,
    NEW,
    PAUSED,
    SCHEDULED,
    STATUS_NAMES,
    SUSPENDED,
)

# Causes. A backing-off invocation is INVOKED with `retry_at_ms`.
SCHEDULE = 0  # its start time is to come
QUEUE = 1  # the lock of its key is taken
BEGIN = 2  # nothing holds it back
SUSPEND = 3  # its attempt ended until something it waits for is there
WAKE = 4  # what it waits for is there
FLUSH = 5  # it backed off, and its attempt sent entries
BACK_OFF = 6  # its attempt failed, the next one comes later
PAUSE = 7
RESUME = 8
CANCEL = 9  # it goes on, to see that it is cancelled
COMPLETE = 10

_CAUSE_BITS = 4
TRANSITIONS: dict[tuple[int, int], int] = {
    (NEW, SCHEDULE): SCHEDULED,
    (NEW, QUEUE): INBOXED,
    (NEW, BEGIN): INVOKED,
    (SCHEDULED, QUEUE): INBOXED,
    (SCHEDULED, BEGIN): INVOKED,
    (SCHEDULED, COMPLETE): COMPLETED,
    (INBOXED, BEGIN): INVOKED,
    (INBOXED, COMPLETE): COMPLETED,
    (INVOKED, FLUSH): INVOKED,
    (INVOKED, BACK_OFF): INVOKED,
    (INVOKED, SUSPEND): SUSPENDED,
    (INVOKED, WAKE): INVOKED,  # the result it would have waited for came meanwhile
    (INVOKED, PAUSE): PAUSED,
    (INVOKED, RESUME): INVOKED,
    (INVOKED, CANCEL): INVOKED,
    (INVOKED, COMPLETE): COMPLETED,
    (SUSPENDED, WAKE): INVOKED,
    (SUSPENDED, PAUSE): PAUSED,
    (SUSPENDED, RESUME): INVOKED,
    (SUSPENDED, COMPLETE): COMPLETED,
    (PAUSED, RESUME): INVOKED,
    (PAUSED, CANCEL): INVOKED,
    (PAUSED, COMPLETE): COMPLETED,
}

_AFTER = {before << _CAUSE_BITS | cause: after for (before, cause), after in TRANSITIONS.items()}

EVENT_OF = {BEGIN: "started", SUSPEND: "suspended", BACK_OFF: "retrying", PAUSE: "paused"}

CAUSE_NAMES = {
    SCHEDULE: "schedule",
    QUEUE: "queue",
    BEGIN: "begin",
    SUSPEND: "suspend",
    WAKE: "wake",
    FLUSH: "flush",
    BACK_OFF: "back off",
    PAUSE: "pause",
    RESUME: "resume",
    CANCEL: "cancel",
    COMPLETE: "complete",
}


def change_status(step: Step, row: InvocationRow, cause: int) -> None:
    """Lead a row to the status the cause leads to, and note when."""
    before, state = row.status, step.state
    after = _AFTER.get(before << _CAUSE_BITS | cause)
    assert after is not None, (
        f"an invocation that is {STATUS_NAMES[before]} cannot {CAUSE_NAMES[cause]}"
    )
    own = state.partition_row
    row.status = after
    if row.waiting is not None:
        row.waiting = None
        state.derived.pop(row.invoke.id, None)
    row.retry_at_ms = 0
    row.modified_at_ms = step.now_ms
    if before != NEW:
        own.live[before] -= 1
    if after != COMPLETED:  # else it goes at once
        own.live[after] += 1
        state.invocations.touch(row.invoke.id)
        if own.events is not None:
            _tell(step, row, before, cause)
        if (after == PAUSED or before == PAUSED) and row.invoke.origin is not None:
            origins.tell_pause(step, row)


def _tell(step: Step, row: InvocationRow, before: int, cause: int) -> None:
    """Tell the feed of events; the end of an invocation is told in `machine/life.py`."""
    if before == NEW:
        tell(step, row, "accepted", False)
    if cause in (RESUME, WAKE, CANCEL):
        if before in (SUSPENDED, PAUSED):
            tell(step, row, "resumed", False)
    elif cause in EVENT_OF:
        tell(step, row, EVENT_OF[cause], cause != BEGIN)


def go_on(step: Step, row: InvocationRow, cause: int) -> None:
    """Change the status to INVOKED: the next attempt starts now."""
    change_status(step, row, cause)
    row.running_at_ms = step.now_ms
    step.actions.append(StartAttempt(row.invoke.id, row.incarnation))
