"""Tables: scans that cost what they yield, rows kept by bytes, and a model they must agree with."""

from random import Random

import pytest

from orchestrator.codec import keys
from orchestrator.model.rows import InputRow, RetentionRow, StateRow
from orchestrator.store.memory import MemoryStore
from orchestrator.tables import cache as cache_module
from orchestrator.tables.cache import Cache
from orchestrator.tables.port import Writes
from orchestrator.tables.state import State
from orchestrator.tables.table import Table


class CountingStore(MemoryStore):
    """Counts the rows that were read."""

    def __init__(self) -> None:
        super().__init__()
        self.read_count = 0
        inner = self.get
        self.get = lambda key: self._counted(inner(key))  # type: ignore[assignment]

    def _counted(self, value: bytes | None) -> bytes | None:
        self.read_count += 1
        return value

    def scan(self, start: bytes, stop: bytes):  # type: ignore[no-untyped-def]
        for pair in super().scan(start, stop):
            self.read_count += 1
            yield pair


class TombstoneStore(CountingStore):
    """What was deleted is still walked over, as in RocksDB before a compaction."""

    def write(self, writes: Writes) -> None:
        super().write([(key, b"" if value is None else value) for key, value in writes])

    def scan(self, start: bytes, stop: bytes):  # type: ignore[no-untyped-def]
        return (pair for pair in super().scan(start, stop) if pair[1])


def made(cache: Cache, store: MemoryStore | None = None) -> tuple[Table[StateRow], State]:
    state = State(0, 1, store or MemoryStore(), cache)
    return state.state_rows, state


def test_any_story_gives_what_a_dict_gives() -> None:
    """Spills, rows given up in between, scans of any range, changes while a scan runs."""
    for seed in range(150):
        random = Random(seed)
        cache = Cache(random.choice((0, 3_000, 1 << 20)))
        store = MemoryStore()
        table, state = made(cache, store)
        table._is_rarely_read = seed % 2 == 1
        model: dict[bytes, bytes] = {}
        for _ in range(150):
            key = bytes([random.randrange(24)])
            match random.randrange(8):
                case 0 | 1:
                    value = random.randbytes(random.choice((1, 900)))
                    (table.put if key in model else table.add)(key, StateRow(value))
                    model[key] = value
                case 2:
                    if key in model:
                        table.delete(key)
                        del model[key]
                case 3:
                    row = table.get(key)
                    if row is not None:
                        row.value += b"!"
                        table.touch(key)
                        model[key] += b"!"
                case 4:
                    state.spill()
                case 5:
                    cache.shrink(0)
                case 6:
                    start, stop = sorted((key, bytes([random.randrange(25)])))
                    found = [(k, row.value) for k, row in table.scan(start, stop)]
                    assert found == sorted((k, v) for k, v in model.items() if start <= k < stop)
                    assert list(table.keys(start, stop)) == [k for k, _ in found]
                case _:
                    _scan_while_deleting(table, model)
        state.spill()
        assert state.account.clean_bytes == sum(sum(t._sizes.values()) for t in state.tables)
        reopened, _ = made(Cache(), store)
        assert [(k, row.value) for k, row in reopened.scan()] == sorted(model.items())


def _scan_while_deleting(table: Table[StateRow], model: dict[bytes, bytes]) -> None:
    for number, (key, _) in enumerate(table.scan()):
        if number == 2:
            table.delete(key)
            del model[key]
            return


def test_rows_are_kept_by_bytes_and_what_is_used_stays() -> None:
    cache = Cache(1_000_000)
    store = CountingStore()
    table, state = made(cache, store)
    for number in range(200):
        table.add(b"%04d" % number, StateRow(b"v" * 20_000))
        table.get(b"0000")
        if number % 10 == 9:
            state.spill()
            assert cache.used_bytes <= cache.bytes_max
    store.read_count = 0
    table.get(b"0000")
    assert store.read_count == 0
    table.get(b"0100")
    assert store.read_count == 1


def test_one_budget_is_shared_by_all_partitions_and_idle_ones_give_way() -> None:
    cache = Cache(1_000_000)
    idle, idle_state = made(cache)
    for number in range(40):
        idle.add(b"%d" % number, StateRow(b"v" * 20_000))
    idle_state.spill()
    busy, busy_state = made(cache)
    for number in range(200):
        busy.add(b"%d" % number, StateRow(b"v" * 20_000))
        busy_state.spill()
        assert cache.used_bytes <= cache.bytes_max
    assert not idle._rows and not idle._older


def test_room_is_made_a_bounded_number_of_rows_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """All at once was 200 ms of silence where the budget was full of small rows."""
    monkeypatch.setattr(cache_module, "LOOKED_AT_MAX", 100)
    cache = Cache()
    filled = [made(cache) for _ in range(10)]
    for table, state in filled:
        for number in range(60):
            table.add(b"%d" % number, StateRow(b"v"))
        state.spill()
    whole = cache.used_bytes
    calls = 1
    while cache.shrink(1):
        assert cache.used_bytes >= whole - calls * 160 * whole // 600
        calls += 1
    assert calls > 5 and cache.used_bytes == 0


def test_rows_that_no_spill_wrote_count_and_are_never_given_up() -> None:
    cache = Cache(1_000)
    table, state = made(cache)
    table.add(b"k", StateRow(b"v"))
    state.account.dirty_bytes += 5_000
    assert cache.used_bytes == state.dirty_bytes == 5_000
    cache.shrink()
    row = table.get(b"k")
    assert row is not None and row.value == b"v"
    state.spill()
    assert state.dirty_bytes == 0 and cache.used_bytes <= 1_000


def test_a_partition_that_is_let_go_counts_no_more() -> None:
    cache = Cache()
    table, state = made(cache)
    table.add(b"k", StateRow(b"v" * 5_000))
    state.spill()
    assert cache.used_bytes > 5_000
    del table, state
    assert cache.used_bytes == 0


def _scan_reads(count: int) -> int:
    """Rows read by scans of ten rows each, with many others in the overlay and the store."""
    store = CountingStore()
    table, state = made(Cache(), store)
    for number in range(count):
        table.add(b"%06d" % number, StateRow(b"v"))
    state.spill()
    for number in range(0, count, 2):
        table.put(b"%06d" % number, StateRow(b"w"))
    store.read_count = 0
    for number in range(100):
        assert len(list(table.scan(b"%06d" % number, b"%06d" % (number + 10)))) == 10
    return store.read_count


def test_a_scan_reads_what_it_yields() -> None:
    assert _scan_reads(2_000) == _scan_reads(1_000)


def _front_reads(count: int) -> int:
    """Rows read while a table is emptied from the front, ten rows a look, as timers are."""
    store = TombstoneStore()
    table, state = made(Cache(0), store)
    for number in range(count):
        table.add(b"%06d" % number, StateRow(b"v"))
    state.spill()
    store.read_count = 0
    while True:
        gone = [key for (key, _), _ in zip(table.scan(), range(10), strict=False)]
        if not gone:
            return store.read_count
        for key in gone:
            table.delete(key)
        state.spill()


def test_emptying_a_table_from_the_front_is_linear() -> None:
    assert _front_reads(2_000) < 2.2 * _front_reads(1_000)


def test_what_comes_below_an_emptied_front_is_found() -> None:
    table, state = made(Cache(0))
    for key in (b"5", b"6"):
        table.add(key, StateRow(b"v"))
    state.spill()
    assert [key for key, _ in table.scan(stop=b"5")] == []
    assert [key for key, _ in table.scan()] == [b"5", b"6"]
    table.add(b"1", StateRow(b"v"))
    assert [key for key, _ in table.scan(stop=b"5")] == [b"1"]
    state.spill()
    assert [key for key, _ in table.scan()] == [b"1", b"5", b"6"]
    assert keys.STATE + b"1" in state.store._rows  # type: ignore[attr-defined]


def test_large_rows_that_never_change_are_not_kept_once_written() -> None:
    """However many were written or read, memory holds none of them, and small ones stay."""
    store = CountingStore()
    cache = Cache()
    state = State(0, 1, store, cache)
    for number in range(20):
        body = b"v" * (200_000 if number % 2 else 20)
        state.inputs.add(b"%02d" % number, InputRow(body, ()))
    state.spill()
    held_bytes = cache.used_bytes
    assert held_bytes < 50_000 and len(state.inputs._rows) == 10
    store.read_count = 0
    for number in range(20):
        row = state.inputs.get(b"%02d" % number)
        assert row is not None and len(row.body) == (200_000 if number % 2 else 20)
    assert store.read_count == 10 and cache.used_bytes == held_bytes
    state.inputs.delete(b"01")
    assert state.inputs.get(b"01") is None
    state.spill()
    assert state.inputs.get(b"01") is None and len(list(state.inputs.scan())) == 19


def test_rows_that_are_rarely_read_leave_memory_when_they_are_written() -> None:
    """However many end: what is remembered of them costs no memory, until somebody reads it."""
    store, cache = CountingStore(), Cache()
    state = State(0, 1, store, cache)
    for number in range(20):
        state.retention.add(b"%02d" % number, RetentionRow([(b"i" * 24, number)]))
    state.spill()
    assert cache.used_bytes == 0 and not state.retention._rows
    store.read_count = 0
    for _ in range(2):
        row = state.retention.get(b"07")
        assert row is not None and row.items == [(b"i" * 24, 7)]
    assert store.read_count == 1 and cache.used_bytes > 0, "who reads it may read it again soon"
    row.items.append((b"j" * 24, 8))
    state.retention.touch(b"07")
    state.spill()
    assert cache.used_bytes == 0
    row = state.retention.get(b"07")
    assert row is not None and len(row.items) == 2
    assert len(list(state.retention.scan())) == 20
