"""The data directory: one server at a time, and the same log and partitions at every start."""

import errno
import fcntl
import os
import sys
from pathlib import Path

import pytest

from orchestrator.node.data_directory import DataDirectory, DirectoryRefused


def test_one_server_at_a_time(tmp_path: Path) -> None:
    first = DataDirectory(tmp_path / "data")
    with pytest.raises(DirectoryRefused, match=f"in use by process {os.getpid()}"):
        DataDirectory(tmp_path / "data")
    first.release()
    DataDirectory(tmp_path / "data").release()


def test_a_directory_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DirectoryRefused, match="PD0202"):
        DataDirectory(tmp_path / "file" / "data")


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """What was synced, in order."""
    found: list[Path] = []
    sync = os.fsync

    def noted(fd: int) -> None:
        found.append(Path(os.readlink(f"/proc/self/fd/{fd}")))
        sync(fd)

    monkeypatch.setattr(os, "fsync", noted)
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_directories_that_it_makes_are_durable(
    tmp_path: Path, synced: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "there").mkdir()
    DataDirectory(tmp_path / "there" / "a" / "b" / "data").release()
    there = tmp_path / "there"
    assert set(synced) == {there, there / "a", there / "a" / "b"}
    synced.clear()
    DataDirectory(there / "a" / "b" / "data").release()
    assert not synced, "it was there before"
    monkeypatch.chdir(there)
    DataDirectory(Path("relative")).release()
    assert synced == [there]


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_what_it_keeps_is_durable_under_its_name(tmp_path: Path, synced: list[Path]) -> None:
    directory = DataDirectory(tmp_path)
    directory.keep("embedded", "c", 4, b"log")
    assert synced == [tmp_path / "node.json.unfinished", tmp_path]
    directory.release()


def full(*_: object) -> int:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_is_told_and_not_a_bug(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "pwrite", full)
    directory = DataDirectory(tmp_path)  # that it is locked need not be written down
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DirectoryRefused, match=r"PD0202.*No space left"):
        directory.keep("embedded", "c", 4, b"log")
    monkeypatch.undo()
    directory.keep("embedded", "c", 4, b"log")
    assert directory.check("embedded", "c", None, 1) == 4
    directory.release()


def test_a_file_system_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fcntl, "flock", full)
    with pytest.raises(DirectoryRefused, match="PD0202"):
        DataDirectory(tmp_path)


def test_it_knows_its_log_until_another_one_is_begun(tmp_path: Path) -> None:
    directory = DataDirectory(tmp_path)
    assert directory.known_log() is None
    directory.keep("kafka", "c", 4, b"\xffone")
    assert directory.known_log() == b"\xffone"
    directory.keep("kafka", "c", 4, b"two")
    assert directory.known_log() == b"two"
    directory.release()


def test_what_must_stay_the_same(tmp_path: Path) -> None:
    directory = DataDirectory(tmp_path)
    assert directory.check("embedded", "c", None, 4) == 4
    assert directory.check("embedded", "c", 8, 4) == 8
    directory.keep("embedded", "c", 8, b"log")
    assert directory.check("embedded", "c", None, 4) == 8
    assert directory.check("embedded", "c", 8, 4) == 8
    with pytest.raises(DirectoryRefused, match="has 8 partitions, not 4"):
        directory.check("embedded", "c", 4, 4)
    with pytest.raises(DirectoryRefused, match="embedded log of cluster c"):
        directory.check("kafka", "c", 8, 4)
    with pytest.raises(DirectoryRefused, match="cluster c"):
        directory.check("embedded", "d", 8, 4)
    directory.release()


def test_a_damaged_file(tmp_path: Path) -> None:
    """Whatever its bytes are, it is told as a file that cannot be read, and not as a bug."""
    directory = DataDirectory(tmp_path)
    directory.keep("embedded", "c", 4, b"the log")
    file = tmp_path / "node.json"
    whole = file.read_bytes()
    contents = [whole[:length] for length in range(len(whole) - 2)]
    contents += [b"{}", b"[1]", b'{"version":1}', b"\xff", bytes(len(whole)), b"[" * 9_000]
    contents += [whole.replace(b":4,", b":0,"), whole.replace(b":4,", b":-4,")]
    contents += [whole.replace(b'"c"', b'"\xe9"'), whole.replace(b'="', b'"')]
    for content in contents:
        file.write_bytes(content)
        for read in (directory.kept, directory.known_log):
            with pytest.raises(DirectoryRefused, match="PD0204"):
                read()
    file.unlink()
    file.mkdir()
    with pytest.raises(DirectoryRefused, match="PD0204"):
        directory.kept()
    directory.release()


@pytest.mark.parametrize("more", ["", ',"region":"eu"'])
def test_a_later_format(tmp_path: Path, more: str) -> None:
    directory = DataDirectory(tmp_path)
    kept = f'{{"version":2,"log":"embedded","cluster":"c","partitions":4{more}}}'
    (tmp_path / "node.json").write_text(kept)
    with pytest.raises(DirectoryRefused, match="format 2"):
        directory.check("embedded", "c", None, 4)
    directory.release()


def test_it_is_closed_to_other_users(tmp_path: Path) -> None:
    made = DataDirectory(tmp_path / "made")
    made.release()
    assert made.path.stat().st_mode & 0o777 == 0o700
    assert (made.path / "lock").stat().st_mode & 0o777 == 0o600
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "log").mkdir()
    (tmp_path / "there").chmod(0o755)
    (tmp_path / "there" / "log").chmod(0o757)
    DataDirectory(tmp_path / "there").release()
    assert (tmp_path / "there").stat().st_mode & 0o777 == 0o750  # a group keeps what it was given
    assert (tmp_path / "there" / "log").stat().st_mode & 0o777 == 0o750
