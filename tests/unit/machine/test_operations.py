"""Cancel, kill, pause, resume, signals, and the futures they resolve."""

import pytest

from orchestrator.machine import apply_signal
from orchestrator.machine.frames import signal_frame
from orchestrator.machine.futures import is_resolved
from orchestrator.model.actions import DoChore, Notify, StartAttempt, StopAttempt
from orchestrator.model.answers import Answer
from orchestrator.model.effects import Call, SendSignal
from orchestrator.model.invoke import Invoke
from orchestrator.model.limits import KEY_BYTES_MAX
from orchestrator.model.records import (
    Cancel,
    ChoreStep,
    Failed,
    Kill,
    Pause,
    Resume,
    Signal,
    Suspended,
)
from orchestrator.model.values import (
    FAILURE,
    INVOKED,
    OBJECT_EXCLUSIVE,
    PAUSED,
    SUCCESS,
    SUSPENDED,
    THEN_RETRY,
    Attempted,
    Caller,
    Failure,
    Future,
)
from perdure.wire import codes
from tests.unit.machine.bench import Bench, uid

A, B = uid(1), uid(2)
NEVER = "never"  # the name of a signal that nobody sends


def suspended(bench: Bench, future: Future, seen: int = 1) -> None:
    bench.invoke(A)
    bench.flush(A, end=Suspended(future, seen))
    assert bench.live(A).status == SUSPENDED


def test_cancel_wakes_who_waits_for_it() -> None:
    bench = Bench()
    suspended(bench, Future((), (1,), (NEVER,)))
    assert bench.do(Cancel(A, bench.now_ms)) == Answer.ACCEPTED
    assert bench.took(StartAttempt)
    assert [code for code, _ in bench.notifications(A)] == [codes.SIGNAL_NOTIFICATION]


def test_a_signal_that_was_used_up_does_not_wake_again() -> None:
    bench = Bench()
    suspended(bench, Future((), (1,), (NEVER,)))
    bench.do(Cancel(A, bench.now_ms))
    # The attempt was given both entries, caught the cancel, and waits again.
    bench.flush(A, end=Suspended(Future((), (1,), (NEVER,)), 2))
    assert bench.live(A).status == SUSPENDED
    bench.do(Cancel(A, bench.now_ms))
    assert bench.live(A).status == INVOKED


def test_cancel_of_a_queued_one_ends_it_and_frees_its_place() -> None:
    bench = Bench()
    for identity in (A, B):
        bench.invoke(identity, service="C", key="k", kind=OBJECT_EXCLUSIVE)
    assert bench.do(Cancel(B, bench.now_ms)) == Answer.DONE
    assert bench.done(B).outcome == Failure(409, "canceled")
    bench.finish(A)
    assert not any(key.startswith((b"o", b"q")) for key, _ in bench.rows())


def test_cancel_of_a_scheduled_one() -> None:
    bench = Bench()
    bench.invoke(A, start_at_ms=bench.now_ms + 1000)
    assert bench.do(Cancel(A, bench.now_ms)) == Answer.DONE
    assert not any(key.startswith(b"t") for key, _ in bench.rows())


def test_cancel_of_unknown_and_completed() -> None:
    bench = Bench()
    assert bench.do(Cancel(A, 0)) == Answer.NOT_FOUND
    bench.invoke(A)
    bench.finish(A)
    assert bench.do(Cancel(A, 0)) == Answer.ALREADY_COMPLETED
    assert bench.do(Kill(A, 0)) == Answer.ALREADY_COMPLETED


def test_kill_takes_the_children_with_it_and_frees_the_lock() -> None:
    bench = Bench()
    bench.invoke(A, service="C", key="k", kind=OBJECT_EXCLUSIVE)
    child = Invoke(B, "Greeter", "greet", "", 0, b"", (), 1, 1000, 1000,
                   caller=Caller(A, bench.live(A).incarnation, 2))  # fmt: skip
    bench.flush(A, Call(child, 0, 0, 1, 2))
    assert bench.live(B) is not None
    assert bench.do(Kill(A, bench.now_ms)) == Answer.DONE
    assert [a.abort for a in bench.took(StopAttempt)] == [True]
    (chore,) = bench.took(DoChore)
    bench.do(ChoreStep(bench.epoch, bench.now_ms, chore.key))
    assert bench.done(B).outcome == Failure(409, "killed")
    assert not any(key.startswith((b"o", b"k")) for key, _ in bench.rows())


def test_pause_of_a_running_one_waits_for_its_attempt_to_end() -> None:
    bench = Bench()
    bench.invoke(A)
    assert bench.do(Pause(A, 0)) == Answer.ACCEPTED
    assert [a.abort for a in bench.took(StopAttempt)] == [False]
    bench.flush(A, end=Suspended(Future((1,)), 1))
    assert bench.live(A).status == PAUSED
    assert bench.do(Pause(A, 0)) == Answer.ALREADY_PAUSED
    assert bench.do(Resume(A, 0, "dp_2", 7)) == Answer.ACCEPTED
    row = bench.live(A)
    assert row.status == INVOKED and row.deployment == "dp_2" and bench.took(StartAttempt)


def test_a_resume_takes_back_a_pause_that_is_still_asked_for() -> None:
    bench = Bench()
    bench.invoke(A)
    bench.do(Pause(A, 0))
    assert bench.do(Resume(A, 0)) == Answer.ACCEPTED
    bench.flush(A, end=Suspended(Future((), (), (NEVER,)), 1))
    assert bench.live(A).status == SUSPENDED


def test_a_paused_one_stores_notifications_and_wakes_for_cancel_only() -> None:
    bench = Bench()
    suspended(bench, Future((), (17,)))
    assert bench.do(Pause(A, 0)) == Answer.DONE
    bench.do(Signal(A, 17, "", b"v", 0))
    assert bench.live(A).status == PAUSED and bench.live(A).entries == 2
    bench.do(Cancel(A, 0))
    assert bench.live(A).status == INVOKED


def test_resume_retries_a_backing_off_one_now_but_not_elsewhere() -> None:
    bench = Bench()
    bench.invoke(A)
    bench.flush(A, end=Failed(Attempted(500, "x"), THEN_RETRY, 3, bench.now_ms + 9999))
    assert bench.do(Resume(A, 0, "dp_2", 6)) == Answer.CANNOT_CHANGE_DEPLOYMENT
    assert bench.do(Resume(A, 0)) == Answer.ACCEPTED
    assert bench.live(A).retry_count == 0 and bench.took(StartAttempt)


def test_an_awakeable_completes_once_and_named_signals_again() -> None:
    bench = Bench()
    bench.invoke(A)
    for _ in range(2):
        bench.do(Signal(A, 17, "", b"v", 0))
    assert bench.live(A).entries == 2
    for _ in range(2):
        bench.do(Signal(A, 0, "go", None, 0))
    assert bench.live(A).entries == 4
    assert len(bench.took(Notify)) == 1


ALL, ANY_SUCCESS, ALL_SUCCESS = 2, 3, 4


@pytest.mark.parametrize(
    ("future", "resolved"),
    [
        (Future((1,)), True),
        (Future((3,)), False),
        (Future((1, 3), combinator=ALL), False),
        (Future((1, 2), combinator=ALL), True),
        (Future((2, 3), combinator=ANY_SUCCESS), False),
        (Future((2,), combinator=ANY_SUCCESS), True),
        (Future((1, 3), combinator=ANY_SUCCESS), True),
        (Future((1, 3), combinator=ALL_SUCCESS), False),
        (Future((2, 3), combinator=ALL_SUCCESS), True),
        (Future((), (1,), (), (Future((3,), combinator=ALL),), 1), False),
        (Future((), (1,), (), (Future((1,), combinator=ALL),), 1), True),
        (Future((3,), (), (), (Future((1,)),), ALL_SUCCESS), True),
    ],
)
def test_futures(future: Future, resolved: bool) -> None:
    bench = Bench()
    bench.invoke(A)
    row = bench.live(A)
    row.completions = {1: SUCCESS, 2: FAILURE}
    assert is_resolved(Bench().state, row, future) is resolved


def flood(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apply_signal, "SIGNALS_MAX", 50)
    suspended(bench, Future((), (), (NEVER,)))
    for number in range(50):
        assert bench.do(Signal(A, 20 + number, "", b"v", 0)) is Answer.ACCEPTED


def test_signals_that_nobody_hears_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench()
    flood(bench, monkeypatch)
    entries = bench.live(A).entries
    assert bench.do(Signal(A, 99, "", b"v", 0)) is Answer.TOO_MANY_SIGNALS
    assert bench.do(Signal(A, 0, "go", b"v", 0)) is Answer.TOO_MANY_SIGNALS
    assert bench.live(A).entries == entries
    assert bench.do(Cancel(A, 0)) is Answer.ACCEPTED
    for _ in range(apply_signal.CANCELS_SPARE):
        answer = bench.do(Cancel(A, 0))
    assert answer is Answer.TOO_MANY_SIGNALS and bench.live(A).entries == entries + 100
    bench.do(Resume(A, 0))
    bench.flush(A, end=Suspended(Future((), (), (NEVER,)), bench.live(A).entries))
    assert bench.do(Signal(A, 99, "", b"v", 0)) is Answer.ACCEPTED


@pytest.mark.parametrize(("short", "last"), [(1, Answer.ACCEPTED), (0, Answer.TOO_MANY_SIGNALS)])
def test_named_signals_are_taken_up_to_exactly_their_bytes(
    monkeypatch: pytest.MonkeyPatch, short: int, last: Answer
) -> None:
    """One that comes a byte before the limit is taken whole, however large; at it none is."""
    name, value = "n" * KEY_BYTES_MAX, b"v" * 5_000
    frame_bytes = len(signal_frame(0, name, value))
    monkeypatch.setattr(apply_signal, "SIGNALS_BYTES_MAX", 3 * frame_bytes + short)
    bench = Bench()
    suspended(bench, Future((), (1,), (NEVER,)))
    taken = [bench.do(Signal(A, 0, name, value, 0)) for _ in range(3)]
    assert taken == [Answer.ACCEPTED] * 3
    assert bench.do(Signal(A, 0, name, b"w" * 100_000, 0)) is last
    assert bench.do(Signal(A, 0, "x", None, 0)) is Answer.TOO_MANY_SIGNALS
    bench.invoke(B)
    bench.flush(B, SendSignal(A, 0, "x", -1, -1))
    done = bench.done(A)
    assert done is not None and isinstance(done.outcome, Failure)
    assert done.outcome.code == 429 and "256 MiB" in done.outcome.message
    assert bench.live(B) is not None, "who sent it is told nothing"


def test_named_signals_are_taken_up_to_exactly_their_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of one name too, and of names that fill pages."""
    monkeypatch.setattr(apply_signal, "SIGNALS_MAX", 300)
    bench = Bench()
    suspended(bench, Future((), (1,), (NEVER,)))
    names = [f"n{number}" for number in range(299)]
    answers = [bench.do(Signal(A, 0, name, b"v", 0)) for name in (*names, names[0], names[0])]
    assert answers == [Answer.ACCEPTED] * 300 + [Answer.TOO_MANY_SIGNALS]
    assert bench.do(Cancel(A, 0)) is Answer.ACCEPTED, "there is room for those"


def test_signals_are_limited_by_their_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apply_signal, "SIGNALS_BYTES_MAX", 1_000)
    bench = Bench()
    suspended(bench, Future((), (), (NEVER,)))
    answers = [bench.do(Signal(A, 20 + n, "", b"v" * 400, 0)) for n in range(4)]
    assert answers == [Answer.ACCEPTED] * 3 + [Answer.TOO_MANY_SIGNALS]


def test_who_is_flooded_by_handlers_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench()
    flood(bench, monkeypatch)
    bench.invoke(B)
    bench.flush(B, SendSignal(A, 99, "", -1, -1))
    done = bench.done(A)
    assert done is not None and isinstance(done.outcome, Failure)
    assert done.outcome.code == 429 and "signals" in done.outcome.message
    assert bench.live(B) is not None
