"""The store on RocksDB: one database, one column family, no write-ahead log.

The write-ahead log is off because the log replays what was lost. With one column family every
table file that RocksDB flushed ends between two batches, so whatever a killed process leaves
holds whole batches, each with the offset it stands for.
"""

from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from threading import Lock
from typing import Any, Generic, TypeVar
from weakref import WeakSet

from rocksdict import (
    BlockBasedOptions,
    Cache,
    Checkpoint,
    DBCompressionType,
    Options,
    Rdict,
    RdictIter,
    ReadOptions,
    WriteBatch,
    WriteBufferManager,
    WriteOptions,
)

from orchestrator.runtime.directories import sync_directory
from orchestrator.store.port import StoreError, Writes

MEMTABLE_BYTES = 8 << 20
MEMTABLES_MAX = 8  # writes are blocked once as many wait for their flush
UNSORTED_SLOW, UNSORTED_STOP = 150, 300
"""Files of the first level from which RocksDB slows writes down, and blocks them: it would hold up
the loop, and the interpreter. Who writes much looks at `backlog`, and waits long before."""
_QUIET_BACKLOG = 12  # a flush is begun at once; with many that wait, RocksDB waits as well
BLOCK_CACHE_BYTES = 16 << 20  # shared by the partitions of a process
MEMTABLES_BYTES = 32 << 20  # of all partitions together: the largest is flushed first
BLOOM_BITS = 10
MEMTABLE_BLOOM_RATIO = 0.05  # most ids that are looked up are new: a bloom filter answers for them
OPEN_FILES_MAX = 256
INFO_LOG_BYTES = 1 << 20
CORRUPTION = "Corruption:"  # what RocksDB says of bytes that are not what it wrote

T = TypeVar("T")


class RocksMemory:
    """What the databases of a process share: one cache of blocks, one budget for memtables."""

    def __init__(self) -> None:
        self.blocks = Cache(BLOCK_CACHE_BYTES)
        self.memtables = WriteBufferManager(MEMTABLES_BYTES, False)


def _options(memory: RocksMemory) -> Options:
    blocks = BlockBasedOptions()
    blocks.set_block_cache(memory.blocks)
    blocks.set_bloom_filter(BLOOM_BITS, False)
    options = Options(raw_mode=True)
    options.create_if_missing(True)
    options.set_block_based_table_factory(blocks)
    options.set_write_buffer_size(MEMTABLE_BYTES)
    options.set_write_buffer_manager(memory.memtables)
    options.set_max_write_buffer_number(MEMTABLES_MAX)
    options.set_level_zero_slowdown_writes_trigger(UNSORTED_SLOW)
    options.set_level_zero_stop_writes_trigger(UNSORTED_STOP)
    options.set_memtable_whole_key_filtering(True)
    options.set_memtable_prefix_bloom_ratio(MEMTABLE_BLOOM_RATIO)
    options.set_compression_type(DBCompressionType.lz4())
    options.set_max_background_jobs(2)
    options.set_max_open_files(OPEN_FILES_MAX)
    options.set_keep_log_file_num(2)
    options.set_max_log_file_size(INFO_LOG_BYTES)
    options.set_stats_dump_period_sec(0)
    options.set_stats_persist_period_sec(0)
    return options


def _error(path: Path, error: Exception) -> StoreError:
    return StoreError(f"{path}: {error}", corrupt=CORRUPTION in str(error))


def _mapped(call: Callable[[], T], path: Path) -> T:
    try:
        return call()
    except Exception as error:  # the library raises nothing narrower
        raise _error(path, error) from error


class _Scan(Generic[T]):
    """Rows or keys. It ends with an error, not like a whole one, if its store is closed."""

    __slots__ = ("__weakref__", "_is_cut", "_rows")

    def __init__(self, rows: Generator[T, None, None]) -> None:
        self._rows = rows
        self._is_cut = False

    def __iter__(self) -> "_Scan[T]":
        return self

    def __next__(self) -> T:
        try:
            return next(self._rows)
        except StopIteration:
            if self._is_cut:
                raise StoreError("the store was closed while it was read") from None
            raise

    def cut(self) -> None:
        """Drop the iterator: while one is there, the directory of the database stays locked."""
        self._is_cut = True
        self._rows.close()


class RocksStore:
    """The `DurableStore` port over one database directory.

    Used by one thread; only `flush` may run in another one beside it.
    """

    def __init__(self, path: Path, checkpoints: Path, memory: RocksMemory) -> None:
        _mapped(lambda: path.mkdir(parents=True, exist_ok=True), path)
        self._path = path
        self._checkpoints = checkpoints
        self._db = _mapped(lambda: Rdict(str(path), _options(memory)), path)
        self._write_options = WriteOptions()
        # A property, which the library's type stub takes for a method.
        self._write_options.disable_wal = True  # type: ignore[method-assign,assignment]
        self._is_damaged = False
        self._flushing = Lock()
        self._scans: WeakSet[_Scan[Any]] = WeakSet()
        self.kept: Callable[[], None] = lambda: None  # called after each checkpoint
        self.damaged: Callable[[], None] = lambda: None  # called when closed damaged

    def get(self, key: bytes) -> bytes | None:
        try:
            value: bytes | None = self._db.get(key)
        except Exception as error:  # the library raises nothing narrower
            raise self._noted(error) from error
        return value

    def scan(self, start: bytes, stop: bytes) -> Iterator[tuple[bytes, bytes]]:
        return self._scan(start, stop, lambda rows: (rows.key(), rows.value()))

    def keys(self, start: bytes, stop: bytes) -> Iterator[bytes]:
        return self._scan(start, stop, lambda rows: rows.key())

    def _scan(self, start: bytes, stop: bytes, read: Callable[[RdictIter], T]) -> Iterator[T]:
        bounds = ReadOptions()
        bounds.set_iterate_upper_bound(stop)  # never the lower bound: it sets the upper one
        # Made here and not in the generator: rows are those of now, not of the first `next`.
        rows = _mapped(lambda: self._db.iter(bounds), self._path)
        scan = _Scan(self._rows(rows, start, bounds, stop, read))
        self._scans.add(scan)
        return scan

    def _rows(
        self,
        rows: RdictIter,
        start: bytes,
        bounds: ReadOptions,
        stop: bytes,
        read: Callable[[RdictIter], T],
    ) -> Generator[T, None, None]:
        # The iterator compares with the memory of `stop`, which the library neither copies nor
        # keeps: both live here for as long as it does.
        try:
            rows.seek(start)
            valid, forward = rows.valid, rows.next
            while valid():
                yield read(rows)
                forward()
            rows.status()  # a scan that meets damage ends like one at its end, but has an error
        except Exception as error:  # the library raises nothing narrower
            raise self._noted(error) from error
        finally:
            del bounds, stop

    def write(self, writes: Writes) -> None:
        batch = WriteBatch(raw_mode=True)
        size_bytes = 0
        for key, value in writes:
            if value is None:
                batch.delete(key)
            else:
                batch.put(key, value)
                size_bytes += len(value)
        self._do(lambda: self._db.write(batch, self._write_options))
        if size_bytes >= MEMTABLE_BYTES and self.backlog() < _QUIET_BACKLOG:
            # Else a large value stays in memory until the next write, and is flushed beside it.
            self._do(lambda: self._db.flush(False))

    def flush(self) -> None:
        with self._flushing:
            self._do(self._db.flush)  # releases the GIL

    def backlog(self) -> int:
        def count() -> int:
            files = self._db.property_int_value("rocksdb.num-files-at-level0")
            unflushed = self._db.property_int_value("rocksdb.num-immutable-mem-table")
            return int(files or 0) + 4 * int(unflushed or 0)  # a memtable holds up writes sooner

        return _mapped(count, self._path)  # a microsecond

    def checkpoint(self, name: str) -> None:
        # Holds the interpreter: flush in a thread before, so that little is left to write.
        path = self._checkpoints / name
        _mapped(lambda: path.parent.mkdir(parents=True, exist_ok=True), path)
        if not path.is_dir():
            self._do(lambda: Checkpoint(self._db).create_checkpoint(str(path)))
            _mapped(lambda: sync_directory(path.parent), path)  # before the log forgets
        self.kept()

    def close(self) -> None:
        """Wait for a flush under way, end the scans, release the directory."""
        for scan in list(self._scans):
            scan.cut()
        with self._flushing:  # a database cannot be closed while a call is in it
            _mapped(self._db.close, self._path)
        if self._is_damaged:
            self.damaged()

    def _do(self, call: Callable[[], object]) -> None:
        try:
            call()
        except Exception as error:  # the library raises nothing narrower
            raise self._noted(error) from error

    def _noted(self, error: Exception) -> StoreError:
        failure = _error(self._path, error)
        self._is_damaged |= failure.corrupt
        return failure
