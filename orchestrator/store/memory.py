"""A store in this process's memory, and a home that outlives it in a simulation."""

from bisect import bisect_left, insort
from collections.abc import Iterator

from orchestrator.store.port import CHECKPOINTS_KEPT, Writes
from orchestrator.store.stamp import read_stamp


class MemoryHome:
    """Keeps what was flushed: what is written after it is lost with the process."""

    def __init__(self) -> None:
        self.flushed: dict[bytes, bytes] = {}
        self.copies: dict[int, dict[bytes, bytes]] = {}

    def candidates(self) -> Iterator["MemoryStore"]:
        live = MemoryStore(self, self.flushed)
        stamp = read_stamp(live)
        if stamp is not None and stamp.applied >= max(self.copies, default=0):
            yield live
        for applied in sorted(self.copies, reverse=True):
            self.flushed = dict(self.copies[applied])
            yield MemoryStore(self, self.flushed)
            del self.copies[applied]  # it did not fit: it must not count as an older copy
        self.flushed = {}
        yield MemoryStore(self)

    def checkpoints(self) -> list[int]:
        return sorted(self.copies)

    def keep(self, applied: int, rows: dict[bytes, bytes]) -> None:
        self.copies[applied] = dict(rows)
        for old in sorted(self.copies)[:-CHECKPOINTS_KEPT]:
            del self.copies[old]


class MemoryStore:
    """The `DurableStore` port over a dict and its sorted keys."""

    def __init__(
        self, home: MemoryHome | None = None, rows: dict[bytes, bytes] | None = None
    ) -> None:
        self._home = home if home is not None else MemoryHome()
        self._rows = dict(rows or {})
        self._keys = sorted(self._rows)
        self.get = self._rows.get

    def scan(self, start: bytes, stop: bytes) -> Iterator[tuple[bytes, bytes]]:
        rows = self._rows
        keys = self._keys[bisect_left(self._keys, start) : bisect_left(self._keys, stop)]
        return iter([(key, rows[key]) for key in keys])

    def keys(self, start: bytes, stop: bytes) -> Iterator[bytes]:
        return iter(self._keys[bisect_left(self._keys, start) : bisect_left(self._keys, stop)])

    def write(self, writes: Writes) -> None:
        rows, keys = self._rows, self._keys
        for key, value in writes:
            if value is not None:
                if key not in rows:
                    insort(keys, key)
                rows[key] = value
            elif key in rows:
                del rows[key]
                del keys[bisect_left(keys, key)]

    def checkpoint(self, name: str) -> None:
        self._home.keep(int(name), self._rows)

    def flush(self) -> None:
        self._home.flushed = dict(self._rows)

    def backlog(self) -> int:
        return 0

    def close(self) -> None:
        """An orderly end loses nothing, as with RocksDB."""
        self.flush()
