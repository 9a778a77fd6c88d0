"""The byte-level port under the tables: bytes by key, in order, a cache of the log."""

from collections.abc import Iterator, Sequence
from typing import Protocol

Pair = tuple[bytes, bytes]
"""Key and value of a row, as stored."""

Writes = Sequence[tuple[bytes, bytes | None]]  # None deletes


class Store(Protocol):
    """One partition's rows, ordered by the bytes of their keys. Used by one thread.

    A batch is atomic; nothing is sure to outlive the machine before `checkpoint`. Every method, and
    a scan while it is iterated, may raise `StoreError` (`store/port.py`): then the rows must be
    read anew from another copy and the log.
    """

    def get(self, key: bytes) -> bytes | None:
        """The value; None if there is no such row."""
        ...

    def scan(self, start: bytes, stop: bytes) -> Iterator[Pair]:
        """Rows with start <= key < stop, in order, as they were when the scan began."""
        ...

    def keys(self, start: bytes, stop: bytes) -> Iterator[bytes]:
        """Keys of the same rows, whose values are not copied."""
        ...

    def write(self, writes: Writes) -> None:
        """One atomic batch."""
        ...

    def checkpoint(self, name: str) -> None:
        """Make a durable copy under `name`."""
        ...

    def close(self) -> None:
        """End all scans and release what is open; also after an error."""
        ...
