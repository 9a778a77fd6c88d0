"""Tables as DataFusion reads them: each scan of a query pulls its own rows, batch by batch.

DataFusion plans with `Dataset.scanner`, of which it takes the schema only; then it asks for the
fragments, with the filter, and executes the one fragment there is with a scanner of its own, in
whichever thread and as often as the plan needs it.
"""

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.dataset as pads

from orchestrator.sql.schemas import SCHEMAS
from orchestrator.sql.server_pipe import ServerPipe
from orchestrator.sql.sources import TableSource, source_of


class TableDataset(pads.Dataset):  # type: ignore[misc]
    """A table by name: projections and filters reach its source."""

    def __init__(self, name: str, line: ServerPipe) -> None:
        self._name = name
        self._line = line

    @property
    def schema(self) -> pa.Schema:
        return SCHEMAS[self._name]

    def scanner(self, columns: Any = None, filter: Any = None, **options: Any) -> Any:  # noqa: A002
        return pads.dataset(self.schema.empty_table()).scanner(columns=columns)

    def get_fragments(self, filter: Any = None) -> Any:  # noqa: A002
        return iter([Fragment(self._name, self._line, filter)])


class Fragment:
    """All rows of a table that a filter lets pass, and perhaps others."""

    def __init__(self, name: str, line: ServerPipe, where: Any) -> None:
        self._name = name
        self._line = line
        self._where = where
        self._planned = self._plan()

    def _plan(self) -> list[int]:
        needs = source_of(self._name).needs(self._where)
        return [self._line.plan(need.source, need.kinds, need.starts) for need in needs]

    def scanner(
        self,
        schema: Any = None,
        columns: Any = None,
        filter: Any = None,  # noqa: A002
        **options: Any,
    ) -> Any:
        # A plan that is executed again (a recursive query) reads it anew.
        scans, self._planned = self._planned or self._plan(), []
        names = _needed(SCHEMAS[self._name].names, columns, filter)
        wanted = pa.schema([SCHEMAS[self._name].field(name) for name in names])
        return pads.Scanner.from_batches(
            self._batches(source_of(self._name), scans, wanted),
            schema=wanted,
            columns=columns,
            filter=filter,
            use_threads=False,
            batch_readahead=1,
        )

    def _batches(
        self, source: TableSource, scans: list[int], wanted: pa.Schema
    ) -> Iterator[pa.RecordBatch]:
        yield from source.batches([self._line.rows(number) for number in scans], wanted)


def _needed(names: list[str], columns: list[str] | None, where: Any) -> list[str]:
    """The columns that are read: a filter may name some that are not in the projection."""
    text = "" if where is None else str(where)
    if columns is None or "..." in text:  # cut short: it may name any
        return names
    # A count wants rows without columns, which a batch cannot hold: the first is a cheap one.
    return [name for name in names if name in columns or name in text] or names[:1]
