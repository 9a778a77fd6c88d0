"""Fifteen lives, each told to one or two partitions record by record."""

from collections.abc import Callable

from orchestrator.model.effects import (
    AnyEffect,
    Attach,
    Call,
    ClearState,
    CompletePromise,
    GetOutput,
    GetPromise,
    GetState,
    RunResult,
    SetState,
    Sleep,
)
from orchestrator.model.ids import placed_key
from orchestrator.model.invoke import Invoke, Prefix
from orchestrator.model.records import (
    AnnounceLeader,
    Cancel,
    ChoreStep,
    Failed,
    Kill,
    OutboxAdvanced,
    PatchState,
    Pause,
    Purge,
    PurgeExpired,
    PurgeJournal,
    Resume,
    Signal,
    Suspended,
    TimersFired,
)
from orchestrator.model.values import (
    BY_RESTART,
    OBJECT_EXCLUSIVE,
    SERVICE,
    SUCCESS,
    THEN_PAUSE,
    THEN_RETRY,
    WORKFLOW_RUN,
    WORKFLOW_SHARED,
    Attempted,
    Caller,
    Future,
)
from perdure import wire
from perdure.wire import codes
from perdure.wire.frames import frame
from tests.golden.trace import Trace
from tests.unit.machine.bench import Bench, uid

A, B, C = uid(1), uid(2), uid(3)
HERE, THERE = placed_key(0, 2, 1) + bytes(16), placed_key(1, 2, 1) + bytes(16)
NAMES = {A: "A", B: "B", C: "C", HERE: "HERE", THERE: "THERE"}
ASKED = frame(codes.RUN, b"")
WHY = Attempted(500, "boom", at_ms=1_000_000)

Life = Callable[[Trace, Bench], None]
LIVES: dict[str, tuple[Life, int]] = {}


def call_of(target: bytes, caller: Caller | None, result: int, completion_id: int = 0) -> Call:
    """A call without a body, or with no caller a send."""
    invoke = Invoke(target, "Callee", "run", "", SERVICE, b"", (), 1_000_000, 0, 0, caller=caller)
    return Call(invoke, 0, 0, completion_id or result + 1, result)


def waits(*completions: int, seen: int = 2) -> Suspended:
    return Suspended(Future(completions, (1,)), seen)


def chores(bench: Bench) -> None:
    for key in [key for key, _ in bench.state.chores.scan()]:
        bench.do(ChoreStep(bench.epoch, bench.now_ms, key))


def timers(bench: Bench) -> None:
    bench.now_ms += 1_000
    keys = tuple(key for key, _ in bench.state.timers.scan())
    bench.do(TimersFired(bench.epoch, bench.now_ms, keys))


def service_call(trace: Trace, bench: Bench) -> None:
    bench.invoke(A)
    run = wire.completion_value(codes.RUN_COMPLETION, 1, b"r")
    result = RunResult(1, False, len(ASKED), len(ASKED) + len(run))
    bench.flush(A, result, frames=ASKED + run)
    bench.finish(A)


def idempotent_call(trace: Trace, bench: Bench) -> None:
    bench.invoke(A, idempotency_key="once", retention_ms=1_000)
    trace.note("asked again while it runs, when it is over, and when it has expired")
    bench.invoke(A, idempotency_key="once", retention_ms=1_000)
    bench.finish(A)
    bench.invoke(A, idempotency_key="once", retention_ms=1_000)
    bench.now_ms += 2_000
    bench.invoke(A, idempotency_key="once", retention_ms=1_000)


def workflow_with_promise(trace: Trace, bench: Bench) -> None:
    bench.invoke(A, service="Flow", handler="run", key="k", kind=WORKFLOW_RUN)
    bench.flush(A, GetPromise("paid", 1), end=waits(1))
    bench.invoke(B, service="Flow", handler="pay", key="k", kind=WORKFLOW_SHARED)
    bench.flush(B, CompletePromise("paid", 1, 0, 2), frames=frame(codes.COMPLETE_PROMISE, b"ok"))
    bench.finish(A)
    trace.note("its promises go with the run")
    bench.do(Purge(A, bench.now_ms))
    chores(bench)


def object_queue(trace: Trace, bench: Bench) -> None:
    for identity in (A, B, C):
        bench.invoke(identity, service="Cart", handler="add", key="k", kind=OBJECT_EXCLUSIVE)
    bench.flush(A, GetState(b"items", 1), SetState(b"items", 8, 9), frames=frame(0x0403, b"1"))
    trace.note("the second leaves the queue: the third is next")
    bench.do(Cancel(B, bench.now_ms))
    bench.finish(A)
    bench.flush(C, ClearState(b"items"))
    bench.finish(C)


def sleep(trace: Trace, bench: Bench) -> None:
    bench.invoke(A)
    bench.flush(A, Sleep(bench.now_ms + 500, 1), end=waits(1))
    timers(bench)
    bench.finish(A)


def call_to_another_partition(trace: Trace, bench: Bench) -> None:
    here, there = trace.benches
    here.invoke(HERE)
    live = here.live(HERE)
    assert live is not None
    caller = Caller(HERE, live.incarnation, 1)
    here.flush(HERE, call_of(THERE, caller, 1), end=waits(1, seen=3))
    trace.transfer(0, 1)
    here.do(OutboxAdvanced(here.epoch, ((1, 1),)))
    there.finish(THERE, b"answer")
    trace.transfer(1, 0)
    here.finish(HERE)


def retry_pause_resume(trace: Trace, bench: Bench) -> None:
    bench.invoke(A)
    bench.flush(A, end=Failed(WHY, THEN_RETRY, 1, bench.now_ms + 50))
    bench.flush(A, end=Failed(WHY, THEN_PAUSE, 2))
    bench.do(Resume(A, bench.now_ms, "dp_2", 6))
    trace.note("an operator pauses it: its attempt is asked to come to an end")
    bench.do(Pause(A, bench.now_ms))
    bench.flush(A, end=waits(seen=1))
    bench.do(Resume(A, bench.now_ms))
    bench.finish(A)


def cancel(trace: Trace, bench: Bench) -> None:
    bench.invoke(A)
    bench.flush(A, Sleep(bench.now_ms + 500, 1), end=waits(1))
    bench.do(Cancel(A, bench.now_ms))
    bench.finish(A)


def kill_with_children(trace: Trace, bench: Bench) -> None:
    bench.invoke(A)
    live = bench.live(A)
    assert live is not None
    bench.flush(
        A, call_of(B, Caller(A, live.incarnation, 1), 1), call_of(C, None, 0), end=waits(1, seen=4)
    )
    bench.do(Kill(A, bench.now_ms))
    chores(bench)


def restart_as_new(trace: Trace, bench: Bench) -> None:
    kept = Prefix(ASKED, 2, 2, ((1, SUCCESS),), (), (), "dp_1", 6)
    again = Invoke(
        B, "Greeter", "greet", "", SERVICE, b"in", (), bench.now_ms, 9, 9,
        by=BY_RESTART, restarted_from=A, prefix=kept,
    )  # fmt: skip
    bench.do(again)
    bench.finish(B)


def state_patch(trace: Trace, bench: Bench) -> None:
    def patch(value: bytes, version: str | None = None) -> None:
        bench.do(PatchState("Cart", "k", False, version, ((b"items", value),), bench.now_ms))

    patch(b"1")
    trace.note("behind the one that runs, then only for the version it was made for")
    bench.invoke(A, service="Cart", handler="add", key="k", kind=OBJECT_EXCLUSIVE)
    patch(b"2")
    bench.finish(A)
    patch(b"3", version="of another state")
    trace.note("more than an object's row holds")
    patch(b"v" * 9_000)
    patch(b"4")
    chores(bench)


def attach(trace: Trace, bench: Bench) -> None:
    bench.invoke(A)
    bench.invoke(B)
    effects: tuple[AnyEffect, ...] = (Attach(A, 1), GetOutput(A, 2))
    bench.flush(B, *effects, end=waits(1, seen=3))
    bench.finish(A)
    bench.flush(B, GetOutput(A, 3), Attach(C, 4))


def purge(trace: Trace, bench: Bench) -> None:
    for identity in (A, B):
        bench.invoke(identity, retention_ms=700_000)
        bench.flush(identity, Sleep(1, 1))
        bench.finish(identity)
    bench.do(PurgeJournal(A, bench.now_ms))
    bench.do(Purge(A, bench.now_ms))
    trace.note("what is kept goes when its time is over")
    bench.now_ms += 800_000
    keys = tuple(key for key, _ in bench.state.retention.scan())
    bench.do(PurgeExpired(bench.epoch, bench.now_ms, keys))


def delayed_send(trace: Trace, bench: Bench) -> None:
    later = bench.now_ms + 500
    for identity in (A, B):
        bench.invoke(identity, service="Cart", key="k", kind=OBJECT_EXCLUSIVE, start_at_ms=later)
    bench.do(Pause(A, bench.now_ms))
    timers(bench)
    bench.finish(A)


def change_of_leader(trace: Trace, bench: Bench) -> None:
    bench.invoke(A)
    bench.flush(A, Sleep(bench.now_ms + 500, 1), end=waits(1))
    bench.invoke(B)
    bench.flush(B, end=Failed(WHY, THEN_RETRY, 1, bench.now_ms + 50))
    bench.invoke(C)
    old = bench.epoch
    bench.do(AnnounceLeader("other", 2, old))
    trace.note("announced late, and a flush of the leader before: both are dropped")
    bench.do(AnnounceLeader("late", 3, old))
    bench.flush(C, Sleep(1, 1), epoch=old)
    trace.note("what the new leader owes; timers are loaded by their queue")
    trace.recovered()
    bench.flush(C, Sleep(1, 1), attempt=2)
    bench.finish(C)


def signals(trace: Trace, bench: Bench) -> None:
    bench.invoke(A)
    bench.flush(A, end=Suspended(Future((), (17,), ("go",), combinator=2), 1))
    bench.do(Signal(A, 17, "", b"first", bench.now_ms))
    trace.note("an awakeable completes once; a named signal may come again")
    bench.do(Signal(A, 17, "", b"second", bench.now_ms))
    for _ in range(2):
        bench.do(Signal(A, 0, "go", None, bench.now_ms))


for life in (
    service_call,
    idempotent_call,
    workflow_with_promise,
    object_queue,
    sleep,
    retry_pause_resume,
    cancel,
    kill_with_children,
    restart_as_new,
    state_patch,
    attach,
    purge,
    delayed_send,
    change_of_leader,
    signals,
):
    LIVES[life.__name__] = (life, 1)
LIVES["call_to_another_partition"] = (call_to_another_partition, 2)
