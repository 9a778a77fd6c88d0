"""Homes of stores that forget what was not flushed, and take nothing from the dead.

A store that is not closed as it should be keeps its lock for a while.
"""

from asyncio import CancelledError
from collections.abc import Iterator
from typing import Protocol

from orchestrator.store.memory import MemoryHome, MemoryStore
from orchestrator.store.port import StoreError, Writes
from tests.simulation.clockwork import Life
from tests.simulation.lagging import StoreLag


class Disk(Life, Protocol):
    """A process and the disk it writes to."""

    @property
    def is_zombie(self) -> bool:
        """It goes on writing to a disk that nobody reads."""
        ...

    def store_fails(self) -> bool:
        """The disk does not do what it is asked this time."""
        ...

    def store_lock_s(self) -> float:
        """How long a store that is closed keeps its lock; 0 if it is closed as it should be."""
        ...

    def now_s(self) -> float: ...


class ProcessHome:
    """A `StoreHome` of one process over what outlives it."""

    def __init__(self, home: MemoryHome, life: Disk, lag: StoreLag | None = None) -> None:
        self._home = home
        self.life = life
        self.lag = lag
        self.locked_until_s = -1.0

    def candidates(self) -> Iterator["ProcessStore"]:
        if self.life.now_s() < self.locked_until_s:
            raise StoreError("another store holds the lock")
        if self.life.is_zombie:
            yield from self._of_zombie()
            return
        for store in self._home.candidates():
            if not self.life.lives():
                raise CancelledError  # the dead restore nothing
            yield ProcessStore(store, self.life, self)

    def _of_zombie(self) -> Iterator["ProcessStore"]:
        """A copy of what there was: nothing it does to it counts."""
        home = self._home
        for rows in (home.flushed, *(home.copies[at] for at in sorted(home.copies)), {}):
            yield ProcessStore(MemoryStore(rows=rows), self.life)

    def checkpoints(self) -> list[int]:
        return self._home.checkpoints()


class ProcessStore:
    """A store whose writes, flushes and copies are moments at which the process may die."""

    def __init__(self, inner: MemoryStore, life: Disk, home: ProcessHome | None = None) -> None:
        self._inner = inner
        self.life = life
        self._home = home
        self._lag = None if home is None else home.lag

    def get(self, key: bytes) -> bytes | None:
        self._perhaps_fail()
        return self._inner.get(key)

    def scan(self, start: bytes, stop: bytes) -> Iterator[tuple[bytes, bytes]]:
        self._perhaps_fail()
        return self._inner.scan(start, stop)

    def keys(self, start: bytes, stop: bytes) -> Iterator[bytes]:
        self._perhaps_fail()
        return self._inner.keys(start, stop)

    def write(self, writes: Writes) -> None:
        self.life.lives()
        self._perhaps_fail()
        self._inner.write(writes)
        if self._lag is not None:
            self._lag.wrote(writes)

    def checkpoint(self, name: str) -> None:
        if self.life.lives() and not self.life.is_zombie:
            self._perhaps_fail()
            self._inner.checkpoint(name)

    def flush(self) -> None:
        if self.life.lives() and not self.life.is_zombie:
            self._perhaps_fail()
            self._inner.flush()

    def backlog(self) -> int:
        return 0 if self._lag is None else self._lag.files()

    def _perhaps_fail(self) -> None:
        if self.life.store_fails():
            raise StoreError("the disk does not answer")

    def close(self) -> None:
        self._inner.close()
        lock_s = self.life.store_lock_s() if self._home is not None else 0.0
        if self._home is not None and lock_s:
            self._home.locked_until_s = self.life.now_s() + lock_s
            raise StoreError("somebody still reads: the store is not closed yet")
