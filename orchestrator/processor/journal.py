"""Reading a stored journal a piece at a time."""

from orchestrator.invoker.port import JournalPlace
from orchestrator.machine.stored_journal import chunks_of
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
    stored = chunks_of(state, row, number)
    assert stored is not None, f"chunk row {number} of a journal is missing"
    return stored
