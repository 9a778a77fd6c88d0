"""The file layer under the embedded log: a port, so that tests may tear, lose and refuse writes."""

import contextlib
import fcntl
import os
from errno import ENOSPC
from pathlib import Path
from typing import Final, Protocol

from orchestrator.runtime.directories import sync_directory

UNFINISHED: Final = ".new"
"""Names that end so were never part of the log; they are deleted when it is opened."""


class File(Protocol):
    """One open file; every call may raise `OSError`."""

    def read_at(self, position: int, length: int) -> bytes:
        """Up to `length` bytes: fewer only at the end of the file."""
        ...

    def write_at(self, position: int, data: bytes) -> int:
        """How many bytes were written; fewer than given when the device took no more."""
        ...

    def truncate(self, length: int) -> None: ...

    def sync(self) -> None:
        """Bytes written so far are durable; after an error never call it again on this file."""
        ...

    def length(self) -> int: ...

    def close(self) -> None: ...


class Files(Protocol):
    """One directory of files; every call may raise `OSError`."""

    def lock(self) -> str:
        """Take the directory for this process; returns "" or who holds it."""
        ...

    def unlock(self) -> None: ...

    def names(self) -> list[str]: ...

    def create(self, name: str) -> File:
        """A new empty file; an older one of that name is emptied."""
        ...

    def open(self, name: str) -> File: ...

    def rename(self, name: str, new_name: str) -> None: ...

    def delete(self, name: str) -> None: ...

    def sync_names(self) -> None:
        """Creations, renames and deletions so far are durable."""
        ...

    def space(self) -> tuple[int, int]:
        """Bytes free for us, and bytes in all, on the device."""
        ...


def write_whole(file: File, at: int, data: bytes) -> None:
    """Write all of `data`; a device that takes only a part of it is an `OSError` like any other."""
    if file.write_at(at, data) != len(data):
        raise OSError(ENOSPC, "the device took only a part of a write")


class DiskFile:
    """A file of the operating system."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def fileno(self) -> int:
        return self._fd

    def read_at(self, position: int, length: int) -> bytes:
        data = os.pread(self._fd, length, position)
        while len(data) < length:  # a signal, or more than one call may return
            more = os.pread(self._fd, length - len(data), position + len(data))
            if not more:
                break
            data += more
        return data

    def write_at(self, position: int, data: bytes) -> int:
        return os.pwrite(self._fd, data, position)

    def truncate(self, length: int) -> None:
        os.ftruncate(self._fd, length)

    def sync(self) -> None:
        if hasattr(os, "fdatasync"):
            os.fdatasync(self._fd)
        else:  # macOS: fsync alone leaves the bytes in the drive's cache
            fcntl.fcntl(self._fd, getattr(fcntl, "F_FULLFSYNC", 51))

    def length(self) -> int:
        return os.fstat(self._fd).st_size

    def close(self) -> None:
        os.close(self._fd)


class Disk:
    """A directory of the operating system; made when it is not there."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        sync_directory(directory.parent)
        self._lock_fd = -1

    def lock(self) -> str:
        fd = os.open(self._directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(fd, 64).decode("utf-8", "replace").strip()
            os.close(fd)
            return holder or "another process"
        with contextlib.suppress(OSError):  # for people only: a full disk need not keep it
            os.ftruncate(fd, 0)
            os.pwrite(fd, f"process {os.getpid()}\n".encode(), 0)
        self._lock_fd = fd
        return ""

    def unlock(self) -> None:
        if self._lock_fd >= 0:
            os.close(self._lock_fd)
            self._lock_fd = -1

    def names(self) -> list[str]:
        return sorted(os.listdir(self._directory))

    def create(self, name: str) -> File:
        flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        return DiskFile(os.open(self._directory / name, flags, 0o644))

    def open(self, name: str) -> File:
        return DiskFile(os.open(self._directory / name, os.O_RDWR | os.O_CLOEXEC))

    def rename(self, name: str, new_name: str) -> None:
        os.replace(self._directory / name, self._directory / new_name)

    def delete(self, name: str) -> None:
        os.unlink(self._directory / name)

    def sync_names(self) -> None:
        sync_directory(self._directory)

    def space(self) -> tuple[int, int]:
        found = os.statvfs(self._directory)
        return found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize
