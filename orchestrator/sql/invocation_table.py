"""The tables of invocations. Live ones come from their rows; completed ones from listings, which
have what people filter and count by. A row of a completed one, which costs ten times as much, is
read only for what its listing lacks:

- What tells of failed attempts is null for those that had none.
- Of other columns the rows of those are read that pass the filter, or that are the first by the
  order asked for, if they are few. Else all are read.
"""

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from orchestrator.codec import keys
from orchestrator.model.values import COMPLETED, STATUS_NAMES
from orchestrator.sql import batching, needs
from orchestrator.sql.asked import Narrowed, Need, RowIterator, Scanned
from orchestrator.sql.finding import columns_of, found, sought_of
from orchestrator.sql.invocations import ATTEMPT_COLUMNS, WAITING_COLUMNS, Column, InvocationView
from orchestrator.sql.listed import (
    LISTED_COLUMNS,
    Listed,
    ListedColumn,
    listed_batch,
    read_listings,
)
from orchestrator.sql.views import views, wall_ms

FETCHED_MAX = 10_000  # rows by their ids: more of them take as long as all
_COMPLETED = STATUS_NAMES[COMPLETED]
_OF_TROUBLE = frozenset(ATTEMPT_COLUMNS)


class InvocationTable:
    """A `TableSource` with these columns; perhaps without the completed ones."""

    def __init__(self, columns: dict[str, Column], live_only: bool = False) -> None:
        self._columns = columns
        self._live_only = live_only
        # Columns of features that are off, and those that only live ones have, are null.
        lacking = frozenset(columns) - LISTED_COLUMNS.keys() - frozenset(WAITING_COLUMNS)
        self._lacking = lacking - _OF_TROUBLE

    def needs(self, narrowed: Narrowed) -> list[Need]:
        """Attempts, live rows, listings, rows of completed ones."""
        live = needs.of_ids(narrowed, keys.INVOCATION)
        completed = needs.of_ids(narrowed, keys.COMPLETED)
        if narrowed.pinned("status") == [_COMPLETED]:
            live = needs.nothing(keys.INVOCATION)
        if self._live_only or not narrowed.may_be("status", _COMPLETED):
            completed = needs.nothing(keys.COMPLETED)
        listings = completed._replace(kinds=[keys.LISTING])
        if completed.starts != [needs.ALL]:
            listings = needs.nothing(keys.LISTING)
        return [needs.ATTEMPTS, live, listings, completed]

    def batches(self, scans: list[RowIterator], asked: Scanned) -> Iterator[pa.RecordBatch]:
        attempts, live, listings, completed = scans
        shown: set[bytes] = set()
        yield from self._of_rows(_noted(views(attempts, live), shown), asked.schema)
        if asked.narrowed.pinned("id") is not None:
            yield from self._of_rows(views(iter(()), completed), asked.schema)
            return
        wanted = sought_of(asked, _OF_TROUBLE)
        some = found(read_listings(listings, wall_ms(), shown), wanted, asked.schema)
        if self._lacking.isdisjoint(asked.schema.names):
            yield from self._listed(some, completed, asked, columns_of(wanted))
        else:
            ids = _few_ids(some) if wanted.is_narrow else None
            rows = completed if ids is None else asked.fetch(needs.of_completed(ids))
            yield from self._of_rows(views(iter(()), rows), asked.schema)

    def _listed(
        self,
        some: Iterator[Listed],
        completed: RowIterator,
        asked: Scanned,
        columns: dict[str, ListedColumn],
    ) -> Iterator[pa.RecordBatch]:
        """By listings, and by the rows of those whose attempts failed if that matters."""
        with_trouble: list[bytes] = []
        matters = not _OF_TROUBLE.isdisjoint(asked.schema.names)
        for listed in some:
            if matters:
                with_trouble += listed.where(listed.troubled).ids
                listed = listed.where(pc.invert(listed.troubled))
            yield listed_batch(listed, columns, asked.schema)
        if len(with_trouble) <= FETCHED_MAX:
            shown = views(iter(()), asked.fetch(needs.of_completed(with_trouble)))
        else:
            among = frozenset(with_trouble)
            shown = (v for v in views(iter(()), completed) if v.invoke.id in among)
        yield from self._of_rows(shown, asked.schema)

    def _of_rows(
        self, shown: Iterator[InvocationView], schema: pa.Schema
    ) -> Iterator[pa.RecordBatch]:
        return batching.of_views(shown, self._columns, schema)


def _noted(live: Iterator[InvocationView], ids: set[bytes]) -> Iterator[InvocationView]:
    for view in live:
        ids.add(view.invoke.id)
        yield view


def _few_ids(some: Iterator[Listed]) -> list[bytes] | None:
    """None if they are too many."""
    ids: list[bytes] = []
    for listed in some:
        ids += listed.ids
        if len(ids) > FETCHED_MAX:
            return None
    return ids
