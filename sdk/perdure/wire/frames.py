"""Frames: an eight-byte header (code, flags, length; big-endian) and a payload."""

from collections.abc import Iterator
from struct import Struct
from typing import Final

from perdure.wire.errors import FrameTooLarge, WireError

HEADER_BYTES: Final = 8
_CRUMB_BYTES: Final = 1024
HEADER: Final = Struct(">HHI")
"""Code, flags, bytes of the payload."""
_pack = HEADER.pack
_unpack_from = HEADER.unpack_from


def frame(code: int, payload: bytes, flags: int = 0) -> bytes:
    """Put the header before a payload."""
    return _pack(code, flags, len(payload)) + payload


def code_of(frame_bytes: bytes) -> int:
    """What kind of message a whole frame has."""
    return frame_bytes[0] << 8 | frame_bytes[1]


def whole_frames(data: bytes, limit_bytes: int) -> list[tuple[int, int, bytes]] | None:
    """Cut bytes that are nothing but whole frames, each with a payload below the limit, as
    `FrameReader.feed` does; None if they are not. Nearly all that arrives is."""
    frames = []
    start, end = 0, len(data)
    while start < end:
        if end - start < HEADER_BYTES:
            return None
        code, flags, size = _unpack_from(data, start)
        stop = start + HEADER_BYTES + size
        if stop > end or size >= limit_bytes:
            return None
        frames.append((code, flags, data[start:stop]))
        start = stop
    return frames


class FrameReader:
    """Cuts a stream of bytes, split anywhere, into whole frames.

    A payload of `limit_bytes` or more is refused as soon as its header is there.
    """

    __slots__ = ("_chunks", "_crumbs", "_failed", "_have_bytes", "_limit_bytes", "_need_bytes")

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._chunks: list[bytes] = []
        self._crumbs = bytearray()  # the last pieces, if they are small: an object each is too much
        self._have_bytes = 0
        self._need_bytes = HEADER_BYTES
        self._failed: FrameTooLarge | None = None

    @property
    def pending(self) -> bool:
        """Whether the stream stands in the middle of a frame."""
        return self._have_bytes > 0

    def feed(self, data: bytes) -> list[tuple[int, int, bytes]]:
        """Take what arrived; return the frames it completes as (code, flags, header and payload).

        Raises FrameTooLarge, then and at every later call; the frames before it are in the error.
        """
        if self._failed is not None:
            raise FrameTooLarge(
                self._failed.code, self._failed.size_bytes, self._limit_bytes, frames=[]
            )
        if self._have_bytes:
            # Pieces are joined once enough of them are there: a large frame costs one copy.
            self._have_bytes += len(data)
            if self._have_bytes < self._need_bytes:
                self._keep(data)
                return []
            data = b"".join((*self._chunks, self._crumbs, data))
            self._chunks.clear()
            self._crumbs.clear()
            self._have_bytes = 0
        elif len(data) >= HEADER_BYTES:
            code, flags, size = _unpack_from(data)
            if size + HEADER_BYTES == len(data) and size < self._limit_bytes:
                return [(code, flags, data)]  # nearly always one whole frame comes at a time
        return self._cut(data)

    def _keep(self, data: bytes) -> None:
        if len(data) < _CRUMB_BYTES:
            self._crumbs += data
            return
        if self._crumbs:
            self._chunks.append(bytes(self._crumbs))
            self._crumbs.clear()
        self._chunks.append(data)

    def _cut(self, data: bytes) -> list[tuple[int, int, bytes]]:
        frames: list[tuple[int, int, bytes]] = []
        limit_bytes = self._limit_bytes
        start, end = 0, len(data)
        need_bytes = HEADER_BYTES
        while end - start >= HEADER_BYTES:
            code, flags, size = _unpack_from(data, start)
            if size >= limit_bytes:
                self._failed = FrameTooLarge(code, size, limit_bytes, frames)
                raise self._failed
            stop = start + HEADER_BYTES + size
            if stop > end:
                need_bytes = HEADER_BYTES + size
                break
            frames.append((code, flags, data[start:stop]))
            start = stop
        if start < end:
            self._chunks.append(data[start:])
            self._have_bytes = end - start
            self._need_bytes = need_bytes
        return frames


def split(frames: bytes) -> Iterator[tuple[int, int, int, int]]:
    """Walk over frames laid end to end, as (code, flags, start, end); a payload is at start + 8."""
    start, total = 0, len(frames)
    while start < total:
        if total - start < HEADER_BYTES:
            raise WireError(f"{total - start} bytes after the last frame")
        code, flags, size = _unpack_from(frames, start)
        end = start + HEADER_BYTES + size
        if end > total:
            raise WireError(f"frame at {start} ends at {end}, there are {total} bytes")
        yield code, flags, start, end
        start = end


def count(frames: bytes) -> tuple[int, int]:
    """Count the frames laid end to end, and the commands among them."""
    entries = commands = 0
    for code, _, _, _ in split(frames):
        entries += 1
        if 0x0400 <= code < 0x8000:
            commands += 1
    return entries, commands
