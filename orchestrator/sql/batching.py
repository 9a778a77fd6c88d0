"""Rows of a table into record batches of a bounded size."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import pyarrow as pa

from orchestrator.sql.invocations import Column, InvocationView

BATCH_ROWS = 4_000
FIRST_ROWS = 250  # of the first batch: it may be all that is wanted
BATCH_BYTES = 1 << 20
ROW_BYTES = 200  # of a row beside its texts and bytes, about
T = TypeVar("T")


def of_views(
    views: Iterable[InvocationView], columns: dict[str, Column], schema: pa.Schema
) -> Iterator[pa.RecordBatch]:
    """Columns that are computed from an invocation; what is not among them is null."""
    for some in _handfuls(views, lambda view: view.raw_bytes):
        arrays = [
            pa.array([columns[f.name](v) for v in some], f.type)
            if f.name in columns
            else pa.nulls(len(some), f.type)
            for f in schema
        ]
        yield pa.RecordBatch.from_arrays(arrays, schema=schema)


def of_dicts(rows: Iterable[dict[str, Any]], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Columns by name; what is not there is null."""
    for some in _handfuls(rows, _weight):
        arrays = [pa.array([row.get(f.name) for row in some], f.type) for f in schema]
        yield pa.RecordBatch.from_arrays(arrays, schema=schema)


def _weight(row: dict[str, Any]) -> int:
    return sum(len(value) for value in row.values() if isinstance(value, str | bytes))


def _handfuls(items: Iterable[T], weigh: Callable[[T], int]) -> Iterator[list[T]]:
    some: list[T] = []
    room, rows = BATCH_BYTES, FIRST_ROWS
    for item in items:
        some.append(item)
        room -= weigh(item) + ROW_BYTES
        if room <= 0 or len(some) == rows:
            yield some
            some, room, rows = [], BATCH_BYTES, BATCH_ROWS
    if some:
        yield some
