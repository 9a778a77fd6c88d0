"""Every operation on an invocation in every state of its life: the answer, and where it is after.

A row of the matrix is an operation; what attaches from a handler is told a notification instead.
"""

import pytest

from orchestrator.model.answers import Answer
from orchestrator.model.effects import AnyEffect, Attach, GetOutput, Sleep
from orchestrator.model.records import (
    AnyRecord,
    Cancel,
    Failed,
    Kill,
    Pause,
    Purge,
    PurgeExpired,
    PurgeJournal,
    Resume,
    Signal,
    Suspended,
)
from orchestrator.model.values import OBJECT_EXCLUSIVE, THEN_PAUSE, THEN_RETRY, Attempted, Future
from perdure.wire.notifications import Notification, decode_notification
from tests.unit.machine.bench import DAY_MS, Bench, uid

A, HOLDER, ASKER = uid(1), uid(2), uid(3)
SCHEDULED, INBOXED, INVOKED, BACKING_OFF, SUSPENDED, PAUSED = range(6)
COMPLETED, EXPIRED, PURGED, UNKNOWN = range(6, 10)
STATES = {
    "scheduled": SCHEDULED,
    "inboxed": INBOXED,
    "invoked": INVOKED,
    "backing off": BACKING_OFF,
    "suspended": SUSPENDED,
    "paused": PAUSED,
    "completed": COMPLETED,
    "expired": EXPIRED,
    "purged": PURGED,
    "unknown": UNKNOWN,
}


def in_state(state: int) -> Bench:
    """A bench where invocation A is in this state."""
    bench = Bench()
    if state == UNKNOWN:
        return bench
    if state == INBOXED:
        bench.invoke(HOLDER, service="C", key="k", kind=OBJECT_EXCLUSIVE)
    later = bench.now_ms + 5_000 if state == SCHEDULED else 0
    kept_ms = 10 if state == EXPIRED else 1_000_000
    bench.invoke(
        A, service="C", key="k", kind=OBJECT_EXCLUSIVE, start_at_ms=later, retention_ms=kept_ms
    )
    if state == BACKING_OFF:
        bench.flush(A, end=Failed(Attempted(500, "x"), THEN_RETRY, 1, bench.now_ms + 99))
    elif state == SUSPENDED:
        bench.flush(A, Sleep(bench.now_ms + 99, 1), end=Suspended(Future((1,), (1,)), 2))
    elif state == PAUSED:
        bench.flush(A, end=Failed(Attempted(500, "x"), THEN_PAUSE, 1))
    elif state >= COMPLETED:
        bench.finish(A, b"result")
        bench.now_ms += 100
        if state == PURGED:
            bench.do(Purge(A, bench.now_ms))
    return bench


def state_of(bench: Bench) -> int:
    row, done = bench.live(A), bench.done(A)
    assert row is None or done is None
    if row is not None:
        if row.status < 2:
            return row.status
        return BACKING_OFF if row.retry_at_ms else (INVOKED, SUSPENDED, PAUSED)[row.status - 2]
    if done is None:
        return UNKNOWN
    return COMPLETED if done.expires_at_ms > bench.now_ms else EXPIRED


def operation(name: str, now_ms: int) -> AnyRecord:
    match name:
        case "resume elsewhere":
            return Resume(A, now_ms, "dp_2", 6)
        case "signal":
            return Signal(A, 0, "go", b"v", now_ms)
        case "awakeable":
            return Signal(A, 17, "", b"v", now_ms)
        case "cancel signal":
            return Signal(A, 1, "", None, now_ms)
    kinds = {"cancel": Cancel, "kill": Kill, "pause": Pause, "resume": Resume}
    kinds |= {"purge": Purge, "purge journal": PurgeJournal}
    return kinds[name](A, now_ms)


DONE, ACCEPTED = Answer.DONE, Answer.ACCEPTED
OVER, GONE = (Answer.ALREADY_COMPLETED, COMPLETED), (Answer.NOT_FOUND, UNKNOWN)
STALE = (Answer.NOT_FOUND, EXPIRED)  # the row is still there, for nobody
ENDED, SAME = (DONE, COMPLETED), None
NOT_YET, LIVE = Answer.NOT_STARTED, Answer.NOT_COMPLETED
ELSEWHERE = Answer.CANNOT_CHANGE_DEPLOYMENT
AFTER = [OVER, STALE, GONE, GONE]
# Told that it was accepted, and nothing else changes but for one that waits for it.
STORED = [(ACCEPTED, state) for state in range(6)]
CANCELED = [ENDED, ENDED, (ACCEPTED, INVOKED), (ACCEPTED, INVOKED)]
CANCELED += [(ACCEPTED, INVOKED), (ACCEPTED, INVOKED), *AFTER]
UNFINISHED = [(LIVE, state) for state in range(6)]
UNSTARTED = [(NOT_YET, SCHEDULED), (NOT_YET, INBOXED)]
GOES_ON = (ACCEPTED, INVOKED)

MATRIX: dict[str, list[tuple[Answer, int]]] = {
    "cancel": CANCELED,
    "cancel signal": CANCELED,
    "kill": [ENDED] * 6 + AFTER,
    "pause": [
        (Answer.NOT_RUNNING, SCHEDULED),
        (Answer.NOT_RUNNING, INBOXED),
        (ACCEPTED, INVOKED),
        (DONE, PAUSED),
        (DONE, PAUSED),
        (Answer.ALREADY_PAUSED, PAUSED),
        *AFTER,
    ],
    "resume": [*UNSTARTED, GOES_ON, GOES_ON, GOES_ON, GOES_ON, *AFTER],
    "resume elsewhere": [
        *UNSTARTED,
        (ELSEWHERE, INVOKED),
        (ELSEWHERE, BACKING_OFF),
        GOES_ON,
        GOES_ON,
        *AFTER,
    ],
    "purge": [*UNFINISHED, (DONE, UNKNOWN), STALE, GONE, GONE],
    "purge journal": [*UNFINISHED, ENDED, STALE, GONE, GONE],
    "signal": STORED + AFTER,
    "awakeable": STORED + AFTER,
}
CELLS = [(name, state) for name in MATRIX for state in STATES]


@pytest.mark.parametrize(("name", "state"), CELLS)
def test_an_operation_in_a_state(name: str, state: str) -> None:
    bench = in_state(STATES[state])
    answer = bench.do(operation(name, bench.now_ms))
    assert (answer, state_of(bench)) == MATRIX[name][STATES[state]]


@pytest.mark.parametrize(("name", "state"), CELLS)
def test_an_operation_twice_does_no_harm(name: str, state: str) -> None:
    """And once all is over nothing is left of anything, whatever was done in between."""
    bench = in_state(STATES[state])
    for _ in range(2):
        bench.do(operation(name, bench.now_ms))
    for identity in (A, HOLDER):
        if bench.live(identity) is not None:
            bench.do(Kill(identity, bench.now_ms))
    bench.do(Purge(A, bench.now_ms))
    expired = tuple(key for key, _ in bench.state.retention.scan())
    bench.do(PurgeExpired(bench.epoch, bench.now_ms + 2 * DAY_MS, expired))
    assert [key for key, _ in bench.rows()] == [b"m"]


VOID, RESULT, UNKNOWN_ID = "void", b"result", 404
TOLD: dict[str, list[object]] = {
    "attach": [None] * 6 + [RESULT, UNKNOWN_ID, UNKNOWN_ID, UNKNOWN_ID],
    "output": [VOID] * 6 + [RESULT, UNKNOWN_ID, UNKNOWN_ID, UNKNOWN_ID],
}


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("name", TOLD)
def test_what_a_handler_is_told_of_another(name: str, state: str) -> None:
    bench = in_state(STATES[state])
    bench.invoke(ASKER)
    effect: AnyEffect = Attach(A, 1) if name == "attach" else GetOutput(A, 1)
    bench.flush(ASKER, effect)
    wanted = TOLD[name][STATES[state]]
    assert told(bench) == wanted
    if wanted is None:  # it waits, whatever becomes of the other
        bench.do(Kill(A, bench.now_ms))
        assert told(bench) == 409


def told(bench: Bench) -> object:
    found: list[Notification] = [
        decode_notification(code, payload) for code, payload in bench.notifications(ASKER)
    ]
    if not found:
        return None
    (one,) = found
    if one.failure is not None:
        return one.failure.code
    return VOID if one.void else one.value
