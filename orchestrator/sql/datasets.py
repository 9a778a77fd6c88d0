"""Tables as DataFusion reads them: each scan of a query pulls its own rows, batch by batch.

DataFusion plans with `Dataset.scanner`, of which it takes the schema only; then it asks for the
fragments, with the filter, and executes the one fragment there is with a scanner of its own, in
whichever thread and as often as the plan needs it.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.dataset as pads

from orchestrator.sql.asked import Narrowed, Need, RowIterator, Scanned
from orchestrator.sql.plans import Hint
from orchestrator.sql.schemas import SCHEMAS
from orchestrator.sql.server_pipe import ServerPipe
from orchestrator.sql.sources import source_of


class TableDataset(pads.Dataset):  # type: ignore[misc]
    """A table by name: projections and filters reach its source."""

    def __init__(self, name: str, line: ServerPipe, hints: Mapping[str, Hint]) -> None:
        self._name = name
        self._line = line
        self._hints = hints  # of the query that runs

    @property
    def schema(self) -> pa.Schema:
        return SCHEMAS[self._name]

    def scanner(self, columns: Any = None, filter: Any = None, **options: Any) -> Any:  # noqa: A002
        return pads.dataset(self.schema.empty_table()).scanner(columns=columns)

    def get_fragments(self, filter: Any = None) -> Any:  # noqa: A002
        narrowed = Narrowed(filter, self._hints.get(self._name))
        return iter([Fragment(self._name, self._line, narrowed)])


class Fragment:
    """All rows of a table that a filter lets pass, and perhaps others."""

    def __init__(self, name: str, line: ServerPipe, narrowed: Narrowed) -> None:
        self._schema = SCHEMAS[name]
        self._source = source_of(name)
        self._line = line
        self._narrowed = narrowed
        self._planned = self._plan()

    def _plan(self) -> list[int]:
        return [self._line.plan(*need) for need in self._source.needs(self._narrowed)]

    def scanner(
        self,
        schema: Any = None,
        columns: Any = None,
        filter: Any = None,  # noqa: A002
        **options: Any,
    ) -> Any:
        # A plan that is executed again (a recursive query) reads it anew.
        scans, self._planned = self._planned or self._plan(), []
        asked = self._asked(columns)
        return pads.Scanner.from_batches(
            self._batches(scans, asked),
            schema=asked.schema,
            columns=columns,
            filter=filter,
            use_threads=False,
            batch_readahead=1,
        )

    def _asked(self, columns: list[str] | None) -> Scanned:
        names = self._schema.names
        filtered = _filtered(names, self._narrowed)
        hint = self._narrowed.hint
        more = () if hint is None else [name for name, _ in hint.more]
        wanted = [name for name in names if columns is None or name in columns or name in filtered]
        # A count wants rows without columns, which a batch cannot hold: one that costs little.
        cheap = "created_at" if "created_at" in names else names[0]
        schema = pa.schema([self._schema.field(name) for name in wanted or [cheap]])
        return Scanned(self._narrowed, schema, filtered.union(more), self._fetch)

    def _fetch(self, need: Need) -> RowIterator:
        return self._line.rows(self._line.plan(*need))

    def _batches(self, scans: list[int], asked: Scanned) -> Iterator[pa.RecordBatch]:
        hint = self._narrowed.hint
        left = hint.top.limit if hint and hint.top and not hint.top.column else None
        for batch in self._source.batches([self._line.rows(number) for number in scans], asked):
            yield batch
            if left is not None:
                left -= batch.num_rows if asked.filter is None else _passing(batch, asked.filter)
                if left <= 0:
                    return  # LIMIT: DataFusion would not say so before much was read ahead


def _passing(batch: pa.RecordBatch, where: Any) -> int:
    return int(pa.table(batch).filter(where).num_rows)


def _filtered(names: list[str], narrowed: Narrowed) -> frozenset[str]:
    """The columns that the filter names, and perhaps others."""
    if narrowed.where is None:
        return frozenset()
    if narrowed.hint is not None:
        return narrowed.hint.filtered.intersection(names)
    text = str(narrowed.where)
    # Cut short it may name any.
    return frozenset(name for name in names if "..." in text or name in text)
