"""The Store port: bytes by key under the tables, and the places stores live in between processes.

A store is a cache of the log: whatever happens to it, the log brings back the same bytes.
"""

from collections.abc import Iterator
from typing import Protocol

from orchestrator.tables.port import Store, Writes

CHECKPOINTS_KEPT = 2  # the log is trimmed only below the older one


class StoreError(Exception):
    """The store could not do what was asked; its rows must be read anew.

    ``corrupt``: what it holds is damaged, so that another copy must be taken. Otherwise it may be
    sound, and the disk full or away: the same one is tried again.
    """

    def __init__(self, reason: str, *, corrupt: bool = False) -> None:
        super().__init__(reason)
        self.corrupt = corrupt


class StoreOfAnotherVersion(Exception):
    """Another version of the software wrote it: it is sound, and must be kept for that one."""


class DurableStore(Store, Protocol):
    """A store whose rows can be made to outlive the process."""

    def flush(self) -> None:
        """Make what is written durable; may be called in a thread, beside reads and writes."""
        ...

    def backlog(self) -> int:
        """How many files of recent writes it has still to put in order. Writing goes on whatever
        there are, but each costs reads and, in the end, blocks a write: who writes much waits."""
        ...


class StoreHome(Protocol):
    """Where the stores of one partition live. One process at a time opens them."""

    def candidates(self) -> Iterator[DurableStore]:
        """Stores to try, open, best first, the last one empty.

        Asking for the next one closes and discards the one before; after the last, it too.
        """
        ...

    def checkpoints(self) -> list[int]:
        """Offsets applied in the durable copies, rising."""
        ...


def checkpoint_name(applied: int) -> str:
    """The name of the copy that holds everything below this offset."""
    return f"{applied:020d}"


__all__ = [
    "CHECKPOINTS_KEPT",
    "DurableStore",
    "Store",
    "StoreError",
    "StoreHome",
    "StoreOfAnotherVersion",
    "Writes",
    "checkpoint_name",
]
