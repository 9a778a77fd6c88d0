"""Reads of applied state: rows, journals and raw tables of partitions led here."""

from collections.abc import Iterator

from orchestrator.codec.keys import chunk_key, prefix_end
from orchestrator.model.rows import ChunkRow, CompletedRow, InvocationRow
from orchestrator.processor.partition import Partition
from orchestrator.processor.port import NotReady, Reply, Result, Unknown
from orchestrator.tables.state import State
from perdure.wire import outgoing
from perdure.wire.frames import split


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
    return Result(done.outcome, done.expires_at_ms, True)


def journal_of(state: State, invocation_id: bytes) -> list[tuple[int, bytes]]:
    """(appended at ms, frame) of every entry; the input, which the Invoke holds, first."""
    row = find_row(state, invocation_id)
    if row is None or not row.entries:
        return []
    invoke = row.invoke
    entries = [(invoke.created_at_ms, outgoing.input_command(invoke.headers, invoke.body))]
    for number in range(row.chunk_count):
        stored = state.chunks.get(chunk_key(invocation_id, row.incarnation, number))
        if stored is not None:
            _add(entries, stored)
    _add(entries, ChunkRow(row.tail))
    return entries


def _add(entries: list[tuple[int, bytes]], row: ChunkRow) -> None:
    for chunk in row.chunks:
        frames = chunk.frames
        entries += [(chunk.at_ms, frames[start:end]) for _, _, start, end in split(frames)]


def export_rows(partition: Partition, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Raw rows under a prefix, as of now."""
    partition.spill()
    return partition.state.store.scan(prefix, prefix_end(prefix))
