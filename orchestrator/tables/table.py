"""One table: rows by key, held as objects in an overlay that is the read cache too."""

import heapq
from collections.abc import Iterator
from typing import Generic, TypeVar

from orchestrator.codec.keys import prefix_end
from orchestrator.codec.rows import encode_row, row_decoder
from orchestrator.model.rows import Row
from orchestrator.tables.port import Store

R = TypeVar("R", bound=Row)

CLEAN_ROWS_MAX = 2_000  # clean rows a table keeps over a spill, as a read cache


class Table(Generic[R]):
    """Keys are given without the table's prefix. A row that was changed in place is `touch`ed."""

    __slots__ = ("_born", "_decode", "_dirty", "_rows", "_store", "prefix")

    def __init__(self, store: Store, prefix: bytes, kind: type[R]) -> None:
        self.prefix = prefix
        self._store = store
        self._decode = row_decoder(kind)
        self._rows: dict[bytes, R | None] = {}  # None: known to be absent
        self._dirty: set[bytes] = set()
        self._born: set[bytes] = set()  # dirty and not in the store

    def get(self, key: bytes) -> R | None:
        """The row, to be read or changed in place; None if there is none."""
        try:
            return self._rows[key]
        except KeyError:
            value = self._store.get(self.prefix + key)
            if value is None:
                return None
            row = self._rows[key] = self._decode(value)
            return row

    def add(self, key: bytes, row: R) -> None:
        """A row that is known not to exist: if it is gone before a spill it is never written."""
        if key not in self._rows:
            self._born.add(key)
        self._rows[key] = row
        self._dirty.add(key)

    def put(self, key: bytes, row: R) -> None:
        self._rows[key] = row
        self._dirty.add(key)

    def touch(self, key: bytes) -> None:
        self._dirty.add(key)

    def delete(self, key: bytes) -> None:
        if key in self._born:
            self._born.discard(key)
            self._dirty.discard(key)
            del self._rows[key]
        else:
            self._rows[key] = None
            self._dirty.add(key)

    @property
    def dirty_count(self) -> int:
        return len(self._dirty)

    def scan(self, start: bytes = b"", stop: bytes | None = None) -> Iterator[tuple[bytes, R]]:
        """Rows with start <= key < stop in order, overlay and store as one. The table may be
        changed while the scan runs; whether it shows the change is not said."""
        overlay = sorted(k for k in self._rows if k >= start and (stop is None or k < stop))
        first = self.prefix + start
        last = prefix_end(self.prefix) if stop is None else self.prefix + stop
        cut = len(self.prefix)
        rows = self._rows
        stored = ((k[cut:], v) for k, v in self._store.scan(first, last) if k[cut:] not in rows)
        merged = heapq.merge(((k, None) for k in overlay), stored, key=lambda pair: pair[0])
        for key, value in merged:
            row = rows.get(key) if value is None else self._decode(value)
            if row is not None:
                yield key, row

    def drain(self, writes: list[tuple[bytes, bytes | None]]) -> None:
        """Add what is dirty to a batch, in key order, and forget clean rows past the limit."""
        prefix, rows = self.prefix, self._rows
        for key in sorted(self._dirty):
            row = rows[key]
            writes.append((prefix + key, None if row is None else encode_row(row)))
            if row is None:
                del rows[key]
        self._dirty.clear()
        self._born.clear()
        if len(rows) > CLEAN_ROWS_MAX:
            rows.clear()
