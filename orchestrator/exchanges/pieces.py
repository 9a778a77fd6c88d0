"""Bytes on their way, in the pieces in which they came. Pure."""

from collections import deque
from collections.abc import Iterable


class Pieces:
    """A queue of bytes; large ones are cut, small ones joined, and none is copied twice."""

    __slots__ = ("_chunks", "_offset", "size_bytes")

    def __init__(self, chunks: Iterable[bytes] = ()) -> None:
        self._chunks = deque(chunks)
        self._offset = 0  # of the first one: taken already
        self.size_bytes = sum(map(len, self._chunks))

    def add(self, data: bytes) -> None:
        self._chunks.append(data)
        self.size_bytes += len(data)

    def clear(self) -> None:
        self._chunks.clear()
        self._offset = self.size_bytes = 0

    def take(self, bytes_max: int) -> bytes:
        """At most so many bytes; there must be some."""
        chunks = self._chunks
        if len(chunks) == 1 and not self._offset and self.size_bytes <= bytes_max:
            self.size_bytes = 0
            return chunks.popleft()
        parts: list[bytes] = []
        left = bytes_max
        while chunks and left:
            begin, end = self._offset, self._offset + left
            part = chunks[0][begin:end]
            if end < len(chunks[0]):
                self._offset = end
            else:
                self._offset = 0
                chunks.popleft()
            parts.append(part)
            left -= len(part)
        data = parts[0] if len(parts) == 1 else b"".join(parts)
        self.size_bytes -= len(data)
        return data
