"""Files full of zeros for segments to come, made beforehand so that a turn seldom waits for one."""

import threading
from dataclasses import dataclass
from errno import ENOSPC
from typing import Final

from orchestrator.log.embedded.segments import discard, write_zeros
from orchestrator.log.files import UNFINISHED, File, Files

_ROUND_BYTES: Final = 64 << 10
_SPARE: Final = "spare" + UNFINISHED
_NEXT: Final = "next" + UNFINISHED


@dataclass(frozen=True, slots=True)
class SegmentSizes:
    """How large segments are, and what is left free on the device."""

    segment_bytes_min: int = 4 << 20
    segment_bytes_max: int = 64 << 20  # each segment doubles the one before, up to this
    reserve_bytes: int = 64 << 20  # never more than a sixteenth of the device


class Spares:
    """Makes zeroed files; `prepare` may run beside `take`."""

    def __init__(self, files: Files, sizes: SegmentSizes, head_bytes: int) -> None:
        self._files = files
        self._sizes = sizes
        self._head_bytes = head_bytes
        self._spare: File | None = None
        self._lock = threading.Lock()

    def wanted(self, room_bytes: int, segment_bytes: int) -> bool:
        return self._spare is None and 2 * room_bytes < segment_bytes

    def prepare(self, last_bytes: int) -> None:
        """Make the file for the segment after one of `last_bytes`; raises `OSError`."""
        with self._lock:
            if self._spare is None:
                self._spare = self._zeroed(_SPARE, self._size(2 * last_bytes, 0))

    def take(self, last_bytes: int, needed_bytes: int) -> tuple[str, File]:
        """A zeroed file with room for `needed_bytes` and its name; raises `OSError`."""
        with self._lock:
            spare, self._spare = self._spare, None
            if spare is not None:
                if spare.length() - self._head_bytes >= needed_bytes:
                    return _SPARE, spare
                discard(self._files, _SPARE, spare)
            return _NEXT, self._zeroed(_NEXT, self._size(2 * last_bytes, needed_bytes))

    def copy_of(self, length: int) -> tuple[str, File]:
        """A zeroed file to copy a segment of `length` to; raises `OSError`."""
        with self._lock:
            return _NEXT, self._zeroed(_NEXT, max(length, self._sizes.segment_bytes_min))

    def close(self) -> None:
        with self._lock:
            if self._spare is not None:
                discard(self._files, _SPARE, self._spare)
                self._spare = None

    def below_reserve(self) -> bool:
        free, total = self._files.space()
        return free < self._reserve(total)

    def _reserve(self, total_bytes: int) -> int:
        return min(self._sizes.reserve_bytes, total_bytes // 16)

    def _size(self, wanted: int, needed: int) -> int:
        """As large as wanted, or smaller where the device has little left."""
        sizes = self._sizes
        needed = -(-max(needed, 1) // _ROUND_BYTES) * _ROUND_BYTES
        size = max(needed, min(max(wanted, sizes.segment_bytes_min), sizes.segment_bytes_max))
        free, total = self._files.space()
        room = free - self._reserve(total)
        while size > room and size // 2 >= needed:
            size //= 2
        if size > room:
            raise OSError(ENOSPC, f"{free} bytes are free, which is kept as a reserve")
        return size

    def _zeroed(self, name: str, length: int) -> File:
        file = self._files.create(name)
        try:
            write_zeros(file, 0, self._head_bytes + length)
        except OSError:
            discard(self._files, name, file)
            raise
        return file
