"""What is known of attempts that failed, and what ends a backoff."""

import msgspec
import pytest

from orchestrator.model.actions import ArmRetry, StartAttempt
from orchestrator.model.effects import Sleep
from orchestrator.model.limits import EVENTS_KEPT_COUNT
from orchestrator.model.records import Cancel, Failed, Resume, Signal, Suspended
from orchestrator.model.rows import EVENT_FAILED, InvocationRow, Retries
from orchestrator.model.values import (
    INVOKED,
    THEN_KILL,
    THEN_PAUSE,
    THEN_RETRY,
    Attempted,
    Failure,
    Future,
)
from tests.unit.machine.bench import Bench, uid

A = uid(1)


def failed(bench: Bench, message: str = "boom", then: int = THEN_RETRY, count: int = 1) -> Failed:
    why = Attempted(500, message, "a stack", at_ms=bench.now_ms)
    retry_at_ms = bench.now_ms + 9_999 if then == THEN_RETRY else 0
    return Failed(why, then, count, retry_at_ms, True, bench.now_ms - 5, "dp_9", "sdk/1")


def begun() -> Bench:
    bench = Bench()
    bench.invoke(A)
    return bench


def live(bench: Bench) -> InvocationRow:
    row = bench.live(A)
    assert row is not None
    return row


# --- a cancel does not wait for the retry ---


def test_a_cancel_while_backing_off_takes_effect_at_once() -> None:
    bench = begun()
    bench.flush(A, end=failed(bench))
    bench.do(Cancel(A, bench.now_ms))
    assert bench.took(StartAttempt) and not live(bench).retry_at_ms
    # The attempt that it began fails too: that is a retry like any other.
    bench.flush(A, end=failed(bench))
    assert live(bench).retry_at_ms and bench.took(ArmRetry) and not bench.took(StartAttempt)


@pytest.mark.parametrize("then", [THEN_RETRY, THEN_PAUSE])
def test_a_cancel_that_came_while_the_attempt_failed_takes_effect_at_once(then: int) -> None:
    bench = begun()
    bench.do(Cancel(A, bench.now_ms))
    bench.flush(A, end=failed(bench, then=then))
    assert bench.took(StartAttempt) and live(bench).status == INVOKED
    bench.flush(A, end=failed(bench, then=then))
    assert not bench.took(StartAttempt)


def test_another_signal_waits_for_the_retry() -> None:
    bench = begun()
    bench.flush(A, end=failed(bench))
    bench.do(Signal(A, 0, "go", b"v", bench.now_ms))
    assert not bench.took(StartAttempt) and live(bench).retry_at_ms


# --- what is known of attempts that failed ---


def test_where_and_when_the_last_attempt_began_is_kept() -> None:
    bench = begun()
    bench.flush(A, end=failed(bench))
    assert live(bench).retries == Retries(1, 1, bench.now_ms - 5, "dp_9", "sdk/1")
    bench.flush(A, end=failed(bench, count=1))  # its service asked for a delay: not of the policy
    assert live(bench).retries == Retries(2, 2, bench.now_ms - 5, "dp_9", "sdk/1")


@pytest.mark.parametrize("how", ["suspend", "resume"])
def test_failures_are_counted_anew_after(how: str) -> None:
    bench = begun()
    bench.flush(A, end=failed(bench))
    if how == "suspend":
        bench.flush(A, Sleep(bench.now_ms + 9, 1), end=Suspended(Future((1,)), 2))
    else:
        bench.do(Resume(A, bench.now_ms))
    retries = live(bench).retries
    assert retries is not None and (retries.failed_count, retries.in_row) == (1, 0)


def test_failures_are_kept_through_completion() -> None:
    bench = begun()
    bench.flush(A, end=failed(bench, "first"))
    bench.flush(A, end=failed(bench, "last"))
    bench.finish(A)
    done = bench.done(A)
    assert done is not None and done.retries is not None and done.last_failure is not None
    assert done.retries.failed_count == 2 and done.last_failure.message == "last"


def test_a_failure_that_ends_it_is_counted() -> None:
    bench = begun()
    bench.flush(A, end=failed(bench, "no", THEN_KILL))
    done = bench.done(A)
    assert done is not None and done.retries is not None and done.retries.failed_count == 1
    assert done.outcome == Failure(500, "no")


def test_equal_failures_in_a_row_are_one_event() -> None:
    bench = begun()
    first_ms = bench.now_ms
    bench.flush(A, end=failed(bench, "useful"))
    for number in range(3 * EVENTS_KEPT_COUNT):
        bench.now_ms += 100
        bench.flush(A, end=failed(bench, "again", count=number + 2))
    useful, again = live(bench).events
    assert useful.why is not None and again.why is not None
    assert (useful.why.message, useful.count, useful.at_ms) == ("useful", 1, first_ms)
    assert (again.why.message, again.count) == ("again", 3 * EVENTS_KEPT_COUNT)
    assert (again.at_ms, again.why.at_ms) == (first_ms + 100, bench.now_ms)
    assert again.why.stacktrace and not useful.why.stacktrace


def test_different_failures_are_events_of_their_own() -> None:
    bench = begun()
    for number in range(4):
        bench.flush(A, end=failed(bench, f"boom {number % 2}"))
    assert [event.kind for event in live(bench).events] == [EVENT_FAILED] * 4


def test_a_step_is_tried_since_the_first_attempt_that_reached_it() -> None:
    """Not since the last entry: the service may have been down, or the handler asleep."""
    bench = begun()
    bench.now_ms += 60_000
    refused = msgspec.structs.replace(failed(bench), reached=False)
    bench.flush(A, end=refused)
    row = live(bench)
    assert (row.failures_since_entry, row.trying_since_ms) == (0, bench.now_ms - 60_000)
    bench.now_ms += 60_000
    first_ms = bench.now_ms - 5
    bench.flush(A, end=failed(bench))
    bench.now_ms += 60_000
    bench.flush(A, end=failed(bench))
    row = live(bench)
    assert (row.failures_since_entry, row.trying_since_ms) == (2, first_ms)
