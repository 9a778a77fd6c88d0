"""The contract of a store and of its home, held over every adapter."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from threading import Thread

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.store.memory import MemoryHome, MemoryStore
from orchestrator.store.port import (
    DurableStore,
    StoreError,
    StoreHome,
    StoreOfAnotherVersion,
    checkpoint_name,
)
from orchestrator.store.rocks import MEMTABLE_BYTES, RocksStore
from orchestrator.store.rocks_home import RocksHome
from orchestrator.store.stamp import Stamp, StampedStore, read_stamp
from tests.parts.processes import wait_until

Homes = Callable[[], StoreHome]
END = b"\xff" * 8


@pytest.fixture(params=["memory", "rocks"])
def homes(request: pytest.FixtureRequest, tmp_path: Path) -> Homes:
    """A function that gives the same home again, as the next process would see it."""
    if request.param == "rocks":
        return lambda: RocksHome(tmp_path / "0")
    home = MemoryHome()
    return lambda: home


@pytest.fixture
def store(homes: Homes) -> Iterator[DurableStore]:
    opened = best(homes)
    yield opened
    opened.close()


def best(homes: Homes) -> DurableStore:
    return next(iter(homes().candidates()))


def rows_of(store: DurableStore) -> list[tuple[bytes, bytes]]:
    return list(store.scan(b"", END))


def spill(store: DurableStore, applied: int, **rows: bytes) -> None:
    stamp = Stamp(b"log", 0, applied, applied - 1, b"h")
    StampedStore(store, stamp).write([(key.encode(), value) for key, value in rows.items()])


def test_get_gives_what_was_written_last(store: DurableStore) -> None:
    store.write([(b"a", b"1"), (b"b", b"2")])
    store.write([(b"a", b"3"), (b"b", None), (b"c", b"")])
    assert (store.get(b"a"), store.get(b"b"), store.get(b"c")) == (b"3", None, b"")
    assert store.get(b"never") is None


def test_scan_keeps_to_its_bounds_in_byte_order(store: DurableStore) -> None:
    store.write([(bytes([n]), b"v") for n in (9, 1, 5, 0, 255, 3)])
    assert [key for key, _ in store.scan(b"\x01", b"\x09")] == [b"\x01", b"\x03", b"\x05"]
    assert list(store.scan(b"\x06", b"\x06")) == []
    assert list(store.scan(b"\x0a", b"\x0b")) == []


def test_keys_are_those_of_a_scan(store: DurableStore) -> None:
    store.write([(bytes([n]), b"v" * n) for n in (9, 1, 5, 0, 255, 3)])
    store.write([(b"\x03", None)])
    for start, stop in ((b"\x01", b"\x09"), (b"\x06", b"\x06"), (b"", b"\xff")):
        keys = store.keys(start, stop)
        store.write([(b"\x04", b"later")])
        assert list(keys) == [key for key, _ in store.scan(start, stop) if key != b"\x04"]
        store.write([(b"\x04", None)])


def test_scan_sees_rows_as_they_were_when_it_began(store: DurableStore) -> None:
    store.write([(b"a", b"1"), (b"b", b"2")])
    rows = store.scan(b"a", b"z")
    store.write([(b"a", b"9"), (b"b", None), (b"c", b"3")])
    assert list(rows) == [(b"a", b"1"), (b"b", b"2")]


def test_a_scan_keeps_its_bounds_while_memory_is_used_anew(store: DurableStore) -> None:
    store.write([(b"row-%03d" % n, b"v") for n in range(150)])
    for _ in range(200):
        rows = store.scan(b"row-", bytes(bytearray(b"row.")))  # nobody else holds this bound
        anew = [bytes(bytearray(b"row-")) for _ in range(200)]  # of its size, where it was
        assert len(list(rows)) == 150
        del anew


def test_the_last_write_to_a_key_in_a_batch_counts(store: DurableStore) -> None:
    store.write([(b"a", b"1"), (b"a", None), (b"a", b"2"), (b"b", b"1"), (b"b", None)])
    assert rows_of(store) == [(b"a", b"2")]


def test_rows_written_while_another_thread_flushes_are_kept(store: DurableStore) -> None:
    import threading

    store.write([(n.to_bytes(4, "big"), b"x" * 200) for n in range(5_000)])
    flusher = threading.Thread(target=store.flush)
    flusher.start()
    store.write([(b"\xf0later", b"1")])
    flusher.join(30)
    assert store.get(b"\xf0later") == b"1"
    assert len(rows_of(store)) == 5_001


def test_a_large_value_does_not_stay_in_memory(tmp_path: Path) -> None:
    """Also if nothing is written after it; small ones wait until their memtable is full."""
    store = best(lambda: RocksHome(tmp_path / "0"))
    assert isinstance(store, RocksStore)

    def held_bytes() -> int:
        return int(store._db.property_int_value("rocksdb.size-all-mem-tables") or 0)

    store.write([(b"%d" % number, b"x" * 1_000) for number in range(1_000)])
    assert held_bytes() > 500_000
    large = b"x" * (4 * MEMTABLE_BYTES)
    store.write([(b"large", large)])
    wait_until(lambda: held_bytes() < MEMTABLE_BYTES, 10, "it is in a table file")
    assert store.get(b"large") == large
    store.close()


def test_what_was_flushed_is_there_in_the_next_process(homes: Homes) -> None:
    first = best(homes)
    spill(first, 7, a=b"1", b=b"2")
    first.flush()
    first.close()
    again = best(homes)
    assert (again.get(b"a"), again.get(b"b")) == (b"1", b"2")
    stamp = read_stamp(again)
    assert stamp == Stamp(b"log", 0, 7, 6, b"h")
    again.close()


def test_candidates_go_from_the_newest_copy_to_an_empty_store(homes: Homes) -> None:
    first = best(homes)
    for applied in (3, 5):
        spill(first, applied, a=b"%d" % applied)
        first.checkpoint(checkpoint_name(applied))
    spill(first, 8, a=b"8")
    first.flush()
    first.close()
    seen = []
    for candidate in homes().candidates():
        stamp = read_stamp(candidate)
        assert stamp is not None
        seen.append((stamp.applied, candidate.get(b"a")))
    assert seen == [(8, b"8"), (5, b"5"), (3, b"3"), (0, None)]
    assert homes().checkpoints() == []  # what did not fit is no copy any more


def test_a_store_that_is_older_than_the_newest_copy_is_not_used(homes: Homes) -> None:
    """Else a copy of what the log has lost since would be taken for one that fits."""
    first = best(homes)
    spill(first, 3, a=b"3")
    first.flush()
    spill(first, 5, a=b"5")
    first.checkpoint(checkpoint_name(5))
    first.close()
    stamp = read_stamp(best(homes))
    assert stamp is not None and stamp.applied == 5


def test_two_checkpoints_are_kept(homes: Homes) -> None:
    store = best(homes)
    for applied in (10, 200, 3000):
        spill(store, applied, a=b"%d" % applied)
        store.checkpoint(checkpoint_name(applied))
    assert homes().checkpoints() == [200, 3000]
    store.close()


def test_a_checkpoint_does_not_change_with_the_store(homes: Homes) -> None:
    store = best(homes)
    spill(store, 4, a=b"old", b=b"kept")
    store.checkpoint(checkpoint_name(4))
    spill(store, 9, a=b"new")
    store.write([(b"b", None)])
    store.flush()
    store.close()
    candidates = homes().candidates()
    next(candidates)
    copy = next(candidates)
    assert (copy.get(b"a"), copy.get(b"b")) == (b"old", b"kept")
    copy.close()


def test_a_new_home_has_one_empty_candidate(homes: Homes) -> None:
    candidates = [(read_stamp(store), rows_of(store)) for store in homes().candidates()]
    assert candidates[-1] == (Stamp(), [])
    assert all(rows == [] for _, rows in candidates)


@pytest.mark.parametrize("value", [b"\x02whatever", b"\x01\x96" + bytes(6), b"\x01\x91\x01"])
def test_a_stamp_of_another_version_is_told_from_a_damaged_one(
    store: DurableStore, value: bytes
) -> None:
    store.write([(b"\x00stamp", value)])
    with pytest.raises(StoreOfAnotherVersion):
        read_stamp(store)


def test_a_damaged_stamp_is_none(store: DurableStore) -> None:
    store.write([(b"\x00stamp", b"\x63whatever")])
    assert read_stamp(store) is None
    store.write([(b"\x00stamp", b"\x01\xc1")])
    assert read_stamp(store) is None


keys = st.binary(min_size=1, max_size=3)
batches = st.lists(st.lists(st.tuples(keys, st.none() | st.binary(max_size=4)), max_size=8))


@settings(max_examples=60, deadline=None)
@given(batches=batches, start=keys, stop=keys)
def test_memory_is_a_sorted_dict(
    batches: list[list[tuple[bytes, bytes | None]]], start: bytes, stop: bytes
) -> None:
    agrees_with_a_dict(MemoryStore(), batches, start, stop)


@settings(max_examples=12, deadline=None)
@given(batches=batches, start=keys, stop=keys)
def test_rocks_is_a_sorted_dict(
    tmp_path_factory: pytest.TempPathFactory,
    batches: list[list[tuple[bytes, bytes | None]]],
    start: bytes,
    stop: bytes,
) -> None:
    store = next(iter(RocksHome(tmp_path_factory.mktemp("rocks")).candidates()))
    agrees_with_a_dict(store, batches, start, stop)
    store.close()


def agrees_with_a_dict(
    store: DurableStore,
    batches: list[list[tuple[bytes, bytes | None]]],
    start: bytes,
    stop: bytes,
) -> None:
    oracle: dict[bytes, bytes] = {}
    for batch in batches:
        store.write(batch)
        for key, value in batch:
            if value is None:
                oracle.pop(key, None)
            else:
                oracle[key] = value
    assert rows_of(store) == sorted(oracle.items())
    inside = sorted((k, v) for k, v in oracle.items() if start <= k < stop)
    assert list(store.scan(start, stop)) == inside


def test_a_store_that_is_closed_while_it_flushes_can_be_opened_at_once(homes: Homes) -> None:
    for turn in range(8):
        store = best(homes)
        rows = [(b"%d %d" % (turn, n), b"v" * 20_000) for n in range(300)]
        store.write(rows)
        flushing = Thread(target=store.flush)
        flushing.start()
        store.close()
        flushing.join()
        again = best(homes)
        assert again.get(rows[-1][0]) == rows[-1][1]
        again.close()


def test_a_scan_that_is_not_over_does_not_keep_a_closed_store_locked(homes: Homes) -> None:
    store = best(homes)
    store.write([(b"%03d" % n, b"v" * 100) for n in range(500)])
    begun, fresh = store.scan(b"", END), store.scan(b"", END)
    next(begun)
    store.close()
    again = best(homes)
    assert len(rows_of(again)) == 500
    again.close()
    for scan, left in ((begun, 499), (fresh, 500)):
        try:  # never fewer rows as if these were all
            assert len(list(scan)) == left
        except StoreError as error:
            assert not error.corrupt


def test_a_flush_that_comes_after_the_end_is_a_failure_of_the_store(homes: Homes) -> None:
    store = best(homes)
    store.close()
    with suppress(StoreError):
        store.flush()
