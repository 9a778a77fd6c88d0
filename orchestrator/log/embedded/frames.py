"""The bytes of one message in a segment of the embedded log.

A frame is magic (4) · crc32 (4) · length (4) · partition (4, signed) · offset (8) · position (8)
· durable (8) · the message. All integers are little-endian. The checksum covers everything
behind it, the position too, so that a frame found at another place is none. ``durable`` is the
position below which everything was on disk when the frame was written: damage found below the
``durable`` of any later frame is corruption, other damage is the torn end of a last write.
Positions count bytes of frames since the log was made, through all segments.
"""

from collections.abc import Iterator
from struct import Struct
from typing import Final, NamedTuple
from zlib import crc32

from orchestrator.log.files import File

MAGIC: Final = b"\xf5Pd\x01"
_BODY: Final = Struct("<IiQQQ")
_CRC: Final = Struct("<I")
FRAME_HEAD_BYTES: Final = 8 + _BODY.size
MESSAGE_BYTES_MAX: Final = (1 << 31) - 1
_WINDOW_BYTES: Final = 1 << 20


class Frame(NamedTuple):
    """The head of a frame whose checksum was right, and its message."""

    position: int
    partition: int
    offset: int
    durable: int
    value: bytes

    @property
    def end(self) -> int:
        return self.position + FRAME_HEAD_BYTES + len(self.value)


def encode_frame(partition: int, offset: int, position: int, durable: int, value: bytes) -> bytes:
    """The head of the frame of `value`; the message itself follows it."""
    body = _BODY.pack(len(value), partition, offset, position, durable)
    return MAGIC + _CRC.pack(crc32(value, crc32(body))) + body


def decode_frames(data: bytes | memoryview, at: int, position: int) -> Frame | None:
    """The frame that starts at `data[at]` and stands at `position`; None if there is none whole."""
    start = at + FRAME_HEAD_BYTES
    if data[at : at + 4] != MAGIC or start > len(data):
        return None
    body = bytes(data[at + 8 : start])
    length, partition, offset, where, durable = _BODY.unpack(body)
    if where != position or start + length > len(data):
        return None
    value = bytes(data[start : start + length])
    if crc32(value, crc32(body)) != _CRC.unpack_from(data, at + 4)[0]:
        return None
    return Frame(position, partition, offset, durable, value)


class Window:
    """Reads of a segment through a buffer; `position` is counted as in the frames."""

    def __init__(self, file: File, base: int, head_bytes: int, limit: int) -> None:
        self._file = file
        self._shift = head_bytes - base
        self.limit = limit
        self._start = base
        self._data = b""

    def bytes_at(self, position: int, length: int) -> bytes:
        """`length` bytes from `position`, fewer at the limit."""
        length = max(0, min(length, self.limit - position))
        at = position - self._start
        if at < 0 or at + length > len(self._data):
            wanted = min(max(length, _WINDOW_BYTES), self.limit - position)
            self._data = self._file.read_at(position + self._shift, wanted)
            self._start, at = position, 0
        return self._data[at : at + length]

    def frame_at(self, position: int) -> Frame | None:
        head = self.bytes_at(position, FRAME_HEAD_BYTES)
        if len(head) < FRAME_HEAD_BYTES or not head.startswith(MAGIC):
            return None
        length, _, _, where, _ = _BODY.unpack_from(head, 8)
        if where != position or length > MESSAGE_BYTES_MAX:
            return None
        if position + FRAME_HEAD_BYTES + length > self.limit:
            return None
        return decode_frames(self.bytes_at(position, FRAME_HEAD_BYTES + length), 0, position)

    def frames(self, position: int) -> Iterator[Frame]:
        """Whole frames end to end from `position`, up to the first place that holds none."""
        while (frame := self.frame_at(position)) is not None:
            yield frame
            position = frame.end

    def frames_beyond(self, position: int) -> Iterator[Frame]:
        """Every whole frame at any place from `position` on, whatever lies between."""
        while position < self.limit:
            data = self.bytes_at(position, _WINDOW_BYTES)
            at = data.find(MAGIC)
            if at < 0:
                position += max(len(MAGIC), len(data)) - len(MAGIC) + 1
                continue
            frame = self.frame_at(position + at)
            if frame is not None:
                yield frame
            position = position + at + 1 if frame is None else frame.end

    def marked(self, position: int) -> Iterator[tuple[int, int]]:
        """(position, length) of the pieces from `position` on that are not zeros."""
        while position < self.limit:
            data = self.bytes_at(position, _WINDOW_BYTES)
            if not data:
                return
            if data.strip(b"\0"):
                yield position, len(data)
            position += len(data)
