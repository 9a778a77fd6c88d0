"""Suspensions that nobody ends: why the invocation has to be attempted again.

A service suspends until something comes. If it names only what it has been given already, what an
attempt of its own would have to do, or what no command of its journal gives, nothing would wake it,
or everything at once and without end.
"""

from collections.abc import Iterable, Iterator
from itertools import chain

from orchestrator.machine.details import AWAITS, COMPLETIONS, SIGNALS, SLEEPS, look_up
from orchestrator.machine.futures import FIRST_FREE_SIGNAL
from orchestrator.machine.resolver import (
    EITHER,
    FIRST_COMPLETED,
    PENDING,
    FutureResolver,
    Leaf,
    leaves_of,
)
from orchestrator.machine.stored_journal import chunks_of
from orchestrator.model.limits import FUTURE_LOOKED_COUNT, IDLE_LOOKED_ROWS
from orchestrator.model.records import Suspended
from orchestrator.model.rows import InvocationRow, JournalChunk
from orchestrator.model.values import Future
from orchestrator.tables.state import State
from perdure.wire import HEADER_BYTES, read_run
from perdure.wire.calls import decode_call, decode_get_invocation_output
from perdure.wire.codes import CALL, CANCEL_SIGNAL, GET_INVOCATION_OUTPUT, RUN
from perdure.wire.frames import split

GIVEN = "it suspended until something comes that it has been given already"
NEVER = "it suspended until combinators are complete that never will be"


def why_idle(state: State, row: InvocationRow, end: Suspended, is_resolved: bool) -> str:
    """Why no later record is certain to let it go on; "" if one may, or if there is something new
    for it already."""
    if is_resolved:
        return GIVEN if end.seen >= row.entries else ""
    if row.open_runs:
        for number in _awaited_runs(state, row, end.waiting):
            return f"it suspended until its own run {number} ends, which only an attempt can do"
    coming = _Coming(state, row)
    if _may_be_woken(end.waiting, coming):
        return ""
    if coming.lost:
        return f"it suspended until completion {coming.lost} comes, which no command of it asks for"
    return NEVER


def _may_be_woken(waiting: Future, coming: "_Coming") -> bool:
    """Whether all that may still come would be enough. Of a large future one leaf is."""
    if not any(future.completions for future in _nodes(waiting)):
        return True
    is_any = not waiting.nested and waiting.combinator <= FIRST_COMPLETED
    if not is_any and sum(map(_size, _nodes(waiting))) <= FUTURE_LOOKED_COUNT:
        return FutureResolver(waiting, coming.of).is_resolved
    leaves = chain.from_iterable(map(leaves_of, _nodes(waiting)))
    return any(coming.of(leaf) == EITHER for leaf in leaves)


def _size(future: Future) -> int:
    return len(leaves_of(future))


class _Coming:
    """What becomes of the leaves of a future: done, EITHER if they may be, PENDING for ever."""

    def __init__(self, state: State, row: InvocationRow) -> None:
        self.lost = 0  # the first completion that will not come
        self._state = state
        self._row = row
        self._results: set[int] = set()  # completions that calls give, as far as was looked
        self._older = _newest_first(state, row)

    def of(self, leaf: Leaf) -> int:
        if isinstance(leaf, str):
            return EITHER
        if leaf < 0:
            return self._of_signal(-1 - leaf)
        state, row = self._state, self._row
        done = look_up(state, row, COMPLETIONS, leaf)
        if done is not None:
            return done
        if (
            look_up(state, row, SLEEPS, leaf) is not None
            or look_up(state, row, AWAITS, leaf) is not None
            or (row.open_calls and self._is_of_a_call(leaf))
        ):
            return EITHER
        self.lost = self.lost or leaf
        return PENDING

    def _of_signal(self, index: int) -> int:
        """A cancel does not count: it ends a backoff as well as a suspension."""
        if index == CANCEL_SIGNAL:
            return PENDING
        given = look_up(self._state, self._row, SIGNALS, index)
        return EITHER if index < FIRST_FREE_SIGNAL or given is None else given & 3

    def _is_of_a_call(self, number: int) -> bool:
        """Reads the journal backwards: what is waited for was mostly asked for lately. It goes so
        far back and no further."""
        while number not in self._results:
            chunk = next(self._older, None)
            if chunk is None:
                return self._row.chunk_count > IDLE_LOOKED_ROWS
            self._results.update(_results_of(chunk.frames))
        return True


def _newest_first(state: State, row: InvocationRow) -> Iterator[JournalChunk]:
    yield from reversed(row.tail)
    for number in range(row.chunk_count - 1, max(-1, row.chunk_count - 1 - IDLE_LOOKED_ROWS), -1):
        yield from reversed(chunks_of(state, row, number) or ())


def _results_of(frames: bytes) -> Iterator[int]:
    """Completions that other invocations give, and that are not in AWAITS."""
    for code, _, start, end in split(frames):
        if code == CALL:
            yield decode_call(frames[start:end], HEADER_BYTES).result_completion_id
        elif code == GET_INVOCATION_OUTPUT:
            asked = decode_get_invocation_output(frames[start:end], HEADER_BYTES)
            yield asked.result_completion_id


def _awaited_runs(state: State, row: InvocationRow, waiting: Future) -> Iterator[int]:
    """Open runs that it waits for. Reads the journal: a service that suspends has seldom left a
    run open."""
    runs = set(_runs_of(_chunks(state, row)))
    return (number for number in _pending(state, row, waiting) if number in runs)


def _pending(state: State, row: InvocationRow, waiting: Future) -> Iterator[int]:
    """Completions that have not come."""
    for future in _nodes(waiting):
        for number in future.completions:
            if look_up(state, row, COMPLETIONS, number) is None:
                yield number


def _chunks(state: State, row: InvocationRow) -> Iterator[JournalChunk]:
    rows = (chunks_of(state, row, number) or () for number in range(row.chunk_count))
    return chain(chain.from_iterable(rows), row.tail)


def _runs_of(chunks: Iterable[JournalChunk]) -> Iterator[int]:
    for chunk in chunks:
        for code, _, start, end in split(chunk.frames):
            if code == RUN:
                yield read_run(chunk.frames[start:end], HEADER_BYTES)[0]


def _nodes(future: Future) -> Iterator[Future]:
    yield future
    for nested in future.nested:
        yield from _nodes(nested)
