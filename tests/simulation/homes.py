"""Homes of stores that forget what was not flushed, and take nothing from the dead."""

from asyncio import CancelledError
from collections.abc import Iterator
from typing import Protocol

from orchestrator.store.memory import MemoryHome, MemoryStore
from orchestrator.store.port import Writes
from tests.simulation.clockwork import Life


class Disk(Life, Protocol):
    """A process and the disk it writes to."""

    @property
    def is_zombie(self) -> bool:
        """It goes on writing to a disk that nobody reads."""
        ...


class ProcessHome:
    """A `StoreHome` of one process over what outlives it."""

    def __init__(self, home: MemoryHome, life: Disk) -> None:
        self._home = home
        self._life = life

    def candidates(self) -> Iterator["ProcessStore"]:
        if self._life.is_zombie:
            yield from self._of_zombie()
            return
        for store in self._home.candidates():
            if not self._life.lives():
                raise CancelledError  # the dead restore nothing
            yield ProcessStore(store, self._life)

    def _of_zombie(self) -> Iterator["ProcessStore"]:
        """A copy of what there was: nothing it does to it counts."""
        home = self._home
        for rows in (home.flushed, *(home.copies[at] for at in sorted(home.copies)), {}):
            yield ProcessStore(MemoryStore(rows=rows), self._life)

    def checkpoints(self) -> list[int]:
        return self._home.checkpoints()


class ProcessStore:
    """A store whose writes, flushes and copies are moments at which the process may die."""

    def __init__(self, inner: MemoryStore, life: Disk) -> None:
        self._inner = inner
        self._life = life
        self.get = inner.get
        self.scan = inner.scan

    def write(self, writes: Writes) -> None:
        self._life.lives()
        self._inner.write(writes)

    def checkpoint(self, name: str) -> None:
        if self._life.lives() and not self._life.is_zombie:
            self._inner.checkpoint(name)

    def flush(self) -> None:
        if self._life.lives() and not self._life.is_zombie:
            self._inner.flush()

    def close(self) -> None:
        self._inner.close()
