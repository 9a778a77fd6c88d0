"""Reading a stored journal, whole or a piece at a time."""

from orchestrator.codec.keys import chunk_key
from orchestrator.invoker.port import JOURNAL_BEGIN, JournalPlace
from orchestrator.model.rows import CompletedRow, InvocationRow, JournalChunk
from orchestrator.tables.state import State


def read_journal(
    state: State,
    row: InvocationRow | CompletedRow,
    place: JournalPlace,
    end: JournalPlace | None,
    bytes_max: int,
) -> tuple[list[bytes], JournalPlace]:
    """Entries from a place on, as `Source.entries_from` gives them; raises StoreError."""
    frames: list[bytes] = []
    number, first = place
    while number <= row.chunk_count:
        chunks = _chunks(state, row, number)
        for at in range(first, len(chunks)):
            if (number, at) == end:
                return frames, JournalPlace(number, at)
            bytes_max -= len(chunks[at].frames)
            if bytes_max < 0 and frames:
                return frames, JournalPlace(number, at)
            frames.append(chunks[at].frames)
        if number == row.chunk_count or (number, len(chunks)) == end:
            return frames, JournalPlace(number, len(chunks))
        number, first = number + 1, 0
    return frames, place


def _chunks(state: State, row: InvocationRow | CompletedRow, number: int) -> list[JournalChunk]:
    if number == row.chunk_count:
        return row.tail
    stored = state.chunks.get(chunk_key(row.invoke.id, row.incarnation, number))
    assert stored is not None, f"chunk row {number} of a journal is missing"
    return stored.chunks


def frames_of(state: State, row: InvocationRow | CompletedRow) -> list[bytes]:
    """All stored entries after the input, in order, several to an element."""
    return read_journal(state, row, JOURNAL_BEGIN, None, 1 << 62)[0]
