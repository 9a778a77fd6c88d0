"""Runs that an invocation waits for and has not ended: only an attempt of its own can do that."""

from collections.abc import Iterable, Iterator
from itertools import chain

from orchestrator.machine.details import COMPLETIONS, look_up
from orchestrator.machine.stored_journal import chunks_of
from orchestrator.model.rows import InvocationRow, JournalChunk
from orchestrator.model.values import Future
from orchestrator.tables.state import State
from perdure.wire import HEADER_BYTES, read_run
from perdure.wire.codes import RUN
from perdure.wire.frames import split


def awaited_runs(state: State, row: InvocationRow, future: Future) -> list[int]:
    """Completion ids of open runs that a future waits for. Reads the journal only if there are
    open runs at all: a service that suspends has seldom left one."""
    if not row.open_runs:
        return []
    runs = set(_runs_of(_chunks(state, row)))
    return [
        number
        for number in _completions(future)
        if number in runs and look_up(state, row, COMPLETIONS, number) is None
    ]


def _chunks(state: State, row: InvocationRow) -> Iterator[JournalChunk]:
    rows = (chunks_of(state, row, number) or () for number in range(row.chunk_count))
    return chain(chain.from_iterable(rows), row.tail)


def _runs_of(chunks: Iterable[JournalChunk]) -> Iterator[int]:
    for chunk in chunks:
        for code, _, start, end in split(chunk.frames):
            if code == RUN:
                yield read_run(chunk.frames[start:end], HEADER_BYTES)[0]


def _completions(future: Future) -> Iterator[int]:
    yield from future.completions
    for nested in future.nested:
        yield from _completions(nested)
