"""A disk in memory that fails, tears writes and forgets what was not synced, driven by one seed."""

import os
import threading
from dataclasses import dataclass
from errno import EIO, ENOSPC
from random import Random

from orchestrator.log.files import File

SECTOR_BYTES = 512
PAGE_BYTES = 4096


class Crash(BaseException):
    """The machine or the process ends here."""


@dataclass
class Faults:
    """How likely each call fails, from 0 to 1."""

    write_fails: float = 0.0
    write_short: float = 0.0
    sync_fails: float = 0.0
    names_fail: float = 0.0
    crash: float = 0.0
    free_bytes: int = 1 << 40


class Inode:
    """What the cache holds of a file, and what the platter does."""

    def __init__(self) -> None:
        self.cached = bytearray()
        self.kept = bytearray()
        self.dirty: set[int] = set()  # pages written since the last sync

    def write(self, position: int, data: bytes) -> None:
        end = position + len(data)
        if len(self.cached) < end:
            self.cached.extend(bytes(end - len(self.cached)))
        self.cached[position:end] = data
        self.dirty.update(range(position // PAGE_BYTES, -(-end // PAGE_BYTES)))

    def keep(self, page: int, random: Random | None = None) -> None:
        """Bring a page to the platter; with `random` only some of its sectors."""
        start = page * PAGE_BYTES
        for at in range(start, min(start + PAGE_BYTES, len(self.cached)), SECTOR_BYTES):
            if random is not None and random.random() < 0.5:
                continue
            piece = self.cached[at : at + SECTOR_BYTES]
            if len(self.kept) < at:
                self.kept.extend(bytes(at - len(self.kept)))
            self.kept[at : at + len(piece)] = piece

    def sync(self) -> None:
        for page in self.dirty:
            self.keep(page)
        self._keep_length()

    def _keep_length(self) -> None:
        del self.kept[len(self.cached) :]
        self.kept.extend(bytes(len(self.cached) - len(self.kept)))
        self.dirty.clear()

    def sync_badly(self, random: Random) -> None:
        """Some pages get through, none is dirty any more: what the next sync says means nothing."""
        for page in self.dirty:
            self._keep_perhaps(page, random)
        self._keep_length()

    def _keep_perhaps(self, page: int, random: Random) -> None:
        chance = random.random()
        if chance < 0.4:
            self.keep(page)
        elif chance < 0.6:
            self.keep(page, random)

    def power_off(self, random: Random) -> None:
        kept_length = len(self.kept)
        for page in sorted(self.dirty):
            self._keep_perhaps(page, random)
        if random.random() < 0.5:  # a new length is forgotten, or stands over zeros
            del self.kept[max(kept_length, 0) :]
        self.cached = bytearray(self.kept)
        self.dirty.clear()


class FaultyFile:
    def __init__(self, disk: "FaultyDisk", inode: Inode) -> None:
        self._disk = disk
        self._inode = inode
        self._open = True
        self.sync_failed = False

    def read_at(self, position: int, length: int) -> bytes:
        assert self._open, "read of a closed file"
        return bytes(self._inode.cached[position : position + length])

    def write_at(self, position: int, data: bytes) -> int:
        assert self._open, "write to a closed file"
        faults, random = self._disk.faults, self._disk.random
        self._disk.perhaps_crash()
        if random.random() < faults.write_fails:
            raise OSError(ENOSPC, "no space left")
        if data and random.random() < faults.write_short:
            data = data[: random.randrange(len(data))]
        self._inode.write(position, data)
        self._disk.perhaps_crash()
        return len(data)

    def truncate(self, length: int) -> None:
        self._disk.perhaps_crash()
        if self._disk.random.random() < self._disk.faults.write_fails:
            raise OSError(EIO, "truncate failed")
        del self._inode.cached[length:]
        self._inode.cached.extend(bytes(length - len(self._inode.cached)))

    def sync(self) -> None:
        assert self._open, "sync of a closed file"
        assert not self.sync_failed, "a file was synced again after a failed sync"
        self._disk.perhaps_crash()
        if self._disk.random.random() < self._disk.faults.sync_fails:
            self._inode.sync_badly(self._disk.random)
            self.sync_failed = True
            raise OSError(EIO, "sync failed")
        self._inode.sync()
        self._disk.perhaps_crash()

    def length(self) -> int:
        return len(self._inode.cached)

    def close(self) -> None:
        self._open = False


class FaultyDisk:
    """One directory; `kill` ends the process, `power_off` the machine."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.faults = Faults()
        self._names: dict[str, Inode] = {}
        self._kept_names: dict[str, Inode] = {}
        self._name_states: list[dict[str, Inode]] = []  # since the last sync of names
        self._locked = False

    def perhaps_crash(self) -> None:
        if self.random.random() < self.faults.crash:
            raise Crash

    def kill(self) -> None:
        self._locked = False

    def power_off(self) -> None:
        """Keep a prefix of the changes of names, and of each file what a platter may hold."""
        self._locked = False
        states = [self._kept_names, *self._name_states]
        self._names = dict(self.random.choice(states))
        self._kept_names = dict(self._names)
        self._name_states = []
        for inode in self._names.values():
            inode.power_off(self.random)

    def damage(self, name: str, position: int) -> None:
        """Another bit at this place, in the cache and on the platter."""
        inode = self._names[name]
        inode.cached[position] ^= 1
        inode.kept[position] ^= 1

    def lose(self, name: str, position: int, length: int | None = None) -> None:
        """Zeros from a place on; `length` None: the file is cut there."""
        inode = self._names[name]
        for held in (inode.cached, inode.kept):
            if length is None:
                del held[position:]
            else:
                held[position : position + length] = bytes(len(held[position : position + length]))

    def contents(self, name: str) -> bytes:
        return bytes(self._names[name].cached)

    def lock(self) -> str:
        if self._locked:
            return "process 1"
        self._locked = True
        return ""

    def unlock(self) -> None:
        self._locked = False

    def names(self) -> list[str]:
        return sorted(self._names)

    def create(self, name: str) -> File:
        self._change_names()
        self._names[name] = Inode()
        self._name_states.append(dict(self._names))
        return FaultyFile(self, self._names[name])

    def open(self, name: str) -> File:
        return FaultyFile(self, self._names[name])

    def rename(self, name: str, new_name: str) -> None:
        self._change_names()
        self._names[new_name] = self._names.pop(name)
        self._name_states.append(dict(self._names))

    def delete(self, name: str) -> None:
        self._change_names()
        del self._names[name]
        self._name_states.append(dict(self._names))

    def sync_names(self) -> None:
        self._change_names()
        self._kept_names = dict(self._names)
        self._name_states = []

    def _change_names(self) -> None:
        self.perhaps_crash()
        if self.random.random() < self.faults.names_fail:
            raise OSError(EIO, "the directory cannot be changed")

    def space(self) -> tuple[int, int]:
        return self.faults.free_bytes, 1 << 41


class LateSyncs:
    """Syncs of such a disk's files that happen when their end is asked for."""

    fd = -1

    def __init__(self) -> None:
        self._file: File | None = None

    def begin(self, file: File) -> bool:
        assert self._file is None, "one at a time"
        self._file = file
        return True

    def end(self) -> None:
        file, self._file = self._file, None
        assert file is not None
        file.sync()

    def wait(self) -> None:
        pass

    def close(self) -> None:
        pass


class FaultySyncs:
    """Syncs of such a disk's files in a thread of their own."""

    def __init__(self) -> None:
        self.fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self.begun_count = 0
        self._thread = threading.Thread()
        self._error: OSError | None = None

    def begin(self, file: File) -> bool:
        self.begun_count += 1
        self._thread = threading.Thread(target=self._sync, args=(file,))
        self._thread.start()
        return True

    def _sync(self, file: File) -> None:
        self._error = None
        try:
            file.sync()
        except OSError as error:
            self._error = error
        os.eventfd_write(self.fd, 1)

    def end(self) -> None:
        os.eventfd_read(self.fd)
        self.wait()
        if self._error is not None:
            raise self._error

    def wait(self) -> None:
        self._thread.join()

    def close(self) -> None:
        os.close(self.fd)
