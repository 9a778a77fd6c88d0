"""What a scan of a table is asked for."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from orchestrator.sql import pushdown
from orchestrator.sql.plans import Hint
from orchestrator.tables.port import Pair

RowIterator = Iterator[Pair]


class Need(NamedTuple):
    """One scan; of `source` "rows" those of the tables `kinds` whose keys go on with `starts`."""

    source: str
    kinds: list[bytes]
    starts: list[bytes]


class Narrowed(NamedTuple):
    """Which rows can pass: by the filter that DataFusion handed over, and by the plan."""

    where: Any = None  # a PyArrow expression
    hint: Hint | None = None

    def pinned(self, column: str) -> list[str] | None:
        """The only values of a column that can pass, or None if that is not certain."""
        if self.hint is not None and column in self.hint.pins:
            return sorted(self.hint.pins[column])
        return pushdown.pinned(self.where, column)

    def may_be(self, column: str, value: str) -> bool:
        """Whether a row with this value can pass."""
        pinned = self.pinned(column)
        if pinned is not None and value not in pinned:
            return False
        return self.hint is None or value not in self.hint.excluded.get(column, ())


class Scanned(NamedTuple):
    """`schema`: the columns that are read, those of filters too; `filtered`: the columns of
    filters; `fetch`: rows that are asked for while the scan runs."""

    narrowed: Narrowed
    schema: pa.Schema
    filtered: frozenset[str]
    fetch: Callable[[Need], RowIterator]

    @property
    def filter(self) -> pc.Expression | None:
        """All that is known of the filter, as far as PyArrow can apply it."""
        hint, whole = self.narrowed.hint, self.narrowed.where
        for _, part in [] if hint is None else hint.more:
            whole = part if whole is None else whole & part
        return whole
