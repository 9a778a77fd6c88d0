"""Futures: remembered piece by piece they come to what looking through all of them gives."""

from hypothesis import example, given
from hypothesis import strategies as st

from orchestrator.machine import futures
from orchestrator.machine.futures import is_resolved, is_resolved_by
from orchestrator.model.effects import CompletePromise, GetPromise
from orchestrator.model.records import Suspended
from orchestrator.model.rows import InvocationRow
from orchestrator.model.values import (
    FAILURE,
    INVOKED,
    SUCCESS,
    SUSPENDED,
    WORKFLOW_RUN,
    WORKFLOW_SHARED,
    Future,
)
from tests.unit.machine.bench import Bench, uid

A, B = uid(1), uid(2)
PENDING, EITHER = 0, 3
leaves = st.builds(
    Future,
    st.lists(st.integers(1, 6), max_size=3).map(tuple),
    st.lists(st.integers(15, 19), max_size=2).map(tuple),
    st.lists(st.sampled_from("ab"), max_size=2).map(tuple),
    st.just(()),
    st.integers(0, 4),
)
trees = st.recursive(
    leaves,
    lambda inner: st.builds(
        Future,
        st.lists(st.integers(1, 6), max_size=3).map(tuple),
        st.just(()),
        st.just(()),
        st.lists(inner, max_size=3).map(tuple),
        st.integers(0, 4),
    ),
    max_leaves=8,
)
keys = st.one_of(st.integers(1, 6), st.integers(-20, -16), st.sampled_from("ab"))


def whole(row: InvocationRow, future: Future) -> int:
    """All of it, by the words of the protocol."""
    results = [(row.completions or {}).get(i, PENDING) for i in future.completions]
    # Awakeables complete once, as calls do; other signals count while they are new.
    results += [((row.signals or {}).get(i) or PENDING) & 3 for i in future.signals if i > 15]
    results += [_signal(row, (row.signals or {}).get(i)) for i in future.signals if i <= 15]
    results += [_signal(row, (row.names or {}).get(n)) for n in future.names]
    results += [whole(row, nested) for nested in future.nested]
    match future.combinator:
        case 1:
            return next((r for r in results if r != PENDING), PENDING)
        case 2:
            return PENDING if PENDING in results else SUCCESS
        case 3 | 4:
            decides, otherwise = SUCCESS, FAILURE
            if future.combinator == 4:
                decides, otherwise = FAILURE, SUCCESS
            if decides in results:
                return decides
            if EITHER in results:
                return EITHER
            return PENDING if PENDING in results else otherwise
    return EITHER if any(results) else PENDING


def _signal(row: InvocationRow, stored: int | None) -> int:
    return PENDING if stored is None or stored >> 2 < row.seen else stored & 3


TAKEN_BACK = Future(
    nested=(Future(names=("a", "b"), combinator=3), Future(names=("b",))), combinator=1
)


@given(trees, st.lists(st.tuples(keys, st.sampled_from((SUCCESS, FAILURE)), st.booleans())))
@example(TAKEN_BACK, [(1, SUCCESS, False), ("b", SUCCESS, False), ("b", FAILURE, False)])
def test_piece_by_piece_is_the_whole(
    future: Future, done: list[tuple[int | str, int, bool]]
) -> None:
    bench = Bench()
    bench.invoke(A)
    row = bench.live(A)
    assert row is not None
    row.status, row.waiting, row.seen = SUSPENDED, future, 4
    row.completions, row.signals, row.names = {}, {}, {}
    direct, futures.FUTURE_DIRECT_COUNT = futures.FUTURE_DIRECT_COUNT, 0
    try:
        for mark, (leaf, result, is_read_again) in enumerate(done, 3):
            if isinstance(leaf, str):
                row.names[leaf] = mark << 2 | result
            elif leaf < 0:
                row.signals[-1 - leaf] = mark << 2 | result
            elif row.completions.setdefault(leaf, result) != result:
                continue
            if is_read_again:
                bench.state.derived.clear()
            expected = whole(row, future) != PENDING
            assert is_resolved_by(bench.state, row, leaf) == expected
            assert is_resolved(bench.state, row, future) == expected
    finally:
        futures.FUTURE_DIRECT_COUNT = direct


def gather(n: int) -> int:
    """Looks at leaves when n promises that one handler waits for are completed one by one."""
    bench = Bench()
    bench.invoke(A, service="W", key="k", kind=WORKFLOW_RUN)
    bench.invoke(B, service="W", key="k", kind=WORKFLOW_SHARED)
    asks = [GetPromise(f"p{i}", i) for i in range(1, n + 1)]
    all_of_them = Suspended(Future(tuple(range(1, n + 1)), combinator=2), n + 1)
    bench.flush(A, *asks, end=all_of_them)
    looks, before = 0, futures._result

    def counting(*args: object) -> int:
        nonlocal looks
        looks += 1
        return before(*args)  # type: ignore[arg-type]

    futures._result = counting  # type: ignore[assignment]
    try:
        for i in range(1, n + 1):
            row = bench.live(A)
            assert row is not None and row.status == SUSPENDED
            bench.flush(B, CompletePromise(f"p{i}", i, 0, 2))
    finally:
        futures._result = before
    assert bench.live(A).status == INVOKED and not bench.state.derived
    return looks


def test_a_gather_costs_the_same_for_each_completion() -> None:
    assert gather(400) <= 2 * 400
    assert gather(800) <= 2 * 800
