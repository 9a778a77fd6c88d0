"""Whether what an attempt waits for is there: flat lists and trees of combinators."""

from orchestrator.model.rows import InvocationRow
from orchestrator.model.values import FAILURE, SUCCESS, Future

PENDING = 0
EITHER = 3  # done, success or failure unknown

UNKNOWN = 0
FIRST_COMPLETED = 1
ALL_COMPLETED = 2
FIRST_SUCCEEDED_OR_ALL_FAILED = 3
ALL_SUCCEEDED_OR_FIRST_FAILED = 4


def is_resolved(row: InvocationRow, future: Future) -> bool:
    """True if the attempt can go on. Signals it has already been given do not count."""
    return _resolve(row, future) != PENDING


def _signal(stored: int | None, seen: int) -> int:
    if stored is None or stored >> 2 < seen:
        return PENDING
    return stored & 3


def _leaves(row: InvocationRow, future: Future) -> list[int]:
    seen = row.seen
    results = [row.completions.get(i, PENDING) for i in future.completions]
    results += [_signal(row.signals.get(i), seen) for i in future.signals]
    results += [_signal(row.names.get(n), seen) for n in future.names]
    results += [_resolve(row, nested) for nested in future.nested]
    return results


def _resolve(row: InvocationRow, future: Future) -> int:
    results = _leaves(row, future)
    match future.combinator:
        case 1:  # FIRST_COMPLETED
            return next((r for r in results if r != PENDING), PENDING)
        case 2:  # ALL_COMPLETED
            return PENDING if PENDING in results else SUCCESS
        case 3:  # FIRST_SUCCEEDED_OR_ALL_FAILED
            return _decide(results, SUCCESS, FAILURE)
        case 4:  # ALL_SUCCEEDED_OR_FIRST_FAILED
            return _decide(results, FAILURE, SUCCESS)
        case _:
            return EITHER if any(results) else PENDING


def _decide(results: list[int], first: int, otherwise: int) -> int:
    """`first` as soon as one child is `first`; `otherwise` once all are the other."""
    if first in results:
        return first
    if EITHER in results:
        return EITHER
    return PENDING if PENDING in results else otherwise
