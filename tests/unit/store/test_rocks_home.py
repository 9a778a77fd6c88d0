"""What the home of a RocksDB store does with what killed processes and bad disks leave behind."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.processor.pace import PACED_FROM, PACED_STEP
from orchestrator.store.port import StoreError, checkpoint_name
from orchestrator.store.rocks import UNSORTED_SLOW, RocksStore
from orchestrator.store.rocks_home import RocksHome
from orchestrator.store.stamp import Stamp, StampedStore, read_stamp

WRITER = """
import sys
from pathlib import Path
from orchestrator.store.rocks_home import RocksHome
from orchestrator.store.stamp import Stamp, StampedStore

store = next(iter(RocksHome(Path(sys.argv[1])).candidates()))
offset = 0
while True:
    offset += 1
    rows = [(b"%d.%d" % (part, offset), b"%d" % offset * 40) for part in range(20)]
    stamped = StampedStore(store, Stamp(b"log", 0, offset, offset - 1))
    stamped.write([*rows, (b"at", b"%d" % offset)])
    if offset % 500 == 0:
        store.flush()
        print(offset, flush=True)
"""


def opened(directory: Path) -> RocksStore:
    return next(iter(RocksHome(directory).candidates()))


def spill(store: RocksStore, applied: int) -> None:
    stamped = StampedStore(store, Stamp(b"log", 0, applied, applied - 1))
    stamped.write([(b"a", b"%d" % applied)])


def aside(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.rglob("*.unfit"))


def test_a_killed_process_leaves_whole_batches_with_their_offset(tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE)
    assert child.stdout is not None
    try:
        for _ in range(6):
            flushed = int(child.stdout.readline())
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait(20)
        child.stdout.close()
    store = opened(tmp_path)
    stamp = read_stamp(store)
    assert stamp is not None and stamp.applied >= flushed
    assert store.get(b"at") == b"%d" % stamp.applied
    for part in range(20):
        assert store.get(b"%d.%d" % (part, stamp.applied)) == b"%d" % stamp.applied * 40
        assert store.get(b"%d.%d" % (part, stamp.applied + 1)) is None
    store.close()


def test_a_damaged_live_store_gives_way_to_the_newest_checkpoint(tmp_path: Path) -> None:
    store = opened(tmp_path)
    spill(store, 4)
    store.checkpoint(checkpoint_name(4))
    spill(store, 6)
    store.close()
    newest = max((tmp_path / "live").glob("*.sst"))
    os.truncate(newest, 20)
    store = opened(tmp_path)
    assert store.get(b"a") == b"4"
    store.close()


def damage(directory: Path, at: float) -> None:
    """Other bytes than were written, at a part of the length of the newest table file."""
    table = max((directory / "live").glob("*.sst"))
    copy = table.with_suffix(".copy")
    copy.write_bytes(table.read_bytes())  # checkpoints keep their own
    copy.replace(table)
    with table.open("r+b") as file:
        file.seek(int(table.stat().st_size * at))
        file.write(b"\xff" * 64)


ROWS = [(b"row%05d" % number, os.urandom(100)) for number in range(2000)]


def large(directory: Path) -> RocksStore:
    store = opened(directory)
    StampedStore(store, Stamp(b"log", 0, 4, 3)).write(ROWS)
    store.checkpoint(checkpoint_name(4))
    return store


def test_a_scan_that_meets_damage_does_not_end_as_if_there_was_no_more(tmp_path: Path) -> None:
    large(tmp_path).close()
    damage(tmp_path, 0.5)
    store = opened(tmp_path)
    found: list[tuple[bytes, bytes]] = []
    with pytest.raises(StoreError) as raised:
        found.extend(store.scan(b"row", b"rox"))
    assert raised.value.corrupt and found == ROWS[: len(found)]
    store.close()


def test_a_damaged_live_store_is_not_taken_again(tmp_path: Path) -> None:
    large(tmp_path).close()
    damage(tmp_path, 0.5)
    home = RocksHome(tmp_path)
    store = next(iter(home.candidates()))
    with pytest.raises(StoreError):
        list(store.scan(b"row", b"rox"))
    store.close()
    store = next(iter(home.candidates()))
    assert list(store.scan(b"row", b"rox")) == ROWS
    store.close()


def test_a_checkpoint_whose_live_store_is_damaged_is_not_taken_again(tmp_path: Path) -> None:
    store = large(tmp_path)
    StampedStore(store, Stamp(b"log", 0, 6, 5)).write([(b"later", b"6")])
    store.checkpoint(checkpoint_name(6))
    store.close()
    (tmp_path / "live").rename(tmp_path / "gone")
    home = RocksHome(tmp_path)
    next(iter(home.candidates())).close()
    damage(tmp_path, 0.0)  # the file with the stamp and the later row
    store = next(iter(home.candidates()))
    assert read_stamp(store) == Stamp(b"log", 0, 4, 3) and store.get(b"later") is None
    store.close()
    assert home.checkpoints() == [4]


def test_a_live_store_whose_stamp_cannot_be_read_gives_way(tmp_path: Path) -> None:
    large(tmp_path).close()
    damage(tmp_path, 0.0)
    store = opened(tmp_path)
    assert list(store.scan(b"row", b"rox")) == ROWS
    store.close()


def test_what_is_left_of_a_checkpoint_cut_short_goes_with_the_next(tmp_path: Path) -> None:
    store = opened(tmp_path)
    spill(store, 4)
    left = tmp_path / "checkpoints" / (checkpoint_name(3) + ".tmp")
    left.mkdir(parents=True)
    store.checkpoint(checkpoint_name(4))
    assert not left.exists() and RocksHome(tmp_path).checkpoints() == [4]
    store.close()


def test_a_live_store_older_than_a_checkpoint_is_not_taken(tmp_path: Path) -> None:
    """As after a crash of the machine that lost what `live` had not written yet."""
    first = opened(tmp_path)
    spill(first, 2)
    first.close()
    (tmp_path / "live").rename(tmp_path / "old")
    second = opened(tmp_path)
    spill(second, 9)
    second.checkpoint(checkpoint_name(9))
    second.close()
    os.rename(tmp_path / "live", tmp_path / "gone")
    os.rename(tmp_path / "old", tmp_path / "live")
    store = opened(tmp_path)
    assert store.get(b"a") == b"9"
    store.close()


def test_what_does_not_fit_is_put_aside_until_a_checkpoint_replaces_it(tmp_path: Path) -> None:
    store = opened(tmp_path)
    spill(store, 4)
    store.checkpoint(checkpoint_name(4))
    store.close()
    candidates = RocksHome(tmp_path).candidates()
    last = [next(candidates) for _ in range(3)][-1]
    assert aside(tmp_path) == [checkpoint_name(4) + ".unfit", "live.unfit"]
    assert RocksHome(tmp_path).checkpoints() == []
    spill(last, 1)
    last.checkpoint(checkpoint_name(1))
    assert aside(tmp_path) == []
    last.close()


def test_what_was_put_aside_outlives_further_starts_at_which_nothing_fits(tmp_path: Path) -> None:
    store = opened(tmp_path)
    spill(store, 4)
    store.checkpoint(checkpoint_name(4))
    spill(store, 5)
    store.close()
    assert [len(list(RocksHome(tmp_path).candidates())) for _ in range(3)] == [3, 1, 1]
    assert aside(tmp_path) == [checkpoint_name(4) + ".unfit", "live.unfit"]
    assert not (tmp_path / "live").exists()
    (tmp_path / "live.unfit").rename(tmp_path / "live")
    store = opened(tmp_path)
    assert store.get(b"a") == b"5"
    store.close()


def test_a_file_in_the_place_of_the_home_is_put_aside(tmp_path: Path) -> None:
    home = tmp_path / "0"
    home.write_text("no directory")
    opened(home).close()
    assert (tmp_path / "0.unfit").read_text() == "no directory"


@pytest.mark.parametrize("place", ["live", "checkpoints", f"checkpoints/{checkpoint_name(9)}"])
def test_a_file_in_the_place_of_a_directory_is_put_aside(tmp_path: Path, place: str) -> None:
    """Else no store could be opened ever again, or a file be taken for a copy that was made."""
    store = opened(tmp_path)
    spill(store, 4)
    store.checkpoint(checkpoint_name(4))
    store.close()
    path = tmp_path / place
    if path.is_dir():
        path.rename(tmp_path / "elsewhere")
    path.write_text("no database")
    home = RocksHome(tmp_path)
    store = next(iter(home.candidates()))
    assert store.get(b"a") == b"4"
    assert path.with_name(path.name + ".unfit").read_text() == "no database"
    spill(store, 9)
    store.checkpoint(checkpoint_name(9))
    assert home.checkpoints()[-1] == 9
    assert aside(tmp_path) == []
    store.close()


def test_what_is_still_to_be_put_in_order_is_counted_and_blocks_no_write(tmp_path: Path) -> None:
    """RocksDB slows writes down from 20 files on by itself, in the thread that writes."""
    store = opened(tmp_path)
    assert store.backlog() == 0
    for applied in (1, 2, 3):
        spill(store, applied)
        store.flush()
    assert store.backlog() == 3
    store.close()
    with pytest.raises(StoreError):
        store.backlog()
    (options,) = [max((tmp_path / "live").glob("OPTIONS-*")).read_text()]
    assert f"level0_slowdown_writes_trigger={UNSORTED_SLOW}" in options
    assert PACED_FROM + 10 * PACED_STEP < UNSORTED_SLOW, "by then writes have long been slow"


def test_a_file_is_not_taken_for_a_copy_that_was_made(tmp_path: Path) -> None:
    """The log is trimmed below the copies that there are."""
    store = opened(tmp_path)
    spill(store, 9)
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / checkpoint_name(9)).write_text("no database")
    with pytest.raises(StoreError):
        store.checkpoint(checkpoint_name(9))
    assert RocksHome(tmp_path).checkpoints() == []
    store.close()


def test_a_directory_in_use_is_an_error_of_the_store(tmp_path: Path) -> None:
    store = opened(tmp_path)
    spill(store, 1)
    with pytest.raises(StoreError, match="LOCK"):
        list(RocksHome(tmp_path).candidates())
    assert store.get(b"a") == b"1"
    store.close()
    assert aside(tmp_path) == []


def test_a_closed_store_answers_with_an_error_of_the_store(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.close()
    with pytest.raises(StoreError):
        store.get(b"a")
    with pytest.raises(StoreError):
        store.write([(b"a", b"1")])
    with pytest.raises(StoreError):
        list(store.scan(b"a", b"b"))
