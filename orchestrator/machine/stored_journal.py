"""A stored journal put together again: its input, its rows of chunks in order, its tail."""

from collections.abc import Iterable, Iterator, Sequence

from orchestrator.codec.keys import chunk_key
from orchestrator.model.invoke import Invoke
from orchestrator.model.rows import CompletedRow, InvocationRow, JournalChunk
from orchestrator.tables.state import State
from perdure.wire import outgoing
from perdure.wire.frames import split


def chunks_of(
    state: State, row: InvocationRow | CompletedRow, number: int
) -> list[JournalChunk] | None:
    """The chunks of one row, by its number; None if it has been purged. Raises StoreError."""
    stored = state.chunks.get(chunk_key(row.invoke.id, row.incarnation, number))
    return None if stored is None else stored.chunks


def whole_journal(
    invoke: Invoke, rows: Iterable[Sequence[JournalChunk]], tail: Sequence[JournalChunk]
) -> Iterator[JournalChunk]:
    """All of a journal, the input first. `invoke` has its input; `rows` come by number."""
    given = outgoing.input_command(invoke.headers, invoke.body)
    yield JournalChunk(invoke.created_at_ms, given)
    for chunks in rows:
        yield from chunks
    yield from tail


def entries_of(chunks: Iterable[JournalChunk]) -> Iterator[tuple[int, bytes]]:
    """(appended at, Unix ms; the frame) of every entry."""
    for chunk in chunks:
        frames = chunk.frames
        for _, _, start, end in split(frames):
            yield chunk.at_ms, frames[start:end]
