"""Effects of journal commands: state, promises, calls across partitions, attach."""

from orchestrator.model import actions
from orchestrator.model.actions import Complete, Notify, SendOutbox, StartAttempt
from orchestrator.model.answers import Answer
from orchestrator.model.effects import (
    Attach,
    Call,
    ClearAllState,
    ClearState,
    CompletePromise,
    GetOutput,
    GetPromise,
    GetState,
    GetStateKeys,
    PeekPromise,
    RequestAck,
    RunResult,
    SendSignal,
    SetState,
)
from orchestrator.model.ids import placed_key
from orchestrator.model.invoke import Invoke
from orchestrator.model.records import ChoreStep, OutboxAdvanced, PatchState, Transfer
from orchestrator.model.values import OBJECT_EXCLUSIVE, WORKFLOW_RUN, WORKFLOW_SHARED, Caller
from perdure.wire import codes
from perdure.wire.notifications import decode_notification
from tests.unit.machine.bench import Bench, uid

A, B = uid(1), uid(2)
FRAME = b"\x04\x11\x00\x00\x00\x00\x00\x03abc"


def object_bench() -> Bench:
    bench = Bench()
    bench.invoke(A, service="C", key="k", kind=OBJECT_EXCLUSIVE)
    return bench


def last(bench: Bench, invocation_id: bytes = A):  # type: ignore[no-untyped-def]
    code, payload = list(bench.notifications(invocation_id))[-1]
    return decode_notification(code, payload)


def test_state_is_written_read_and_cleared() -> None:
    bench = object_bench()
    bench.flush(A, SetState(b"x", 8, 11), GetState(b"x", 1), frames=FRAME)
    assert last(bench).value == b"abc"
    bench.flush(A, ClearState(b"x"), GetState(b"x", 2), frames=FRAME)
    assert last(bench).void
    bench.flush(A, SetState(b"b", 8, 9), SetState(b"a", 8, 9), GetStateKeys(3), frames=FRAME)
    assert last(bench).state_keys == (b"a", b"b")
    bench.flush(A, ClearAllState(), GetStateKeys(4), frames=FRAME)
    assert last(bench).state_keys == ()


def test_large_state_moves_to_rows_and_is_cleared_at_once() -> None:
    bench = object_bench()
    big = b"\x04\x11\x00\x00\x00\x00\x17\x70" + b"v" * 6000
    for key in (b"1", b"2", b"3"):
        bench.flush(A, SetState(key, 8, 6008), frames=big)
    assert sum(key.startswith(b"s") for key, _ in bench.rows()) == 3
    bench.flush(A, GetState(b"2", 1), frames=FRAME)
    assert last(bench).value == b"v" * 6000
    bench.flush(A, ClearAllState(), SetState(b"2", 8, 11), GetStateKeys(2), frames=FRAME)
    assert last(bench).state_keys == (b"2",)
    for key in [k for k, _ in bench.state.chores.scan()]:
        bench.do(ChoreStep(bench.epoch, bench.now_ms, key))
    assert not any(key.startswith(b"s") for key, _ in bench.rows())


def test_a_patch_waits_for_the_lock_and_for_its_version() -> None:
    bench = object_bench()
    bench.flush(A, SetState(b"name", 8, 11), frames=FRAME)
    stale = "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"
    bench.do(PatchState("C", "k", False, stale, ((b"no", b"no"),), 0))
    bench.do(PatchState("C", "k", False, None, ((b"yes", b"1"),), 0))
    bench.finish(A)
    (_, owner), *_ = bench.state.objects.scan()
    assert owner.state == {b"yes": b"1"} and not owner.lock


def test_a_promise_is_completed_once_and_wakes_all() -> None:
    bench = Bench()
    bench.invoke(A, service="W", key="k", kind=WORKFLOW_RUN)
    bench.invoke(B, service="W", handler="click", key="k", kind=WORKFLOW_SHARED)
    bench.flush(A, GetPromise("p", 1), frames=FRAME)
    assert list(bench.notifications(A)) == []
    bench.flush(B, PeekPromise("p", 1), frames=FRAME)
    assert last(bench, B).void
    bench.flush(B, CompletePromise("p", 2, 8, 11), frames=FRAME)
    assert last(bench, A).value == b"abc" and last(bench, B).void
    bench.flush(B, CompletePromise("p", 3, 8, 11), frames=FRAME)
    assert last(bench, B).failure.code == 409


def test_a_run_result_is_told_by_the_machine() -> None:
    bench = Bench()
    bench.invoke(A)
    bench.flush(A, RunResult(1, False, 0, 11), frames=FRAME)
    (notify,) = bench.took(Notify)
    assert notify.frame == FRAME and notify.completion_id == 1 and notify.index == 1


def test_a_command_is_acknowledged_by_the_machine() -> None:
    bench = object_bench()
    bench.flush(A, RequestAck(1), GetState(b"k", 1), frames=FRAME)
    acknowledged, told = bench.actions
    assert acknowledged == actions.AckCommand(A, bench.live(A).incarnation, 1)
    assert isinstance(told, Notify)
    bench.flush(A, RequestAck(2), frames=FRAME, epoch=bench.epoch - 1)  # not stored, not told
    assert bench.actions == []


def child_of(bench: Bench, target: bytes, result_id: int = 2) -> Call:
    caller = Caller(A, bench.live(A).incarnation, result_id) if result_id else None
    invoke = Invoke(target, "G", "g", "", 0, b"", (), 1, 9_000, 9_000, caller=caller)
    return Call(invoke, 8, 11, 1, result_id)


def test_a_local_call_starts_its_target_and_brings_the_result_back() -> None:
    bench = Bench()
    bench.invoke(A)
    bench.flush(A, child_of(bench, B), frames=FRAME)
    assert [a.id for a in bench.took(StartAttempt)] == [B]
    assert bench.live(B).invoke.body == b"abc"
    assert last(bench).invocation_id.startswith("inv_1")
    bench.finish(B, b"res")
    assert last(bench).value == b"res" and list(bench.notifications(A))[-1][0] == 0x800D


def test_a_remote_call_goes_through_the_outbox_exactly_once() -> None:
    here, there = Bench(0, 2), Bench(1, 2)
    target = placed_key(1, 2, 5) + bytes(16)
    here.invoke(A)
    here.flush(A, child_of(here, target), frames=FRAME)
    assert [a.lane for a in here.took(SendOutbox)] == [1]
    items = tuple(row.item for _, row in here.state.outbox.scan())
    there.do(Transfer(0, 1, 1, items))
    assert there.took(StartAttempt)
    there.do(Transfer(0, 1, 1, items))
    assert there.actions == []
    assert there.do(Transfer(0, 1, 3, items)) == Answer.DROPPED
    here.do(OutboxAdvanced(here.epoch, ((1, 1),)))
    assert not any(key.startswith(b"x") for key, _ in here.rows())
    there.finish(target, b"far")
    back = tuple(row.item for _, row in there.state.outbox.scan())
    here.do(Transfer(1, 0, 1, back))
    assert last(here).value == b"far"


def test_a_duplicate_call_attaches() -> None:
    bench = Bench()
    bench.invoke(A)
    bench.invoke(B, idempotency_key="i")
    bench.flush(A, child_of(bench, B), frames=FRAME)
    bench.finish(B, b"shared")
    assert last(bench).value == b"shared"


def test_attach_and_output() -> None:
    bench = Bench()
    bench.invoke(A)
    bench.flush(A, Attach(B, 1), frames=FRAME)
    assert last(bench).failure.code == 404
    bench.invoke(B)
    bench.flush(A, GetOutput(B, 2), frames=FRAME)
    assert last(bench).void
    bench.flush(A, Attach(B, 3), frames=FRAME)
    bench.finish(B, b"r")
    assert bench.took(Complete) and last(bench).value == b"r"
    bench.flush(A, GetOutput(B, 4), frames=FRAME)
    assert last(bench).value == b"r"


def test_a_signal_between_invocations() -> None:
    bench = Bench()
    bench.invoke(A)
    bench.invoke(B)
    bench.flush(A, SendSignal(B, 17, "", 8, 11), frames=FRAME)
    assert last(bench, B).value == b"abc"
    assert [code for code, _ in bench.notifications(B)] == [codes.SIGNAL_NOTIFICATION]
