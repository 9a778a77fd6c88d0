"""What could be lost, doubled or told in another order when two things happen at once."""

import pytest

from orchestrator.machine import kv
from orchestrator.machine.apply import apply
from orchestrator.model.actions import Notify, StartAttempt
from orchestrator.model.answers import Answer
from orchestrator.model.effects import (
    Call,
    ClearAllState,
    ClearState,
    CompletePromise,
    GetPromise,
    GetState,
    RunResult,
    SetState,
    Sleep,
)
from orchestrator.model.ids import placed_key
from orchestrator.model.invoke import Invoke
from orchestrator.model.limits import POSITION_INDEX_BITS
from orchestrator.model.records import (
    AnyRecord,
    Cancel,
    ChoreStep,
    Completion,
    Ended,
    Failed,
    Journal,
    Kill,
    PatchState,
    Pause,
    Purge,
    PurgeExpired,
    PurgeJournal,
    RaiseLevel,
    Resume,
    Suspended,
    TimersFired,
    Transfer,
)
from orchestrator.model.values import (
    INVOKED,
    OBJECT_EXCLUSIVE,
    PAUSED,
    THEN_PAUSE,
    THEN_RETRY,
    WORKFLOW_RUN,
    WORKFLOW_SHARED,
    Attempted,
    Caller,
    Failure,
    Future,
)
from perdure import wire
from perdure.wire import codes
from perdure.wire.frames import frame, split
from perdure.wire.notifications import decode_notification
from tests.unit.machine.bench import PIN, Bench, uid

A, B, C = uid(1), uid(2), uid(3)
BIG = b"v" * 9_000  # more than an object's row holds
BIG_FRAME = frame(codes.SET_STATE, BIG)
SET_BIG = SetState(b"big", 8, 8 + len(BIG))


def chores_done(bench: Bench) -> None:
    while chores := [key for key, _ in bench.state.chores.scan()]:
        bench.do(ChoreStep(bench.epoch, bench.now_ms, chores[0]))


def last(bench: Bench, invocation_id: bytes = A):  # type: ignore[no-untyped-def]
    code, payload = list(bench.notifications(invocation_id))[-1]
    return decode_notification(code, payload)


# --- order ---


def test_a_service_is_told_in_the_order_it_replays_later() -> None:
    """A race of a run, a lazy read and a sleep must have one winner, live and replayed."""
    bench = Bench()
    bench.invoke(A, service="C", key="k", kind=OBJECT_EXCLUSIVE)
    asks = frame(codes.SLEEP, b"") + frame(codes.GET_LAZY_STATE, b"x")
    runs = [wire.completion_value(codes.RUN_COMPLETION, n, b"v") for n in (3, 4)]
    at, effects = len(asks), []
    for number, run in enumerate(runs, 3):
        effects.append(RunResult(number, False, at, at + len(run)))
        at += len(run)
    bench.flush(A, Sleep(1, 1), GetState(b"x", 2), *effects, frames=asks + b"".join(runs))
    row = bench.live(A)
    stored = [
        chunk.frames[start:end]
        for chunk in row.tail
        for code, _, start, end in split(chunk.frames)
        if code >= 0x8000
    ]
    assert [action.frame for action in bench.took(Notify)] == stored
    assert len(stored) == 4 and row.completions == {1: 1, 2: 1, 3: 1, 4: 1}


# --- cancel against pause ---


def test_a_cancel_takes_back_a_pause_that_is_still_asked_for() -> None:
    bench = Bench()
    bench.invoke(A)
    bench.do(Pause(A, 0))
    bench.do(Cancel(A, 0))
    # The stream was half-closed for the pause: it never heard of the cancel.
    bench.flush(A, end=Suspended(Future((5,), (1,)), 1))
    assert bench.live(A).status == INVOKED and bench.took(StartAttempt)


def test_a_cancel_during_the_last_attempt_is_seen_by_another_one() -> None:
    bench = Bench()
    bench.invoke(A)
    bench.do(Cancel(A, 0))
    bench.flush(A, end=Failed(Attempted(500, "x"), THEN_PAUSE, 2))
    row = bench.live(A)
    assert row.status == INVOKED and row.retry_count == 0 and bench.took(StartAttempt)
    # It has been seen now: used up once more, it pauses.
    bench.flush(A, end=Failed(Attempted(500, "x"), THEN_PAUSE, 1))
    assert bench.live(A).status == PAUSED


def test_a_pause_after_a_cancel_counts() -> None:
    bench = Bench()
    bench.invoke(A)
    bench.do(Cancel(A, 0))
    bench.do(Pause(A, 0))
    bench.flush(A, end=Failed(Attempted(500, "x"), THEN_RETRY, 1, bench.now_ms + 9))
    assert bench.live(A).status == PAUSED


# --- state of a key that is dropped and made anew ---


def test_a_patch_right_after_the_key_was_emptied_is_not_dropped_with_it() -> None:
    """In one message, so that positions follow each other without a gap."""
    bench = Bench()
    bench.invoke(A, service="C", key="k", kind=OBJECT_EXCLUSIVE)
    row = bench.live(A)
    effects = (SET_BIG, ClearAllState(), SET_BIG, ClearAllState())
    ends = Journal(
        bench.epoch, A, row.incarnation, 1, 1, PIN, BIG_FRAME, 1, 1, effects, Ended()
    )  # fmt: skip
    patch = PatchState("C", "k", False, None, ((b"new", BIG),), 1)
    for index, record in enumerate((ends, patch)):
        apply(bench.state, record, (bench.offset << POSITION_INDEX_BITS) + index, [])
    bench.offset += 1
    chores_done(bench)
    ((_, owner),) = bench.state.objects.scan()
    assert list(kv.pairs(bench.state, owner)) == [(b"new", BIG)]


def test_what_one_record_wrote_and_cleared_leaves_no_rows() -> None:
    bench = Bench()
    bench.invoke(A, service="C", key="k", kind=OBJECT_EXCLUSIVE)
    bench.flush(A, SET_BIG, ClearAllState(), SET_BIG, frames=BIG_FRAME)
    bench.flush(A, ClearAllState(), SET_BIG, ClearAllState(), frames=BIG_FRAME)
    bench.finish(A)
    chores_done(bench)
    assert not any(key[:1] in (b"s", b"o", b"k") for key, _ in bench.rows())


# --- promises ---


def test_who_waits_for_a_promise_of_a_purged_workflow_is_told_so() -> None:
    bench = Bench()
    bench.invoke(A, service="W", key="k", kind=WORKFLOW_RUN)
    bench.invoke(B, service="W", key="k", kind=WORKFLOW_SHARED)
    bench.flush(B, GetPromise("p", 1), end=Suspended(Future((1,), (1,)), 2))
    bench.finish(A)
    bench.do(Purge(A, bench.now_ms))
    chores_done(bench)
    assert last(bench, B).failure.code == 410
    assert bench.live(B).status == INVOKED


def test_a_promise_that_was_killed_for_is_completed_without_harm() -> None:
    bench = Bench()
    for identity in (B, C):
        bench.invoke(identity, service="W", key="k", kind=WORKFLOW_SHARED)
    bench.flush(B, GetPromise("p", 1))
    bench.do(Kill(B, bench.now_ms))
    assert bench.flush(C, CompletePromise("p", 1, 0, 8)) == Answer.DONE
    assert bench.live(B) is None


# --- what has expired or was purged ---


def test_with_its_journal_goes_the_input() -> None:
    bench = Bench()
    bench.invoke(A, retention_ms=1_000)
    bench.finish(A, b"kept")
    assert bench.done(A).invoke.body == b"in"
    bench.do(PurgeJournal(A, bench.now_ms))
    done = bench.done(A)
    assert (done.outcome, done.invoke.body, done.invoke.headers) == (b"kept", b"", ())


def test_without_journal_retention_no_input_is_kept() -> None:
    bench = Bench()
    bench.invoke(A, retention_ms=0)
    bench.finish(A, b"kept")
    assert bench.done(A).invoke.body == b"" and bench.done(A).outcome == b"kept"


def test_a_result_finds_no_other_incarnation() -> None:
    bench = Bench()
    bench.invoke(A, idempotency_key="i", retention_ms=0)
    old = bench.live(A).incarnation
    bench.do(Kill(A, bench.now_ms))
    bench.now_ms += 1
    bench.invoke(A, idempotency_key="i", retention_ms=0)
    bench.do(Transfer(1, 0, 1, (Completion(Caller(A, old, 1), b"late", 1),)))
    assert not bench.live(A).completions


def test_a_timer_finds_no_other_incarnation() -> None:
    bench = Bench()
    bench.invoke(A, idempotency_key="i", retention_ms=0)
    bench.flush(A, Sleep(bench.now_ms + 50, 1))
    ((key, timer),) = bench.state.timers.scan()
    bench.do(Kill(A, bench.now_ms))
    bench.now_ms += 1
    bench.invoke(A, idempotency_key="i", retention_ms=0)
    bench.state.timers.put(key, timer)  # as if it had been left over
    bench.do(TimersFired(bench.epoch, bench.now_ms + 50, (key,)))
    assert not bench.live(A).completions


def test_a_call_to_a_key_that_was_purged_meanwhile_starts_it_anew() -> None:
    here, there = Bench(0, 2), Bench(1, 2)
    target = placed_key(1, 2, 7) + bytes(16)
    there.invoke(target, service="W", key="k", kind=WORKFLOW_RUN)
    there.finish(target)
    here.invoke(A)
    caller = Caller(A, here.live(A).incarnation, 2)
    invoke = Invoke(target, "W", "run", "k", WORKFLOW_RUN, b"", (), 1, 9, 9, caller=caller)
    here.flush(A, Call(invoke, 0, 0, 1, 2))
    there.do(Purge(target, there.now_ms))
    there.do(Transfer(0, 1, 1, tuple(row.item for _, row in here.state.outbox.scan())))
    assert there.live(target).invoke.caller == caller
    there.finish(target, b"second")
    here.do(Transfer(1, 0, 1, tuple(row.item for _, row in there.state.outbox.scan())))
    assert last(here).value == b"second"


def test_a_kill_goes_out_behind_the_calls_that_still_wait_in_the_outbox() -> None:
    here, there = Bench(0, 2), Bench(1, 2)
    target = placed_key(1, 2, 7) + bytes(16)
    here.invoke(A)
    invoke = Invoke(target, "G", "g", "", 0, b"", (), 1, 9_000, 9_000)
    here.flush(A, Call(invoke, 0, 0, 1, 0))
    here.do(Kill(A, here.now_ms))
    chores_done(here)
    items = tuple(row.item for _, row in here.state.outbox.scan())
    assert [type(item) for item in items] == [Invoke, Kill]
    there.do(Transfer(0, 1, 1, items))
    assert there.done(target).outcome == Failure(409, "killed")
    assert there.do(Transfer(0, 1, 1, items)) == Answer.DONE and there.live(target) is None


# --- records of another leader, levels ---


@pytest.mark.parametrize(
    "record",
    [
        PurgeExpired(99, 1, (b"k",)),
        TimersFired(99, 1, (b"k",)),
        ChoreStep(99, 1, b"k"),
        RaiseLevel(99, 1),
    ],
    ids=lambda record: type(record).__name__,
)
def test_proposals_of_another_epoch_change_nothing(record: AnyRecord) -> None:
    bench = Bench()
    bench.invoke(A)
    before = [row for row in bench.rows() if row[0] != b"m"]
    assert bench.do(record) == Answer.DROPPED
    assert [row for row in bench.rows() if row[0] != b"m"] == before and not bench.actions


def test_a_level_is_raised_and_one_that_is_not_known_stops_the_replica() -> None:
    bench = Bench()
    assert bench.do(RaiseLevel(bench.epoch, 1)) == Answer.DONE
    with pytest.raises(AssertionError, match="newer version"):
        bench.do(RaiseLevel(bench.epoch, 2))
    assert bench.state.partition_row.level == 1


def test_a_resume_keeps_the_version_a_journal_is_written_in() -> None:
    bench = Bench()
    bench.invoke(A)
    bench.flush(A, Sleep(bench.now_ms + 9, 1), end=Suspended(Future((1,)), 2))
    bench.do(Resume(A, 0, "dp_2", PIN.protocol + 1))
    row = bench.live(A)
    assert (row.deployment, row.protocol) == ("dp_2", PIN.protocol)


def test_a_key_whose_state_outgrew_its_row_and_was_emptied_leaves_no_row() -> None:
    bench = Bench()
    bench.invoke(A, service="C", key="k", kind=OBJECT_EXCLUSIVE)
    small = SetState(b"small", 8, 9)
    bench.flush(A, SET_BIG, small, small, frames=BIG_FRAME)
    bench.flush(A, ClearState(b"big"), ClearState(b"big"), ClearState(b"none"), frames=BIG_FRAME)
    ((_, owner),) = bench.state.objects.scan()
    assert list(kv.pairs(bench.state, owner)) == [(b"small", BIG[:1])]
    bench.flush(A, ClearState(b"small"), frames=BIG_FRAME)
    bench.finish(A)
    assert not any(key[:1] in (b"s", b"o", b"k") for key, _ in bench.rows())


def test_a_state_that_was_emptied_in_rows_begins_anew() -> None:
    """In one record too: what is written next has rows of the same generation."""
    bench = Bench()
    bench.invoke(A, service="C", key="k", kind=OBJECT_EXCLUSIVE)
    bench.flush(A, SET_BIG, ClearState(b"big"), SET_BIG, frames=BIG_FRAME)
    ((_, owner),) = bench.state.objects.scan()
    assert list(kv.pairs(bench.state, owner)) == [(b"big", BIG)] and owner.state_count == 1
