"""What the home of a RocksDB store does with what killed processes and bad disks leave behind."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.store.port import StoreError, checkpoint_name
from orchestrator.store.rocks import RocksStore
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
    candidates = list(RocksHome(tmp_path).candidates())
    assert len(candidates) == 3
    aside = sorted(path.name for path in tmp_path.rglob("*.unfit"))
    assert aside == [checkpoint_name(4) + ".unfit", "live.unfit"]
    assert RocksHome(tmp_path).checkpoints() == []
    spill(candidates[-1], 1)
    candidates[-1].checkpoint(checkpoint_name(1))
    assert list(tmp_path.rglob("*.unfit")) == []
    candidates[-1].close()


def test_a_directory_in_use_is_an_error_of_the_store(tmp_path: Path) -> None:
    store = opened(tmp_path)
    spill(store, 1)
    with pytest.raises(StoreError, match="LOCK"):
        list(RocksHome(tmp_path).candidates())
    assert store.get(b"a") == b"1"
    store.close()
    assert list(tmp_path.rglob("*.unfit")) == []


def test_a_closed_store_answers_with_an_error_of_the_store(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.close()
    with pytest.raises(StoreError):
        store.get(b"a")
    with pytest.raises(StoreError):
        store.write([(b"a", b"1")])
    with pytest.raises(StoreError):
        list(store.scan(b"a", b"b"))
