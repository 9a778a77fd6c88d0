"""How far the log was durable, in a file of its own, so that a lost tail is noticed.

It is never above what was synced. It is written after every append that became durable, so it is
exact whatever ends the process. It is synced about once a second and when the log is closed, so
after a loss of power it may be a second old. Two slots, each in a page of its own, take turns: a
torn write leaves the other.

It is kept outside of the directory of the segments, so that an older copy of that directory does
not bring an older mark along.
"""

import threading
from struct import Struct
from typing import Final
from zlib import crc32

from orchestrator.log.files import UNFINISHED, File, Files, write_whole
from orchestrator.log.port import LogCorrupt

NAME: Final = "durable"
_MAGIC: Final = b"PDMARK\x00\x01"
_BODY: Final = Struct("<8s16sQQ")
_CRC: Final = Struct("<I")
_SLOT_BYTES: Final = 4096


class DurableMark:
    """The mark of one log; may be set from any thread."""

    def __init__(self, files: Files, identity: bytes) -> None:
        self._files = files
        self._identity = identity
        self._file: File | None = None
        self._count = 0
        self.position = 0
        self._synced = 0  # the mark that a loss of power leaves
        self._lock = threading.Lock()

    def create(self, count: int = 0, position: int = 0) -> None:
        """Begin, durably. Raises `OSError`."""
        file = self._files.create(NAME + UNFINISHED)
        try:
            slot = self._slot(count, position)
            write_whole(file, 0, slot.ljust(_SLOT_BYTES, b"\0") + slot)
            file.sync()
            self._files.rename(NAME + UNFINISHED, NAME)
            self._files.sync_names()
        except OSError:
            file.close()
            raise
        self._file = file

    def open(self) -> None:
        """Read it; `renew` makes a fresh file, since what a failed sync left in the cache can be
        read and is on no disk. Raises `OSError`, `LogCorrupt`."""
        if NAME not in self._files.names():
            raise LogCorrupt(f"its file {NAME} is gone")
        file = self._files.open(NAME)
        try:
            slots = [self._read(file, at) for at in (0, _SLOT_BYTES)]
        finally:
            file.close()
        found = [slot for slot in slots if slot is not None]
        if not found:
            raise LogCorrupt(f"its file {NAME} is damaged")
        self._count, self.position = max(found)

    def _read(self, file: File, at: int) -> tuple[int, int] | None:
        data = file.read_at(at, _BODY.size + _CRC.size)
        if len(data) < _BODY.size + _CRC.size:
            return None
        magic, identity, count, position = _BODY.unpack_from(data)
        if _CRC.unpack_from(data, _BODY.size)[0] != crc32(data[: _BODY.size]):
            return None
        return (count, position) if (magic, identity) == (_MAGIC, self._identity) else None

    def _slot(self, count: int, position: int) -> bytes:
        body = _BODY.pack(_MAGIC, self._identity, count, position)
        return body + _CRC.pack(crc32(body))

    def renew(self, position: int) -> None:
        """Go on in a fresh file; everything below `position` is durable. Raises `OSError`."""
        with self._lock:
            self._let_go()
            self._put(position)

    def note(self, position: int) -> None:
        """Everything below `position` is durable; without a sync, which is left to `set`."""
        # If another thread syncs the file now, skip this: the next append writes a later mark.
        if not self._lock.acquire(blocking=False):
            return
        try:
            if self._file is not None and position > self.position:
                self._write(self._file, position)
        except OSError:
            self._let_go()
        finally:
            self._lock.release()

    def set(self, position: int) -> None:
        """Everything below `position` is durable; write that and sync it, unless it is synced
        already. Raises `OSError`, and uses a fresh file the next time."""
        with self._lock:
            if position > self._synced:
                self._put(position)

    def _put(self, position: int) -> None:
        position = max(position, self.position)
        try:
            if self._file is None:
                self.create(self._count + 1, position)
                self._count, self.position = self._count + 1, position
            else:
                self._write(self._file, position)
                self._file.sync()
            self._synced = position
        except OSError:
            self._let_go()
            raise

    def _write(self, file: File, position: int) -> None:
        count = self._count + 1
        write_whole(file, count % 2 * _SLOT_BYTES, self._slot(count, position))
        self._count, self.position = count, position

    def close(self) -> None:
        with self._lock:
            self._let_go()

    def _let_go(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
