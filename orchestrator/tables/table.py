"""One table: rows by key, held as objects in an overlay that is the read cache too."""

import heapq
from bisect import bisect_left
from collections.abc import Iterator
from typing import Generic, TypeVar

from orchestrator.codec.keys import prefix_end
from orchestrator.codec.rows import encode_rows, row_decoder
from orchestrator.model.rows import Row
from orchestrator.tables.cache import (
    KEPT_BYTES_MAX,
    KEPT_ONCE_WRITTEN_BYTES,
    ROW_OVERHEAD_BYTES,
    Account,
)
from orchestrator.tables.port import Store

R = TypeVar("R", bound=Row)


class Table(Generic[R]):
    """Keys are given without the table's prefix. A row that was changed in place is `touch`ed.

    A row from `get` may be changed until the next `drain` or `drop_unused`, no later. Rows of a
    table that is `written_once` never change: large ones are not kept in memory once written.
    Those of one that is `rarely_read` leave it when they are written: they come back if somebody
    does read them.
    """

    __slots__ = (
        "_account",
        "_born",
        "_decode",
        "_first",
        "_is_rarely_read",
        "_kept_bytes_max",
        "_older",
        "_recent_bytes",
        "_rows",
        "_sizes",
        "_sorted",
        "_store",
        "dirty_keys",
        "prefix",
    )

    def __init__(
        self,
        store: Store,
        prefix: bytes,
        kind: type[R],
        account: Account,
        written_once: bool = False,
        rarely_read: bool = False,
    ) -> None:
        self.prefix = prefix
        self._store = store
        self._decode = row_decoder(kind)
        self._account = account
        self._kept_bytes_max = KEPT_ONCE_WRITTEN_BYTES if written_once else KEPT_BYTES_MAX
        self._is_rarely_read = rarely_read
        self._rows: dict[bytes, R | None] = {}  # None: known to be absent, and dirty
        self._older: dict[bytes, R | None] = {}  # clean, not used since the table last grew older
        self._sizes: dict[bytes, int] = {}  # of the clean rows of both
        self._recent_bytes = 0  # of those used since the table last grew older
        self.dirty_keys: set[bytes] = set()  # what the next drain writes; only the table adds
        self._born: set[bytes] = set()  # dirty and not in the store
        self._sorted: list[bytes] | None = None  # the dirty keys in order, if known
        self._first = b""  # the store has no row below this key

    def get(self, key: bytes) -> R | None:
        """The row, to be read or changed in place; None if there is none."""
        rows = self._rows
        if key in rows:
            return rows[key]
        row = self._from_older(key) if self._older else None
        if row is None:
            value = self._store.get(self.prefix + key)
            if value is None:
                return None
            row = self._decode(value)
            if len(value) > self._kept_bytes_max:
                return row
            self._count(key, len(value))
        rows[key] = row
        return row

    def _from_older(self, key: bytes) -> R | None:
        row = self._older.pop(key, None)
        if row is not None:
            self._recent_bytes += self._sizes[key]
        return row

    def unwritten(self, key: bytes) -> R | None:
        """A row that was added or changed since the last spill; the store is not asked."""
        return self._rows[key] if key in self.dirty_keys else None

    def add(self, key: bytes, row: R) -> None:
        """A row that is known not to exist: if it is gone before a spill it is never written."""
        if key not in self._rows:
            self._born.add(key)
        self._rows[key] = row
        self.dirty_keys.add(key)
        self._sorted = None

    def put(self, key: bytes, row: R) -> None:
        if self._older:
            self._from_older(key)
        self._rows[key] = row
        self.dirty_keys.add(key)
        self._sorted = None

    def touch(self, key: bytes) -> None:
        if key in self.dirty_keys:
            return
        if key not in self._rows:
            row = self._from_older(key)
            assert row is not None, "a row that is touched was got since the last drain"
            self._rows[key] = row
        self.dirty_keys.add(key)
        self._sorted = None

    def delete(self, key: bytes) -> None:
        self._sorted = None
        if key in self._born:
            self._born.discard(key)
            self.dirty_keys.discard(key)
            del self._rows[key]
        else:
            if self._older:
                self._from_older(key)
            self._rows[key] = None
            self.dirty_keys.add(key)

    def scan(self, start: bytes = b"", stop: bytes | None = None) -> Iterator[tuple[bytes, R]]:
        """Rows with start <= key < stop in order, overlay and store as one. The table may be
        changed while the scan runs; whether it shows such a change is not defined.

        Costs what it yields, and the order of the dirty keys if these changed. Deleted rows at the
        front of the table are skipped only once: timers and retention are deleted from there.
        """
        dirty = self.dirty_keys
        changed = self._dirty_between(start, stop)
        known = ((key, None) for key in changed)
        merged = heapq.merge(known, self._stored(start, stop), key=lambda pair: pair[0])
        unwritten = set(changed)
        for key, value in merged:
            if value is None:
                row = self.get(key)
            elif key in unwritten:
                continue  # the overlay has a newer row of this key
            elif key in dirty:
                row = self._rows[key]
            else:
                row = self._rows.get(key) or self._older.get(key) or self._decode(value)
            if row is not None:
                yield key, row

    def keys(self, start: bytes, stop: bytes) -> Iterator[bytes]:
        """Keys of the rows that `scan` gives; the rows are not read."""
        changed = set(self._dirty_between(start, stop))
        cut, rows = len(self.prefix), self._rows
        stored = self._store.keys(self.prefix + start, self.prefix + stop)
        clean = (key[cut:] for key in stored if key[cut:] not in changed)
        live = sorted(key for key in changed if rows[key] is not None)
        return heapq.merge(live, clean)

    def _dirty_between(self, start: bytes, stop: bytes | None) -> list[bytes]:
        if self._sorted is None:
            self._sorted = sorted(self.dirty_keys)
        end = len(self._sorted) if stop is None else bisect_left(self._sorted, stop)
        return self._sorted[bisect_left(self._sorted, start) : end]

    def _stored(self, start: bytes, stop: bytes | None) -> Iterator[tuple[bytes, bytes]]:
        cut = len(self.prefix)
        is_from_first = start <= self._first
        start = max(start, self._first)
        if stop is not None and stop <= start:
            return
        end = prefix_end(self.prefix) if stop is None else self.prefix + stop
        first = None if is_from_first else b""
        for key, value in self._store.scan(self.prefix + start, end):
            key = key[cut:]
            if first is None:
                first = self._first = key
            yield key, value
        if first is None and stop is not None:
            self._first = stop

    def drain(self, writes: list[tuple[bytes, bytes | None]]) -> None:
        """Add the dirty rows to a batch, in key order. Deleted rows are dropped from memory."""
        if self.dirty_keys:
            self._drain_dirty(writes)
        if self._recent_bytes > self._account.generation_bytes_max:
            self.drop_unused()

    def _drain_dirty(self, writes: list[tuple[bytes, bytes | None]]) -> None:
        dirty = sorted(self.dirty_keys)
        values = encode_rows(map(self._rows.__getitem__, dirty))
        writes += zip(map(self.prefix.__add__, dirty), values, strict=True)
        if self._is_rarely_read:
            self._leave(dirty)
        else:
            self._keep(dirty, values)
        if dirty[0] < self._first:
            self._first = dirty[0]
        self.dirty_keys.clear()
        self._born.clear()
        self._sorted = None

    def _leave(self, written: list[bytes]) -> None:
        rows, sizes = self._rows, self._sizes
        for key in written:
            del rows[key]
        if sizes:
            self._note_size(-sum(sizes.pop(key, 0) for key in written))

    def _keep(self, written: list[bytes], values: list[bytes | None]) -> None:
        rows, sizes, kept_bytes_max = self._rows, self._sizes, self._kept_bytes_max
        more_bytes = 0
        for key, value in zip(written, values, strict=True):
            before_bytes = sizes.get(key, 0)
            if value is None or len(value) > kept_bytes_max:
                del rows[key]
                if before_bytes:
                    del sizes[key]
                    more_bytes -= before_bytes
            else:
                sizes[key] = size_bytes = len(value) + ROW_OVERHEAD_BYTES
                more_bytes += size_bytes - before_bytes
        self._note_size(more_bytes)

    def _count(self, key: bytes, encoded_bytes: int) -> None:
        size_bytes = encoded_bytes + ROW_OVERHEAD_BYTES
        self._note_size(size_bytes - self._sizes.get(key, 0))
        self._sizes[key] = size_bytes

    def _note_size(self, more_bytes: int) -> None:
        self._account.clean_bytes += more_bytes
        self._recent_bytes += more_bytes

    def drop_unused(self) -> int:
        """Give up the clean rows not used since the last time; how many rows it looked at."""
        sizes, looked_at = self._sizes, len(self._older) + len(self._rows)
        self._account.clean_bytes -= sum(sizes.pop(key, 0) for key in self._older)
        if self.dirty_keys:  # rare: another partition asked for room
            dirty, rows = self.dirty_keys, self._rows
            self._older = {key: row for key, row in rows.items() if key not in dirty}
            self._rows = {key: rows[key] for key in dirty}
        else:
            self._older, self._rows = self._rows, {}
        self._recent_bytes = sum(sizes.get(key, 0) for key in self._rows)
        return looked_at
