"""One segment of the embedded log: a head, then frames end to end, then zeros written beforehand.

The head says where the frames of the segment begin and which offset each partition had reached
there; so a log whose older segments are gone still knows its offsets. The zeros make a write into
the segment change no metadata of the file system: one sync is one write of data.
"""

import contextlib
from array import array
from collections.abc import Sequence
from struct import Struct
from typing import Final
from zlib import crc32

from orchestrator.log.embedded.frames import Window
from orchestrator.log.files import File, Files, write_whole
from orchestrator.log.port import LogCorrupt

SUFFIX: Final = ".segment"

_MAGIC: Final = b"PDSEGM\x00\x01"
_HEAD: Final = Struct("<8s16sQI")
_CRC: Final = Struct("<I")
_PAGE_BYTES: Final = 4096
_ZEROS: Final = bytes(1 << 20)
_JOINED_BYTES_MAX: Final = 256 << 10
_SMALL_BYTES_MAX: Final = 64 << 10
_SYNC_EVERY_BYTES: Final = 4 << 20
"""Zeros are synced in pieces, so that a sync of the log beside it waits for little."""


class Segment:
    """An open segment; positions are counted as in its frames."""

    def __init__(self, file: File, base: int, starts: Sequence[int], head_bytes: int) -> None:
        self.file = file
        self.name = segment_name(base)
        self.base = base
        self.starts = list(starts)  # next offset by partition (+ 1: the metadata come first)
        self.head_bytes = head_bytes
        self.limit = base + file.length() - head_bytes
        self.end = base  # below it everything is durable
        self._positions: list[array[int]] | None = None

    @property
    def room_bytes(self) -> int:
        return self.limit - self.end

    def window(self, limit: int) -> Window:
        return Window(self.file, self.base, self.head_bytes, min(limit, self.limit))

    def at(self, position: int) -> int:
        """Where in the file a position is."""
        return position - self.base + self.head_bytes

    def write_at(self, position: int, pieces: Sequence[bytes]) -> None:
        """Write what is to stand end to end from a position on."""
        at = self.at(position)
        for piece in pieces:
            write_whole(self.file, at, piece)
            at += len(piece)

    def begin_empty(self) -> None:
        self._positions = [array("Q") for _ in self.starts]

    def add(self, partition: int, position: int) -> None:
        assert self._positions is not None, "only a scanned segment is written to"
        self._positions[partition + 1].append(position)

    def positions(self, partition: int) -> "array[int]":
        """Where the messages of a partition stand, from `starts` on."""
        if self._positions is None:
            self._scan_whole()
        assert self._positions is not None
        return self._positions[partition + 1]

    def _scan_whole(self) -> None:
        """Index a segment that was left behind: all of it was durable, so all of it is whole."""
        end = self.end
        reached, _ = self.scan(end)
        if reached != end:
            raise LogCorrupt(
                f"segment {self.name} is damaged at position {reached}, below {end}, where"
                " everything had been made durable"
            )

    def scan(self, limit: int) -> tuple[int, int]:
        """Index the frames; returns where they end and what was known durable at the last."""
        found = [array("Q") for _ in self.starts]
        position = durable = self.base
        for frame in self.window(limit).frames(self.base):
            index = frame.partition + 1
            if not 0 <= index < len(found):
                raise LogCorrupt(f"segment {self.name} names partition {frame.partition}")
            expected = self.starts[index] + len(found[index])
            if frame.offset != expected:
                raise LogCorrupt(
                    f"segment {self.name} has offset {frame.offset} of partition"
                    f" {frame.partition} where {expected} belongs"
                )
            found[index].append(frame.position)
            position, durable = frame.end, frame.durable
        self._positions = found
        return position, durable


def pieces_of(parts: list[bytes]) -> list[bytes]:
    """The same bytes for few writes: small parts are joined, large ones are not copied."""
    if sum(map(len, parts)) <= _JOINED_BYTES_MAX:
        return [b"".join(parts)]
    pieces: list[bytes] = []
    small: list[bytes] = []
    for part in parts:
        if len(part) <= _SMALL_BYTES_MAX:
            small.append(part)
            continue
        if small:
            pieces.append(b"".join(small))
            small = []
        pieces.append(part)
    return [*pieces, b"".join(small)] if small else pieces


def segment_name(base: int) -> str:
    return f"{base:020d}{SUFFIX}"


def head_bytes_of(partition_count: int) -> int:
    used = _HEAD.size + 8 * (partition_count + 1) + _CRC.size
    return -(-used // _PAGE_BYTES) * _PAGE_BYTES


def encode_head(identity: bytes, base: int, starts: Sequence[int]) -> bytes:
    head = _HEAD.pack(_MAGIC, identity, base, len(starts)) + array("Q", starts).tobytes()
    return (head + _CRC.pack(crc32(head))).ljust(head_bytes_of(len(starts) - 1), b"\0")


def open_segment(files: Files, name: str, identity: bytes, partition_count: int) -> Segment:
    """Open a segment by its name and verify its head."""
    file = files.open(name)
    count = partition_count + 1
    data = file.read_at(0, head_bytes_of(partition_count))
    size = _HEAD.size + 8 * count
    if len(data) < size + _CRC.size or crc32(data[:size]) != _CRC.unpack_from(data, size)[0]:
        raise LogCorrupt(f"the head of segment {name} is damaged")
    magic, owner, base, starts_count = _HEAD.unpack_from(data)
    if magic != _MAGIC or owner != identity or starts_count != count or name != segment_name(base):
        raise LogCorrupt(f"segment {name} belongs to another log")
    starts = array("Q", data[_HEAD.size : size])
    return Segment(file, base, starts, len(data))


def write_zeros(file: File, start: int, end: int) -> None:
    """Fill with zeros and sync; raises `OSError` when the device takes no more."""
    position = start
    while position < end:
        piece = _ZEROS[: min(len(_ZEROS), end - position)]
        write_whole(file, position, piece)
        position += len(piece)
        if (position - start) % _SYNC_EVERY_BYTES == 0:
            file.sync()
    file.sync()


def discard(files: Files, name: str, file: File) -> None:
    """Let go of a file that never became part of the log; the next start deletes what is left."""
    file.close()
    with contextlib.suppress(OSError):
        files.delete(name)
