"""Work is bounded in each record, and twice as much of it costs twice as much."""

from collections.abc import Callable

import pytest

from orchestrator.model.effects import ClearAllState, CompletePromise, SetState
from orchestrator.model.records import Cancel, PatchState, Purge
from orchestrator.model.values import OBJECT_EXCLUSIVE, WORKFLOW_RUN
from perdure.wire import codes
from perdure.wire.frames import frame
from tests.unit.machine.bench import uid
from tests.unit.machine.costs import CostBench

RECORD_MAX = 2_200  # looks at rows in one record
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


LOADS: list[Callable[[CostBench, int], None]] = [
    cancelled_places,
    queued_patches,
    cleared_state,
    purged_promises,
]


@pytest.mark.parametrize("load", LOADS, ids=lambda load: load.__name__)
def test_bounded_and_linear(load: Callable[[CostBench, int], None]) -> None:
    totals = []
    for n in (1_500, 3_000):
        bench = CostBench()
        load(bench, n)
        assert max(bench.costs) <= RECORD_MAX
        totals.append(sum(bench.costs))
    assert totals[1] <= 2.3 * totals[0]
