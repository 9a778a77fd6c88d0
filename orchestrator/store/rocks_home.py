"""Where the databases of a partition live on disk: the live one and two checkpoints.

    <directory>/live/                 what the process works on
    <directory>/checkpoints/<offset>  complete copies, of hard links

Only a checkpoint counts after a crash of the machine; what a killed process leaves in `live` is
taken if it opens, is no older than the newest checkpoint, and fits the log. What does not fit is
put aside, as `<name>.unfit`, until a new checkpoint shows that nothing of it is needed any more.
A live store that is found damaged is put aside too, and with it the checkpoint it was made of.
So is whatever stands in the place of one of these directories and is none.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from orchestrator.store.port import CHECKPOINTS_KEPT, StoreError, StoreOfAnotherVersion
from orchestrator.store.rocks import RocksMemory, RocksStore
from orchestrator.store.stamp import read_stamp

TABLE_FILE_SUFFIX = ".sst"
UNFIT_SUFFIX = ".unfit"
UNFINISHED_SUFFIX = ".tmp"  # of a checkpoint whose making was cut short
TRANSIENT = ("LOCK", "No space left", "Too many open files")
"""Signs that a store cannot be opened now though it may be sound: it is not put aside."""


class RocksHome:
    """The `StoreHome` port over one directory of a partition."""

    def __init__(self, directory: Path, memory: RocksMemory | None = None) -> None:
        self._directory = directory
        self._live = directory / "live"
        self._checkpoints = directory / "checkpoints"
        self._memory = memory if memory is not None else RocksMemory()
        self._made_of: int | None = None  # the checkpoint that `live` began as, in this process

    def candidates(self) -> Iterator[RocksStore]:
        self._clear_places()
        store = self._left_behind()
        if store is not None:
            yield store
            store.close()
        _put_aside(self._live)
        for applied in reversed(self.checkpoints()):
            checkpoint = self._checkpoint_path(applied)
            self._take(checkpoint)
            self._made_of = applied
            store = self._opened()
            if store is not None:
                yield store
                store.close()
            _put_aside(checkpoint)
        self._made_of = None
        _remove(self._live)
        empty = self._open()
        yield empty
        empty.close()
        _remove(self._live)  # the next look must not put it aside over what is there

    def checkpoints(self) -> list[int]:
        if not self._checkpoints.is_dir():
            return []
        paths = self._checkpoints.iterdir()
        return sorted(int(path.name) for path in paths if path.name.isdecimal() and path.is_dir())

    def _clear_places(self) -> None:
        """A file in the place of a directory would make every attempt to open a store fail."""
        with _store_errors(self._directory):
            copies = self._checkpoints.iterdir() if self._checkpoints.is_dir() else ()
            copied = [path for path in copies if path.name.isdecimal()]
            for path in (self._directory, self._live, self._checkpoints, *copied):
                if not path.is_dir():
                    _put_aside(path)

    def _left_behind(self) -> RocksStore | None:
        if not self._live.is_dir():
            return None
        store = self._opened()
        if store is None:
            return None
        try:
            stamp = read_stamp(store)
        except StoreOfAnotherVersion:
            store.close()
            raise
        except StoreError as error:
            store.close()
            if not error.corrupt:
                raise
            return None
        newest = max(self.checkpoints(), default=0)
        if stamp is not None and stamp.applied >= newest:
            return store
        store.close()
        return None

    def _opened(self) -> RocksStore | None:
        try:
            return self._open()
        except StoreError as error:
            if any(sign in str(error) for sign in TRANSIENT):
                raise
            return None

    def _open(self) -> RocksStore:
        store = RocksStore(self._live, self._checkpoints, self._memory)
        store.kept = self._drop_old
        store.damaged = self._drop_damaged
        return store

    def _drop_damaged(self) -> None:
        """Put aside a damaged live store, and the checkpoint it was made from: they share files."""
        made_of, self._made_of = self._made_of, None
        _put_aside(self._live)
        if made_of is not None and made_of in self.checkpoints():
            _put_aside(self._checkpoint_path(made_of))

    def _checkpoint_path(self, applied: int) -> Path:
        return next(
            path
            for path in self._checkpoints.iterdir()
            if path.name.isdecimal() and int(path.name) == applied
        )

    def _take(self, checkpoint: Path) -> None:
        """Make the live directory of a checkpoint; table files never change, so link them."""
        _remove(self._live)
        with _store_errors(checkpoint):
            self._live.mkdir(parents=True)
            for file in checkpoint.iterdir():
                if file.suffix == TABLE_FILE_SUFFIX:
                    os.link(file, self._live / file.name)
                else:
                    shutil.copy2(file, self._live / file.name)

    def _drop_old(self) -> None:
        """After a new checkpoint: keep two, and nothing of what did not fit or was cut short."""
        self._made_of = None
        for applied in self.checkpoints()[:-CHECKPOINTS_KEPT]:
            _remove(self._checkpoint_path(applied))
        for parent in (self._checkpoints, self._live.parent):
            for suffix in (UNFIT_SUFFIX, UNFINISHED_SUFFIX):
                for left in parent.glob("*" + suffix):
                    _remove(left)


@contextmanager
def _store_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(f"{path}: {error}") from error


def _remove(path: Path) -> None:
    with _store_errors(path):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif os.path.lexists(path):
            path.unlink()


def _put_aside(path: Path) -> None:
    if os.path.lexists(path):
        aside = path.with_name(path.name + UNFIT_SUFFIX)
        _remove(aside)
        with _store_errors(path):
            path.rename(aside)
