"""Suspensions that nobody ends: why the invocation has to be attempted again.

A service suspends until something comes. If it names only what it has been given already, what an
attempt of its own would have to do, or what no command of its journal gives, nothing would wake it,
or everything at once and without end.
"""

from collections.abc import Iterable, Iterator
from itertools import chain

from orchestrator.machine.details import COMPLETIONS, SIGNALS, SLEEPS, look_up
from orchestrator.machine.futures import FIRST_FREE_SIGNAL
from orchestrator.machine.stored_journal import chunks_of
from orchestrator.model.records import Suspended
from orchestrator.model.rows import InvocationRow, JournalChunk
from orchestrator.model.values import Future
from orchestrator.tables.state import State
from perdure.wire import HEADER_BYTES, read_run
from perdure.wire.codes import CANCEL_SIGNAL, RUN
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
    if _may_be_woken(state, row, end.waiting):
        return ""
    for number in _pending(state, row, end.waiting):
        return f"it suspended until completion {number} comes, which no command of it asks for"
    return NEVER


def _may_be_woken(state: State, row: InvocationRow, waiting: Future) -> bool:
    """A cancel does not count: it ends a backoff as well as a suspension."""
    has_completions = False
    for future in _nodes(waiting):
        if future.names:
            return True
        for index in future.signals:
            if index != CANCEL_SIGNAL and (
                index < FIRST_FREE_SIGNAL or look_up(state, row, SIGNALS, index) is None
            ):
                return True
        for number in future.completions:
            has_completions = True
            if look_up(state, row, SLEEPS, number) is not None:
                return True
            if row.open_calls and look_up(state, row, COMPLETIONS, number) is None:
                return True  # one of them, as far as is known without reading the journal
    return not has_completions


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
