"""What a process holds of its state, looked at by tests without asking the engine."""

from orchestrator.model.ids import partition_of
from orchestrator.model.rows import CompletedRow, InvocationRow
from orchestrator.processor import reads
from orchestrator.processor.loop import Processor
from orchestrator.processor.partition import Partition


def _partition(processor: Processor, invocation_id: bytes) -> Partition | None:
    number = partition_of(invocation_id, processor.engine.partition_count)
    seat = processor._seats.get(number)
    return None if seat is None or seat.term is None else seat.partition


def find(processor: Processor, invocation_id: bytes) -> InvocationRow | CompletedRow | None:
    """The row of an invocation whose partition is led here."""
    partition = _partition(processor, invocation_id)
    return None if partition is None else reads.find_row(partition.state, invocation_id)


def journal(processor: Processor, invocation_id: bytes) -> list[tuple[int, bytes]]:
    """Its entries, the input first; empty if unknown."""
    partition = _partition(processor, invocation_id)
    row = find(processor, invocation_id)
    if partition is None or row is None:
        return []
    return list(reads.journal_of(partition.state, invocation_id, row.incarnation))


def export(processor: Processor, kind: bytes) -> list[tuple[bytes, bytes]]:
    """The raw rows of a table in all partitions led here."""
    rows: list[tuple[bytes, bytes]] = []
    for seat in processor._seats.all():
        if seat.term is not None and seat.partition is not None:
            seat.partition.spill()
            rows += reads.export_rows(seat.partition.state.store, [kind], [b""])
    return rows
