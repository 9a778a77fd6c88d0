"""The data directory of a node: one server at a time, and what must not change between starts.

lock         held as long as the server runs; names its process
node.json    which log the data belongs to, and its partitions
durable      how far the embedded log was durable (log/embedded/durable_mark.py)
log/         the embedded log
metadata/    checkpoints of the metadata
stores/<n>/  the databases of partition n
"""

import contextlib
import fcntl
import os
import stat
from pathlib import Path
from typing import Annotated

import msgspec

from orchestrator.model.operating import OperatingError
from orchestrator.runtime.directories import sync_directory

_FORMAT = 1


class DirectoryRefused(OperatingError):
    """The directory cannot be used; the message says why and what to do."""


class NodeIdentity(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a start after the first one must agree with."""

    version: int
    log: str
    cluster: str
    partitions: Annotated[int, msgspec.Meta(ge=1)]
    identity: bytes = b""  # of the log; base64 in the file


class _Format(msgspec.Struct, frozen=True):
    """What every version of the file says."""

    version: int


class DataDirectory:
    """A data directory that is held by this process until `release`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = self._hold()

    @property
    def log(self) -> Path:
        return self.path / "log"

    @property
    def metadata(self) -> Path:
        return self.path / "metadata"

    def store(self, partition: int) -> Path:
        return self.path / "stores" / str(partition)

    def _hold(self) -> int:
        try:
            self._make()
            lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise self._unusable(error) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(lock, 20, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(lock)
            raise DirectoryRefused(
                "PD0203",
                f"The data directory {self.path} is in use by process {holder}.",
                "Stop that server, or give this one another --data-dir.",
            ) from None
        except OSError as error:  # a file system without locks
            os.close(lock)
            raise self._unusable(error) from error
        with contextlib.suppress(OSError):  # for people only: a full disk need not keep it
            os.ftruncate(lock, 0)
            os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
        return lock

    def _make(self) -> None:
        """Durably: who syncs a file in it does not sync the names of the directories above."""
        missing = [path for path in (self.path, *self.path.parents) if not path.exists()]
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path in missing:
            sync_directory(path.parent)
        self._close_to_others()

    def _close_to_others(self) -> None:
        """It holds what callers sent, and headers that let in. A group that was let in may stay."""
        for path in (self.path, self.log, self.metadata, self.path / "stores"):
            with contextlib.suppress(OSError):  # not there yet, or of a volume that is not ours
                mode = stat.S_IMODE(path.stat().st_mode)
                if mode & stat.S_IRWXO:
                    path.chmod(mode & ~stat.S_IRWXO)

    def _unusable(self, error: OSError) -> DirectoryRefused:
        return DirectoryRefused(
            "PD0202",
            f"The data directory {self.path} cannot be used: {error.strerror}.",
            "Give a directory that can be written, on a device with space, with --data-dir.",
        )

    def release(self) -> None:
        os.close(self._lock)

    def kept(self) -> NodeIdentity | None:
        """What an earlier start wrote down, if there was one."""
        file = self.path / "node.json"
        try:
            content = file.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._unreadable(file, error.strerror or str(error)) from error
        try:
            written_as = msgspec.json.decode(content, type=_Format).version
            if written_as == _FORMAT:
                return msgspec.json.decode(content, type=NodeIdentity)
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise self._unreadable(file, str(error)) from error
        raise DirectoryRefused(
            "PD0205",
            f"The data directory has format {written_as}, this server reads {_FORMAT}.",
            "Start the version of the server that wrote it.",
        )

    def _unreadable(self, file: Path, reason: str) -> DirectoryRefused:
        return DirectoryRefused(
            "PD0204", f"{file} cannot be read: {reason}.", "Restore it, or use another --data-dir."
        )

    def check(self, log: str, cluster: str, partitions: int | None, default: int) -> int:
        """The number of partitions to use; refuses data of another log."""
        kept = self.kept()
        if kept is None:
            return default if partitions is None else partitions
        if (kept.log, kept.cluster) != (log, cluster):
            raise DirectoryRefused(
                "PD0206",
                f"The data directory {self.path} belongs to the {kept.log} log of cluster "
                f"{kept.cluster}, not to the {log} log of {cluster}.",
                "Use another --data-dir.",
            )
        if partitions is not None and partitions != kept.partitions:
            raise DirectoryRefused(
                "PD0207",
                f"The data directory {self.path} has {kept.partitions} partitions, not "
                f"{partitions}.",
                f"Start with --partitions {kept.partitions}, or use another --data-dir.",
            )
        return kept.partitions

    def known_log(self) -> bytes | None:
        """Which log this directory's data belong to, if an earlier start got so far."""
        kept = self.kept()
        return None if kept is None else kept.identity or None

    def keep(self, log: str, cluster: str, partitions: int, identity: bytes) -> None:
        """Write down what later starts must agree with, once the log has agreed."""
        keeping = NodeIdentity(_FORMAT, log, cluster, partitions, identity)
        if self.kept() == keeping:
            return
        content = msgspec.json.encode(keeping) + b"\n"
        unfinished = self.path / "node.json.unfinished"
        try:
            with unfinished.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            unfinished.rename(self.path / "node.json")
            sync_directory(self.path)
        except OSError as error:
            raise self._unusable(error) from error
