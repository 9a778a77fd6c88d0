"""Reads of a partition's applied state: rows, results, journals and raw tables."""

from collections.abc import Iterator, Sequence
from heapq import merge

from orchestrator.codec.keys import prefix_end
from orchestrator.machine.inputs import whole_invoke
from orchestrator.machine.results import outcome_of
from orchestrator.machine.stored_journal import chunks_of, entries_of, whole_journal
from orchestrator.model.rows import CompletedRow, InvocationRow, JournalChunk
from orchestrator.processor.port import JournalEntry, NotReady, Reply, Result, Unknown
from orchestrator.processor.streams import Gone
from orchestrator.tables.port import Pair, Store
from orchestrator.tables.state import State


def find_row(state: State, invocation_id: bytes) -> InvocationRow | CompletedRow | None:
    """The live row, else the completed one."""
    return state.invocations.get(invocation_id) or state.completed.get(invocation_id)


def output_of(state: State, invocation_id: bytes, now_ms: int) -> Reply:
    """What there is of a result now."""
    if state.invocations.get(invocation_id) is not None:
        return NotReady()
    done = state.completed.get(invocation_id)
    if done is None or done.expires_at_ms <= now_ms:
        return Unknown()
    return Result(outcome_of(state, done), done.expires_at_ms, True, done.output)


def journal_of(state: State, invocation_id: bytes, incarnation: int) -> Iterator[JournalEntry]:
    """(appended at ms, frame) of every entry as of now; the input, which the Invoke holds, first.

    Rows of chunks never change, so that they may be read later; what is in the row is taken now.
    """
    row = find_row(state, invocation_id)
    if row is None or not row.entries or row.incarnation != incarnation:
        return iter(())
    rows = _chunk_rows(state, row, row.chunk_count)
    return entries_of(whole_journal(whole_invoke(state, row), rows, list(row.tail)))


def _chunk_rows(
    state: State, row: InvocationRow | CompletedRow, count: int
) -> Iterator[list[JournalChunk]]:
    for number in range(count):
        chunks = chunks_of(state, row, number)
        if chunks is None:
            raise Gone("the journal was purged while it was read")
        yield chunks


def export_rows(store: Store, kinds: Sequence[bytes], starts: Sequence[bytes]) -> Iterator[Pair]:
    """Rows of some tables, start by start; see the port. What is first is open at once."""
    opened = _scan(store, kinds, starts[0]) if starts else iter(())
    return _all(store, kinds, opened, starts[1:])


def _all(
    store: Store, kinds: Sequence[bytes], opened: Iterator[Pair], more: Sequence[bytes]
) -> Iterator[Pair]:
    yield from opened
    for start in more:
        yield from _scan(store, kinds, start)


def _scan(store: Store, kinds: Sequence[bytes], start: bytes) -> Iterator[Pair]:
    scans = [store.scan(kind + start, prefix_end(kind + start)) for kind in kinds]
    return scans[0] if len(scans) == 1 else merge(*scans, key=_after_the_kind)


def _after_the_kind(pair: Pair) -> bytes:
    return pair[0][1:]
