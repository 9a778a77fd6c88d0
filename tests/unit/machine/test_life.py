"""Invocations from Invoke to purge: ids, locks, delays, retries, retention."""

import pytest

from orchestrator.model.actions import ArmRetry, ArmTimer, Complete, StartAttempt
from orchestrator.model.answers import Answer
from orchestrator.model.effects import Sleep
from orchestrator.model.limits import LISTING_COARSE_MS
from orchestrator.model.records import (
    Failed,
    Purge,
    PurgeExpired,
    PurgeJournal,
    Suspended,
    TimersFired,
)
from orchestrator.model.values import (
    INBOXED,
    INVOKED,
    OBJECT_EXCLUSIVE,
    PAUSED,
    SCHEDULED,
    SUSPENDED,
    THEN_KILL,
    THEN_PAUSE,
    THEN_RETRY,
    WORKFLOW_RUN,
    Attempted,
    Failure,
    Future,
)
from tests.unit.machine.bench import DAY_MS, Bench, uid

A, B, C = uid(1), uid(2), uid(3)


def test_a_call_runs_and_its_result_is_kept() -> None:
    bench = Bench()
    assert bench.invoke(A) == Answer.DONE
    assert len(bench.took(StartAttempt)) == 1
    bench.finish(A, b"hello")
    (complete,) = bench.took(Complete)
    assert complete.outcome == b"hello"
    assert bench.live(A) is None
    done = bench.done(A)
    assert done is not None and done.outcome == b"hello" and done.entries == 2


def test_an_end_without_output_is_a_failure() -> None:
    from orchestrator.model.records import Ended

    bench = Bench()
    bench.invoke(A)
    bench.flush(A, end=Ended())
    done = bench.done(A)
    assert done is not None and isinstance(done.outcome, Failure) and done.outcome.code == 500


def test_the_same_id_starts_once() -> None:
    bench = Bench()
    bench.invoke(A)
    assert bench.invoke(A) == Answer.DUPLICATE
    bench.finish(A)
    assert bench.invoke(A) == Answer.DUPLICATE
    assert bench.actions == []


def test_an_expired_derived_id_is_free_and_a_request_id_is_not() -> None:
    bench = Bench()
    for identity, key in ((A, "idem"), (B, None)):
        bench.invoke(identity, idempotency_key=key, retention_ms=10)
        bench.finish(identity)
    bench.now_ms += 20
    assert bench.invoke(A, idempotency_key="idem", retention_ms=10) == Answer.DONE
    assert bench.invoke(B, retention_ms=10) == Answer.DUPLICATE


def test_old_retention_leaves_the_new_incarnation_alone() -> None:
    bench = Bench()
    bench.invoke(A, idempotency_key="k", retention_ms=10)
    bench.finish(A)
    ((old, _),) = bench.state.retention.scan()
    bench.now_ms += 20
    bench.invoke(A, idempotency_key="k", retention_ms=10)
    bench.finish(A, b"new")
    bench.do(PurgeExpired(bench.epoch, bench.now_ms, (old,)))
    done = bench.done(A)
    assert done is not None and done.outcome == b"new"


def test_exclusive_handlers_of_a_key_run_one_at_a_time_in_order() -> None:
    bench = Bench()
    for identity in (A, B, C):
        bench.invoke(identity, service="Counter", key="k", kind=OBJECT_EXCLUSIVE)
    assert [bench.live(i).status for i in (A, B, C)] == [INVOKED, INBOXED, INBOXED]
    bench.finish(A)
    assert [a.id for a in bench.took(StartAttempt)] == [B]
    bench.finish(B)
    assert [a.id for a in bench.took(StartAttempt)] == [C]
    bench.finish(C)
    assert not any(key.startswith((b"o", b"q")) for key, _ in bench.rows())


def test_a_delayed_invocation_waits_for_its_timer() -> None:
    bench = Bench()
    bench.invoke(A, start_at_ms=bench.now_ms + 50)
    assert bench.live(A).status == SCHEDULED
    (timer,) = bench.took(ArmTimer)
    bench.do(TimersFired(bench.epoch, bench.now_ms + 50, (timer.key,)))
    assert bench.took(StartAttempt) and bench.live(A).status == INVOKED
    bench.do(TimersFired(bench.epoch, bench.now_ms + 50, (timer.key,)))
    assert bench.actions == []


def test_a_sleep_suspends_and_its_timer_wakes() -> None:
    bench = Bench()
    bench.invoke(A)
    bench.flush(A, Sleep(bench.now_ms + 10, 1), end=Suspended(Future((1,)), 2))
    (timer,) = bench.took(ArmTimer)
    assert bench.live(A).status == SUSPENDED
    bench.do(TimersFired(bench.epoch, bench.now_ms + 10, (timer.key,)))
    assert bench.took(StartAttempt)
    assert not bench.live(A).sleeps and bench.live(A).entries == 3


def test_a_sleep_in_the_past_completes_at_once_and_suspension_sees_it() -> None:
    bench = Bench()
    bench.invoke(A)
    bench.flush(A, Sleep(bench.now_ms - 1, 1), end=Suspended(Future((1,)), 2))
    assert bench.live(A).status == INVOKED and bench.took(StartAttempt)


def test_completion_drops_pending_timers() -> None:
    bench = Bench()
    bench.invoke(A)
    bench.flush(A, Sleep(bench.now_ms + 10, 1))
    bench.finish(A)
    assert not any(key.startswith(b"t") for key, _ in bench.rows())


@pytest.mark.parametrize(("then", "status"), [(THEN_RETRY, INVOKED), (THEN_PAUSE, PAUSED)])
def test_a_failed_attempt_is_retried_or_paused(then: int, status: int) -> None:
    bench = Bench()
    bench.invoke(A)
    bench.flush(A, end=Failed(Attempted(500, "boom"), then, 1, bench.now_ms + 500))
    row = bench.live(A)
    assert row.status == status and row.attempt == 2 and row.retry_count == 1
    assert bool(bench.took(ArmRetry)) == (then == THEN_RETRY)
    assert bench.flush(A, end=None, attempt=1) == Answer.DROPPED


@pytest.mark.parametrize("reached", [True, False])
def test_a_service_is_told_of_failures_of_attempts_that_reached_it(reached: bool) -> None:
    bench = Bench()
    bench.invoke(A)
    why = Attempted(500, "x", restate_code="RT0010")
    bench.flush(A, end=Failed(why, THEN_RETRY, 1, bench.now_ms + 99, reached))
    row = bench.live(A)
    assert row is not None and (row.failures_since_entry, row.retry_count) == (reached, 1)


def test_a_killing_policy_completes_with_the_failure() -> None:
    bench = Bench()
    bench.invoke(A)
    bench.flush(A, end=Failed(Attempted(503, "no"), THEN_KILL, 3))
    assert bench.done(A).outcome == Failure(503, "no")


def test_proposals_of_another_epoch_or_incarnation_are_dropped() -> None:
    bench = Bench()
    bench.invoke(A)
    before = bench.rows()
    assert bench.flush(A, Sleep(1, 1), epoch=bench.epoch - 1) == Answer.DROPPED
    own = [row for row in bench.rows() if row[0] != b"m"]
    assert own == [row for row in before if row[0] != b"m"]


def test_purge_and_purge_journal() -> None:
    bench = Bench()
    bench.invoke(A)
    assert bench.do(Purge(A, bench.now_ms)) == Answer.NOT_COMPLETED
    bench.finish(A, b"kept")
    assert bench.do(PurgeJournal(A, bench.now_ms)) == Answer.DONE
    assert bench.done(A).outcome == b"kept" and bench.done(A).tail == []
    assert bench.do(Purge(A, bench.now_ms)) == Answer.DONE
    assert bench.done(A) is None
    assert bench.do(Purge(A, bench.now_ms)) == Answer.NOT_FOUND


def test_retention_purges_workflow_state_with_its_run() -> None:
    from orchestrator.model.effects import CompletePromise, SetState

    bench = Bench()
    bench.invoke(A, service="W", key="k", kind=WORKFLOW_RUN, retention_ms=DAY_MS)
    bench.flush(A, SetState(b"s", 0, 8), CompletePromise("p", 1, 0, 8))
    bench.finish(A)
    ((retention, _),) = bench.state.retention.scan()
    later_ms = bench.now_ms + DAY_MS + LISTING_COARSE_MS  # the bucket of its listing is over too
    bench.do(PurgeExpired(bench.epoch, later_ms, (retention,)))
    while chores := [k for k, _ in bench.state.chores.scan()]:
        from orchestrator.model.records import ChoreStep

        bench.do(ChoreStep(bench.epoch, bench.now_ms, chores[0]))
    assert {key[:1] for key, _ in bench.rows()} == {b"m"}


def test_a_long_journal_moves_to_chunk_rows_and_they_go_with_it() -> None:
    from orchestrator.model.records import ChoreStep

    bench = Bench()
    bench.invoke(A)
    for number in range(5):
        bench.flush(A, frames=b"\x04\x11\x00\x00\x00\x00\x27\x10" + bytes([number]) * 10_000)
    row = bench.live(A)
    assert row.chunk_count == 2 and row.entries == 6 and row.tail_bytes == 10_008
    bench.finish(A)
    assert bench.done(A).chunk_count == 2
    bench.do(Purge(A, bench.now_ms))
    for key in [k for k, _ in bench.state.chores.scan()]:
        bench.do(ChoreStep(bench.epoch, bench.now_ms, key))
    assert not any(key.startswith(b"j") for key, _ in bench.rows())


def test_a_row_has_no_room_for_what_it_does_not_keep() -> None:
    """A million may sleep: an empty dict of each kind would more than double their rows."""
    bench = Bench()
    bench.invoke(A)
    bench.flush(A, Sleep(bench.now_ms + 500, 1), end=Suspended(Future((1,)), 2))
    row = bench.live(A)
    assert row is not None and row.sleeps == {1: bench.now_ms + 500}
    kept = (row.completions, row.signals, row.names, row.children, row.awaits)
    assert kept == (None,) * 5 and (row.waiters, row.events) == ((), ())
