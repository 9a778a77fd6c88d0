"""Work is bounded in each record, and twice as much of it costs twice as much."""

from collections.abc import Callable
from itertools import pairwise

import pytest

from orchestrator.codec.keys import CHORE, prefix_end
from orchestrator.machine import apply, apply_chore, details, journal, kv, life, names, state_patch
from orchestrator.model.actions import SendOutbox, StartAttempt
from orchestrator.model.answers import Answer
from orchestrator.model.effects import (
    Attach,
    ClearAllState,
    CompletePromise,
    GetPromise,
    GetStateKeys,
    RunResult,
    SetState,
    Sleep,
)
from orchestrator.model.limits import CHORE_STEP_BYTES
from orchestrator.model.records import (
    AttachTo,
    Cancel,
    ChoreStep,
    Kill,
    PatchState,
    Purge,
    Resume,
    Signal,
    Suspended,
    Transfer,
)
from orchestrator.model.values import (
    INVOKED,
    OBJECT_EXCLUSIVE,
    SUSPENDED,
    WORKFLOW_RUN,
    WORKFLOW_SHARED,
    Caller,
    Future,
)
from perdure import wire
from perdure.wire import codes
from perdure.wire.frames import frame
from tests.golden.lives import call_of
from tests.unit.machine.bench import Bench, uid
from tests.unit.machine.costs import CostBench

RECORD_MAX = 250  # looks at rows in one record
A = uid(1)
BIG = frame(codes.SET_STATE, b"v" * 9_000)


def queued(bench: CostBench, identity: bytes) -> None:
    bench.invoke(identity, service="C", key="k", kind=OBJECT_EXCLUSIVE, retention_ms=0)


def cancelled_places(bench: CostBench, n: int) -> None:
    queued(bench, A)
    others = [uid(number) for number in range(2, n + 2)]
    for identity in others:
        queued(bench, identity)
    queued(bench, uid(n + 2))
    for identity in others:
        bench.do(Cancel(identity, bench.now_ms))
    bench.costs.clear()
    bench.finish(A)
    queued(bench, uid(n + 3))  # it does not jump the queue
    bench.do_chores()
    row = bench.live(uid(n + 2))
    assert row is not None and row.running_at_ms
    assert not bench.live(uid(n + 3)).running_at_ms


def queued_patches(bench: CostBench, n: int) -> None:
    queued(bench, A)
    for number in range(n):
        bench.do(PatchState("C", "k", False, None, ((b"n", b"%d" % number),), bench.now_ms))
    bench.costs.clear()
    bench.finish(A)
    bench.do_chores()
    ((_, owner),) = bench.state.objects.scan()
    assert owner.state == {b"n": b"%d" % (n - 1)} and not owner.lock


def cleared_state(bench: CostBench, n: int) -> None:
    queued(bench, A)
    bench.flush(A, SetState(b"big", 8, len(BIG)), frames=BIG)
    raw = frame(codes.SET_STATE, b"v")
    for number in range(n):
        bench.flush(A, SetState(b"%d" % number, 8, 9), frames=raw)
    bench.state.spill()
    bench.costs.clear()
    bench.flush(A, ClearAllState(), frames=raw)
    bench.do_chores()
    assert not list(bench.state.state_rows.scan())


def purged_promises(bench: CostBench, n: int) -> None:
    bench.invoke(A, service="W", key="k", kind=WORKFLOW_RUN)
    for number in range(n):
        bench.flush(A, CompletePromise(f"p{number}", number + 1, 0, 2))
    bench.finish(A)
    bench.state.spill()
    bench.costs.clear()
    bench.do(Purge(A, bench.now_ms))
    bench.do_chores()
    assert not list(bench.state.promises.scan())


def attached_callers(bench: CostBench, n: int) -> None:
    bench.invoke(A)
    callers = [uid(number) for number in range(2, n + 2)]
    for identity in callers:
        bench.invoke(identity, retention_ms=0)
        bench.flush(identity, Attach(A, 1), end=Suspended(Future((1,), (1,)), 2))
    bench.state.spill()
    bench.finish(A)
    bench.do_chores()
    assert all(bench.live(identity).completions for identity in callers)


def promise_waiters(bench: CostBench, n: int) -> None:
    bench.invoke(A, service="W", key="k", kind=WORKFLOW_RUN)
    callers = [uid(number) for number in range(2, n + 2)]
    for identity in callers:
        bench.invoke(identity, service="W", key="k", kind=WORKFLOW_SHARED, retention_ms=0)
        bench.flush(identity, GetPromise("p", 1), end=Suspended(Future((1,), (1,)), 2))
    bench.flush(A, CompletePromise("p", 1, 0, 2))
    bench.do_chores()
    assert all(bench.live(identity).completions for identity in callers)


def killed_children(bench: CostBench, n: int) -> None:
    bench.invoke(A)
    children = [uid(number) for number in range(2, n + 2)]
    for number, identity in enumerate(children):
        bench.flush(A, call_of(identity, None, 0, completion_id=number + 1))
    bench.do(Kill(A, bench.now_ms))
    bench.do_chores()
    assert all(bench.done(identity) for identity in children)
    assert not list(bench.state.details.scan())


def killed_with_sleeps(bench: CostBench, n: int) -> None:
    bench.invoke(A)
    for number in range(n):
        bench.flush(A, Sleep(bench.now_ms + 10_000 + number, number + 1))
    bench.do(Kill(A, bench.now_ms))
    bench.do_chores()
    assert not list(bench.state.timers.scan()) and not list(bench.state.details.scan())


def killed_while_it_attaches(bench: CostBench, n: int) -> None:
    bench.invoke(A)
    others = [uid(number) for number in range(2, n + 2)]
    for number, identity in enumerate(others):
        bench.invoke(identity)
        bench.flush(A, Attach(identity, number + 1))
    bench.do(Kill(A, bench.now_ms))
    bench.do_chores()
    assert not any(bench.live(identity).waiters for identity in others)


def many_names(bench: CostBench, n: int) -> None:
    """Signals by name, to an invocation that is suspended, and again with the same names."""
    bench.invoke(A, retention_ms=0)
    bench.flush(A, end=Suspended(Future((), (1, 17))))
    for number in range(n):
        bench.do(Signal(A, 0, f"name {number}", b"v", bench.now_ms))
    row = bench.live(A)
    assert row is not None and row.status == SUSPENDED and not row.names
    assert names.look_up_name(bench.state, row, f"name {n - 1}") == (row.entries - 1) << 2 | 1
    assert names.look_up_name(bench.state, row, "none") is None
    bench.do(Resume(A, bench.now_ms))
    waits = Future((), (), (f"name {n // 2}", "never"), combinator=4)
    bench.flush(A, end=Suspended(waits))
    assert row.status == SUSPENDED
    bench.do(Signal(A, 0, "never", b"v", bench.now_ms))
    assert row.status == INVOKED
    bench.finish(A)
    bench.do_chores()
    assert not list(bench.state.details.scan())


def a_long_journal(bench: CostBench, n: int) -> None:
    """Steps, of which each is a run that is durable before the next begins."""
    bench.invoke(A, retention_ms=0)
    for number in range(1, n + 1):
        frame_of = wire.completion_value(codes.RUN_COMPLETION, number, b"v")
        bench.flush(A, RunResult(number, False, 0, len(frame_of)), frames=frame_of)
    bench.finish(A)
    bench.do_chores()
    assert not list(bench.state.details.scan()) and not list(bench.state.chunks.scan())


def listed_keys(bench: CostBench, n: int) -> None:
    """Keys are listed without their values; a version is compared within a limit."""
    queued(bench, A)
    bench.flush(A, SetState(b"big", 8, len(BIG)), frames=BIG)
    raw = frame(codes.SET_STATE, b"v" * 50)
    for number in range(n):
        bench.flush(A, SetState(b"%d" % number, 8, len(raw)), frames=raw)
    bench.state.spill()
    bench.costs.clear()
    bench.flush(A, GetStateKeys(1))
    assert bench.costs[-1] <= 20, "rows that were read"
    patch = PatchState("C", "k", False, "other", ((b"n", b"v"),), bench.now_ms)
    assert bench.do(patch) is Answer.STATE_TOO_LARGE
    bench.finish(A)
    bench.do_chores()
    ((_, owner),) = bench.state.objects.scan()
    pairs = list(kv.pairs(bench.state, owner))
    assert owner.state_count == n + 1 == len(pairs)
    assert kv.keys(bench.state, owner) == [key for key, _ in pairs]
    assert owner.state_bytes == sum(len(key) + len(value) for key, value in pairs)


LOADS: list[Callable[[CostBench, int], None]] = [
    cancelled_places,
    queued_patches,
    cleared_state,
    purged_promises,
    attached_callers,
    promise_waiters,
    killed_children,
    killed_with_sleeps,
    killed_while_it_attaches,
    listed_keys,
    many_names,
    a_long_journal,
]


@pytest.fixture
def small_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tenth of what they are, so that a few hundred rows are many."""
    monkeypatch.setattr(apply_chore, "CHORE_STEP_COUNT", 20)
    monkeypatch.setattr(apply, "INBOX_STEP_COUNT", 100)
    monkeypatch.setattr(state_patch, "STATE_KEYS_MAX", 500)
    monkeypatch.setattr(journal, "JOURNAL_INLINE_BYTES", 500)
    for module in (details, life, names):
        monkeypatch.setattr(module, "DETAIL_INLINE_COUNT", 12)
    monkeypatch.setattr(details, "DETAIL_PAGE_COUNT", 12)
    monkeypatch.setattr(names, "NAME_PAGES", 100)


@pytest.mark.usefixtures("small_bounds")
@pytest.mark.parametrize("load", LOADS, ids=lambda load: load.__name__)
def test_bounded_and_linear(load: Callable[[CostBench, int], None]) -> None:
    looks: list[int] = []
    written: list[int] = []
    for n in (600, 1_200):
        bench = CostBench()
        load(bench, n)
        assert max(bench.costs) <= RECORD_MAX
        looks.append(sum(bench.costs))
        written.append(bench.worn.written_bytes)
    assert looks[1] <= 2.3 * looks[0]
    assert written[1] <= 2.3 * written[0]


@pytest.mark.usefixtures("small_bounds")
@pytest.mark.parametrize("n", [100, 200])
def test_a_large_outcome_is_written_once_for_all_who_are_answered(n: int) -> None:
    bench = CostBench()
    bench.invoke(A)
    callers = [uid(number) for number in range(2, n + 2)]
    for identity in callers:
        bench.invoke(identity, retention_ms=0)
        bench.flush(identity, Attach(A, 1), end=Suspended(Future((1,), (1,)), 2))
    result = b"r" * 50_000
    bench.finish(A, result)
    while chores := [key for key, _ in bench.state.chores.scan()]:
        bench.state.spill()
        stored = list(bench.store.scan(CHORE, prefix_end(CHORE)))
        assert stored and max(len(value) for _, value in stored) < 200
        bench.do(ChoreStep(bench.epoch, bench.now_ms, chores[0]))
    for identity in callers:
        bench.finish(identity)
    bench.do_chores()
    bench.state.spill()
    assert not [key for key, _ in bench.state.chunks.scan() if key[:24] == b"\xff" * 24]
    assert all(bench.done(identity) for identity in callers)


@pytest.mark.parametrize("size_bytes", [1 << 20, 6 << 20])
@pytest.mark.parametrize("callers_count", [2, 30])
@pytest.mark.parametrize("partitions", [1, 2], ids=["here", "elsewhere"])
def test_a_record_copies_a_large_outcome_to_a_few(
    size_bytes: int, callers_count: int, partitions: int
) -> None:
    """And what it copied counts as dirty, so that it is spilled before there is much of it."""
    bench = Bench(0, partitions)
    bench.invoke(A)
    callers = [b"\xff" * 23 + bytes((number,)) for number in range(callers_count)]
    if partitions == 1:
        for identity in callers:
            bench.invoke(identity, retention_ms=0)
            bench.flush(identity, Attach(A, 1), end=Suspended(Future((1,), (1,)), 2))
    else:
        asked = [AttachTo(A, Caller(identity, 7, 1), False, bench.now_ms) for identity in callers]
        bench.do(Transfer(1, 0, 1, tuple(asked)))
    bench.state.spill()
    given = 0
    bench.finish(A, b"r" * size_bytes)
    chores = [key for key, _ in bench.state.chores.scan()]
    while True:
        copied = bench.took(StartAttempt) if partitions == 1 else bench.took(SendOutbox)
        assert len(copied) <= max(1, CHORE_STEP_BYTES // size_bytes)
        assert bench.state.dirty_bytes >= len(copied) * size_bytes
        given += len(copied)
        bench.state.spill()
        if not chores:
            break
        bench.do(ChoreStep(bench.epoch, bench.now_ms, chores[0]))
        chores = [key for key, _ in bench.state.chores.scan()]
    assert given == callers_count
    assert not list(bench.state.waiters.scan())


def test_a_record_applies_a_few_large_patches() -> None:
    bench = CostBench()
    queued(bench, A)
    value = b"v" * 1_000_000
    for number in range(12):
        bench.do(PatchState("C", "k", False, None, ((b"%d" % number, value),), bench.now_ms))
    bench.finish(A)
    left = [len(list(bench.state.inbox.scan()))]
    while chores := [key for key, _ in bench.state.chores.scan()]:
        for key in chores:
            bench.do(ChoreStep(bench.epoch, bench.now_ms, key))
        left.append(len(list(bench.state.inbox.scan())))
    ((_, owner),) = bench.state.objects.scan()
    assert list(kv.pairs(bench.state, owner)) == [(b"11", value)]
    assert all(before - after <= 5 for before, after in pairwise([12, *left]))
