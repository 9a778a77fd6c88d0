"""Whether what an attempt waits for is there: flat lists and trees of combinators."""

from orchestrator.machine.details import COMPLETIONS, SIGNALS, look_up
from orchestrator.machine.names import look_up_name
from orchestrator.machine.resolver import (
    FIRST_COMPLETED,
    PENDING,
    FutureResolver,
    Leaf,
    leaves_of,
    result_of,
)
from orchestrator.model.limits import FUTURE_DIRECT_COUNT, RESOLVERS_LEAVES_MAX
from orchestrator.model.rows import InvocationRow
from orchestrator.model.values import Future
from orchestrator.tables.state import State

FIRST_FREE_SIGNAL = 16  # above: awakeables, which complete once


def is_resolved(state: State, row: InvocationRow, future: Future) -> bool:
    """True if the attempt can go on. Signals that may come again do not count once it has been
    given them."""
    if future.nested:
        return FutureResolver(future, lambda leaf: _result(state, row, leaf)).is_resolved
    results = _results(state, row, future)
    if future.combinator <= FIRST_COMPLETED:
        return any(results)
    counts = [results.count(kind) for kind in range(4)]
    return result_of(future.combinator, counts, PENDING) != PENDING


def is_resolved_by(state: State, row: InvocationRow, leaf: Leaf) -> bool:
    """Whether a suspended invocation can go on, now that this leaf is done.

    What is unresolved of a large future is remembered beside the rows. It is derived from them, and
    computed again if the row was read from the store meanwhile.
    """
    future = row.waiting
    if future is None:
        return False
    if not future.nested and _size(future) <= FUTURE_DIRECT_COUNT:
        return is_resolved(state, row, future)
    known: FutureResolver | None = state.derived.get(row.invoke.id)
    if known is None or known.future is not future:
        known = FutureResolver(future, lambda leaf: _result(state, row, leaf))
        _remember(state, row.invoke.id, known)
    else:
        known.tell(leaf, _result(state, row, leaf))
    return known.is_resolved


def _remember(state: State, invocation_id: bytes, known: FutureResolver) -> None:
    derived = state.derived
    if sum(one.size for one in derived.values()) > RESOLVERS_LEAVES_MAX:
        derived.clear()
    derived[invocation_id] = known


def _size(future: Future) -> int:
    return len(future.completions) + len(future.signals) + len(future.names)


def _results(state: State, row: InvocationRow, future: Future) -> list[int]:
    """Those of the leaves of one combinator."""
    if row.paged:
        return [_result(state, row, leaf) for leaf in leaves_of(future)]
    done, signals, names = row.completions or {}, row.signals or {}, row.names or {}
    results = [done.get(number, PENDING) for number in future.completions]
    results += [_signal(signals.get(number), _seen(row, number)) for number in future.signals]
    return results + [_signal(names.get(name), row.seen) for name in future.names]


def _result(state: State, row: InvocationRow, leaf: Leaf) -> int:
    """SUCCESS, FAILURE or PENDING."""
    if isinstance(leaf, str):
        return _signal(look_up_name(state, row, leaf), row.seen)
    if leaf < 0:
        return _signal(look_up(state, row, SIGNALS, -1 - leaf), _seen(row, -1 - leaf))
    return look_up(state, row, COMPLETIONS, leaf) or PENDING


def _seen(row: InvocationRow, index: int) -> int:
    return 0 if index >= FIRST_FREE_SIGNAL else row.seen


def _signal(stored: int | None, seen: int) -> int:
    if stored is None or stored >> 2 < seen:
        return PENDING
    return stored & 3
