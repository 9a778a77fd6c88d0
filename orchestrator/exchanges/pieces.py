"""Bytes and frames on their way, in the pieces in which they came. Pure."""

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


class Frames:
    """A queue of whole frames, which are neither cut nor joined."""

    __slots__ = ("_waiting", "size_bytes")

    def __init__(self) -> None:
        self._waiting: list[bytes] = []
        self.size_bytes = 0

    def add(self, frames: list[bytes]) -> None:
        self._waiting += frames
        self.size_bytes += sum(map(len, frames))

    def clear(self) -> None:
        self._waiting = []
        self.size_bytes = 0

    def take_all(self) -> list[bytes]:
        frames, self._waiting, self.size_bytes = self._waiting, [], 0
        return frames

    def take(self, bytes_max: int, one_at_least: bool) -> tuple[list[bytes], int]:
        """The first ones, of at most so many bytes in all, and how many they are. `one_at_least`:
        the first one however large it is."""
        frames, size_bytes = self._waiting, self.size_bytes
        if size_bytes <= bytes_max:
            return self.take_all(), size_bytes
        size_bytes = count = 0
        for frame in frames:
            if size_bytes + len(frame) > bytes_max and (count or not one_at_least):
                break
            size_bytes += len(frame)
            count += 1
        self._waiting = frames[count:]
        self.size_bytes -= size_bytes
        return frames[:count], size_bytes
