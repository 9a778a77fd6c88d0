"""Suspensions that nobody ends: the invocation is attempted again, after a while."""

from collections.abc import Callable

import pytest

from orchestrator.codec.keys import timer_key
from orchestrator.model.actions import ArmRetry, StartAttempt
from orchestrator.model.effects import Attach, Call, GetPromise, RunResult, Sleep
from orchestrator.model.invoke import Invoke
from orchestrator.model.records import Failed, Signal, Suspended, TimersFired
from orchestrator.model.rows import InvocationRow, Retries
from orchestrator.model.values import (
    INVOKED,
    PAUSED,
    SUSPENDED,
    THEN_RETRY,
    WORKFLOW_RUN,
    Attempted,
    Caller,
    Future,
)
from perdure.wire import codes
from perdure.wire.codes import ALL_COMPLETED, FIRST_COMPLETED
from perdure.wire.commands import RunCommand, encode_run
from perdure.wire.frames import frame
from tests.unit.machine.bench import Bench, uid

A, B = uid(1), uid(2)
FIRST_SUCCEEDED_OR_ALL_FAILED, ALL_SUCCEEDED_OR_FIRST_FAILED = 3, 4


def begun(**how: object) -> Bench:
    bench = Bench()
    bench.invoke(A, **how)
    return bench


def live(bench: Bench) -> InvocationRow:
    row = bench.live(A)
    assert row is not None
    return row


def run(number: int, name: str = "step") -> bytes:
    return frame(codes.RUN, encode_run(RunCommand(number, name)))


RUN = run(1)
RESULT = frame(codes.RUN_COMPLETION, b"")


def slept(bench: Bench, number: int = 1) -> None:
    """A sleep that is over: two entries."""
    bench.flush(A, Sleep(bench.now_ms - 1, number))


def fire(bench: Bench, number: int) -> None:
    """The sleep of that number is over."""
    due_ms = (live(bench).sleeps or {})[number]
    bench.do(TimersFired(bench.epoch, due_ms, (timer_key(due_ms, A, number),)))


def suspend(bench: Bench, future: Future, seen: int | None = None) -> None:
    """`seen` entries had been given to the attempt; without it all of them."""
    bench.flush(A, end=Suspended(future, live(bench).entries if seen is None else seen))


def assert_asked_again(bench: Bench, why: str) -> None:
    row = live(bench)
    assert row.status == INVOKED and row.retry_at_ms == bench.now_ms + 100
    assert bench.took(ArmRetry) and not bench.took(StartAttempt)
    assert row.last_failure is not None and why in row.last_failure.message
    assert row.last_failure.restate_code == "RT0012"


# --- a run that only an attempt of its own can end ---


def test_a_suspension_on_an_own_open_run_is_attempted_again() -> None:
    bench = begun()
    bench.flush(A, frames=RUN, runs=1)
    suspend(bench, Future((1,)))
    assert_asked_again(bench, "its own run 1")
    for _ in range(20):
        suspend(bench, Future(nested=(Future((), (17,)), Future((1,)))))
    assert live(bench).retry_at_ms == bench.now_ms + 10_000
    result = RunResult(1, False, 0, len(RESULT))
    end = Suspended(Future((), (17,)), 1)
    bench.flush(A, result, frames=RESULT, runs=-1, end=end)
    assert live(bench).status == SUSPENDED and not live(bench).is_failing


def test_a_pause_comes_before_an_own_open_run() -> None:
    bench = begun()
    bench.flush(A, frames=RUN, runs=1)
    live(bench).pause_requested = True
    suspend(bench, Future((1,)))
    assert live(bench).status == PAUSED


def test_own_runs_are_found_in_a_long_journal() -> None:
    bench = begun()
    big = run(2, "n" * 100)
    bench.flush(A, frames=RUN, runs=1)
    for _ in range(400):
        bench.flush(A, RunResult(2, False, len(big), len(big) + 8), frames=big + RESULT)
    assert live(bench).chunk_count
    suspend(bench, Future((1,)))
    assert_asked_again(bench, "its own run 1")


# --- what it has been given already ---


@pytest.mark.parametrize(
    "future",
    [
        Future((1,)),
        Future((1, 9)),
        Future((1, 9), combinator=FIRST_COMPLETED),
        Future((1,), combinator=ALL_COMPLETED),
        Future((), (1,), nested=(Future(combinator=ALL_COMPLETED),), combinator=FIRST_COMPLETED),
        Future((), (1,), nested=(Future(combinator=ALL_SUCCEEDED_OR_FIRST_FAILED),)),
        Future((), (1,), nested=(Future(combinator=FIRST_SUCCEEDED_OR_ALL_FAILED),)),
        Future(nested=(Future((9,)), Future(nested=(Future((1,)),))), combinator=FIRST_COMPLETED),
        Future((), (17,)),
        Future((1,), (17,), combinator=ALL_COMPLETED),
    ],
)
def test_a_suspension_on_what_it_has_been_given_is_attempted_again(future: Future) -> None:
    bench = begun()
    slept(bench)
    bench.do(Signal(A, 17, "", b"v", bench.now_ms))
    suspend(bench, future)
    assert_asked_again(bench, "given already")
    for _ in range(20):
        suspend(bench, future)
        assert not bench.took(StartAttempt)
    assert live(bench).retry_at_ms == bench.now_ms + 10_000


def test_when_and_where_it_was_asked_is_kept() -> None:
    bench = begun()
    slept(bench)
    bench.flush(A, end=Suspended(Future((1,)), live(bench).entries, bench.now_ms - 7))
    assert live(bench).retries == Retries(1, 1, bench.now_ms - 7, "dp_1", "")


def test_what_came_meanwhile_lets_it_go_on_at_once() -> None:
    bench = begun()
    bench.flush(A, Sleep(bench.now_ms - 1, 1), end=Suspended(Future((1,)), 1))
    assert bench.took(StartAttempt) and not live(bench).is_failing
    bench = begun()
    bench.do(Signal(A, 17, "", b"v", bench.now_ms))
    suspend(bench, Future((), (17,)), seen=1)
    assert bench.took(StartAttempt) and not live(bench).is_failing


def test_entries_of_its_own_are_progress_once() -> None:
    """The attempt that wrote them is followed by one that finds them; that one has nothing new."""
    bench = begun()
    empty = Future((), (1,), nested=(Future(combinator=ALL_COMPLETED),))
    bench.flush(A, Sleep(bench.now_ms + 999, 1), end=Suspended(empty, 1))
    assert bench.took(StartAttempt)
    suspend(bench, empty)
    assert_asked_again(bench, "given already")


def test_an_awakeable_that_was_given_counts_among_others() -> None:
    bench = begun()
    bench.flush(A, Sleep(bench.now_ms + 999, 1))
    bench.do(Signal(A, 17, "", b"v", bench.now_ms))
    suspend(bench, Future((1,), (17,), combinator=ALL_COMPLETED))
    assert live(bench).status == SUSPENDED
    fire(bench, 1)
    assert live(bench).status == INVOKED and bench.took(StartAttempt)


def test_a_named_signal_and_a_cancel_may_come_again() -> None:
    bench = begun()
    for number, name in ((0, "go"), (1, "")):
        bench.do(Signal(A, number, name, b"v", bench.now_ms))
    for future in (Future(names=("go",)), Future((), (1,)), Future((), (2,))):
        suspend(bench, future)
        assert live(bench).status == SUSPENDED
        live(bench).status = INVOKED


# --- what nothing will ever complete ---


@pytest.mark.parametrize(
    ("future", "why"),
    [
        (Future((7,)), "completion 7"),
        (Future((7,), (1,)), "completion 7"),
        (Future((1, 7), (17,), combinator=ALL_COMPLETED), "completion 7"),
        (Future(nested=(Future((1, 8), combinator=ALL_COMPLETED),)), "completion 8"),
        (Future((1,), nested=(Future(),), combinator=ALL_COMPLETED), "combinators"),
    ],
)
def test_a_suspension_on_what_never_comes_is_attempted_again(future: Future, why: str) -> None:
    bench = begun()
    slept(bench)
    bench.flush(A, Sleep(bench.now_ms + 999, 2))  # nobody waits for it
    bench.do(Signal(A, 17, "", b"v", bench.now_ms))
    suspend(bench, future)
    assert_asked_again(bench, why)


def caller(bench: Bench, number: int) -> Caller:
    return Caller(A, live(bench).incarnation, number)


def call(bench: Bench) -> None:
    """Its result is completion 2."""
    asked = Invoke(B, "Greeter", "greet", "", 0, b"", (), 1, 1000, 1000, caller=caller(bench, 2))
    bench.flush(A, Call(asked, 0, 0, 1, 2))


def sleep(bench: Bench) -> None:
    bench.flush(A, Sleep(bench.now_ms + 999, 2))


def attach(bench: Bench) -> None:
    bench.invoke(B)
    bench.flush(A, Attach(B, 2))


@pytest.mark.parametrize("command", [call, sleep, attach])
@pytest.mark.parametrize(
    "future",
    [
        Future((2,), (1,)),
        Future((7, 2)),
        Future((2,), (1,), nested=(Future((7,)),)),
        Future((2,), (17,), combinator=ALL_COMPLETED),
        Future((2, 7), combinator=FIRST_SUCCEEDED_OR_ALL_FAILED),
        Future((2, 7), combinator=ALL_SUCCEEDED_OR_FIRST_FAILED),
        Future(tuple(range(2, 9_000)), combinator=ALL_COMPLETED),
    ],
)
def test_what_may_come_is_waited_for(command: Callable[[Bench], None], future: Future) -> None:
    bench = begun()
    command(bench)
    suspend(bench, future)
    assert live(bench).status == SUSPENDED


@pytest.mark.parametrize("command", [call, sleep, attach])
@pytest.mark.parametrize(
    "future",
    [
        Future((7,)),
        Future((7,), (1,)),
        Future((2, 7), combinator=ALL_COMPLETED),
        Future((2,), nested=(Future((7, 8)),), combinator=ALL_COMPLETED),
        Future(nested=(Future((2, 7), combinator=ALL_COMPLETED),)),
    ],
)
def test_what_never_comes_is_noticed_while_something_else_may(
    command: Callable[[Bench], None], future: Future
) -> None:
    bench = begun()
    command(bench)
    suspend(bench, future)
    assert_asked_again(bench, "completion 7")


def test_the_end_of_a_call_lets_it_go_on_at_once() -> None:
    bench = begun()
    call(bench)
    suspend(bench, Future((2, 7), combinator=ALL_COMPLETED))
    assert_asked_again(bench, "completion 7")
    bench.finish(B)
    assert live(bench).open_calls == 0 and not live(bench).retry_at_ms
    suspend(bench, Future((2, 7), combinator=ALL_COMPLETED))
    assert live(bench).retry_at_ms


@pytest.mark.parametrize("flushes", [400, 9_000])
def test_calls_are_found_in_a_long_journal(flushes: int) -> None:
    bench = begun()
    call(bench)
    big = run(9, "n" * 150)
    for _ in range(flushes):
        bench.flush(A, RunResult(9, False, len(big), len(big) + 8), frames=big + RESULT)
    assert live(bench).chunk_count > flushes // 128
    suspend(bench, Future((2,)))
    assert live(bench).status == SUSPENDED


def test_a_promise_is_waited_for_until_it_is_completed() -> None:
    bench = begun(service="F", key="k", kind=WORKFLOW_RUN)
    bench.flush(A, GetPromise("p", 1))
    suspend(bench, Future((1,)))
    assert live(bench).status == SUSPENDED


# --- what is new ends the wait ---


def test_something_new_lets_it_go_on_before_its_time() -> None:
    bench = begun()
    slept(bench)
    bench.flush(A, Sleep(bench.now_ms + 50, 2))
    suspend(bench, Future((1, 2)))
    assert_asked_again(bench, "given already")
    fire(bench, 2)
    assert live(bench).status == INVOKED and not live(bench).retry_at_ms
    assert bench.took(StartAttempt)
    bench.do(Signal(A, 17, "", b"v", bench.now_ms))
    assert not bench.took(StartAttempt), "its attempt runs and is told"


def test_a_failure_is_not_cut_short_by_something_new() -> None:
    bench = begun()
    slept(bench)
    suspend(bench, Future((1,)))
    why = Attempted(500, "boom", at_ms=bench.now_ms)
    bench.flush(A, end=Failed(why, THEN_RETRY, 1, bench.now_ms + 9_999))
    bench.do(Signal(A, 17, "", b"v", bench.now_ms))
    assert live(bench).retry_at_ms and not bench.took(StartAttempt)
