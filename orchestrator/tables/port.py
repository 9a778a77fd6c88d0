"""The byte-level port under the tables: bytes by key, in order, a cache of the log."""

from collections.abc import Iterator, Sequence
from typing import Protocol

Pair = tuple[bytes, bytes]
"""Key and value of a row, as stored."""

Writes = Sequence[tuple[bytes, bytes | None]]  # None deletes


class Store(Protocol):
    """One partition's rows. A batch is atomic. Nothing is durable before `checkpoint`."""

    def get(self, key: bytes) -> bytes | None: ...

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

    def close(self) -> None: ...
