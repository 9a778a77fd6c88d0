"""What the embedded log makes of damaged bytes: a torn end is cut off, anything else stops it."""

import pytest

from orchestrator.log.embedded.identity import open_journal
from orchestrator.log.embedded.segment_chain import SegmentChain
from orchestrator.log.embedded.segments import SUFFIX
from orchestrator.log.embedded.spares import SegmentSizes
from orchestrator.log.port import AppendError, LogCorrupt
from tests.unit.log.embedded.faulty_disk import Faults, FaultyDisk

SIZES = SegmentSizes(segment_bytes_min=64 << 10, segment_bytes_max=64 << 10, reserve_bytes=0)


def opened(disk: FaultyDisk) -> SegmentChain:
    disk.kill()
    return open_journal(disk, 2, SIZES)[1]


def values(journal: SegmentChain, partition: int) -> list[bytes]:
    offset, end = journal.bounds(partition)
    found: list[bytes] = []
    while offset + len(found) < end:
        found += [m.value for m in journal.read(partition, offset + len(found), 1 << 20)]
    return found


def segments(disk: FaultyDisk) -> list[str]:
    return [name for name in disk.names() if name.endswith(SUFFIX)]


def damage(disk: FaultyDisk, message: bytes) -> None:
    for name in segments(disk):
        at = disk.contents(name).find(message)
        if at >= 0:
            disk.damage(name, at)
            return
    raise AssertionError("there is no such message")


def test_a_damaged_last_write_is_cut_off_and_what_it_leaves_is_never_read() -> None:
    disk = FaultyDisk(1)
    journal = opened(disk)
    journal.write([(0, [b"kept"])])
    journal.begin([(0, [b"torn", b"left"])])
    damage(disk, b"torn")
    journal = opened(disk)
    assert values(journal, 0) == [b"kept"]
    assert journal.write([(0, [b"next"])]) == [1]  # as long as the one that was torn
    assert values(opened(disk), 0) == [b"kept", b"next"]


def test_a_damaged_last_write_that_was_acknowledged_stops_the_log() -> None:
    disk = FaultyDisk(1)
    opened(disk).write([(0, [b"last"])])
    damage(disk, b"last")
    with pytest.raises(LogCorrupt, match="had been made durable"):
        opened(disk)


def test_damage_below_a_later_write_stops_the_log() -> None:
    disk = FaultyDisk(1)
    journal = opened(disk)
    journal.write([(0, [b"first"])])
    journal.write([(1, [b"second"])])
    damage(disk, b"first")
    with pytest.raises(LogCorrupt, match="below"):
        opened(disk)


def test_damage_in_an_older_segment_stops_its_reader() -> None:
    disk = FaultyDisk(1)
    journal = opened(disk)
    for number in range(40):
        journal.write([(0, [b"%d:" % number + bytes(5000)])])
    assert len(segments(disk)) > 2
    damage(disk, b"3:" + bytes(100))
    with pytest.raises(LogCorrupt, match="damaged"):
        values(opened(disk), 0)


def test_a_missing_segment_in_the_middle_stops_the_log() -> None:
    disk = FaultyDisk(1)
    journal = opened(disk)
    for number in range(40):
        journal.write([(0, [b"%d:" % number + bytes(5000)])])
    disk.delete(segments(disk)[1])
    with pytest.raises(LogCorrupt, match="gone"):
        opened(disk)


@pytest.mark.parametrize("lost", ["log.json", "segments"])
def test_a_log_without_one_of_its_files_is_not_begun_anew(lost: str) -> None:
    disk = FaultyDisk(1)
    opened(disk).write([(0, [b"x" * 100])])
    for name in ["log.json"] if lost == "log.json" else segments(disk):
        disk.delete(name)
    with pytest.raises(LogCorrupt, match="gone"):
        opened(disk)


@pytest.mark.parametrize("content", [b"", b"[" * 4_000, b"[1]", b'{"version":1}', b"\xff"])
def test_a_log_whose_description_is_damaged_is_told_as_that(content: bytes) -> None:
    disk = FaultyDisk(1)
    opened(disk).close()
    disk.create("log.json").write_at(0, content)
    with pytest.raises(LogCorrupt, match=r"log\.json of the log cannot be read"):
        opened(disk)


def test_what_is_read_after_a_failed_sync_is_on_disk() -> None:
    disk = FaultyDisk(1)
    journal = opened(disk)
    disk.faults = Faults(sync_fails=1.0)
    with pytest.raises(AppendError) as error:
        journal.write([(0, [b"perhaps" * 1000])])
    assert not error.value.refused
    disk.faults = Faults()
    seen = values(opened(disk), 0)
    disk.power_off()
    assert values(opened(disk), 0) == seen
    assert seen, "the cache still held it"


def test_a_message_that_holds_frames_is_not_taken_for_them() -> None:
    disk = FaultyDisk(1)
    journal = opened(disk)
    journal.write([(0, [b"first"])])
    inner = disk.contents(segments(disk)[0])[4096:4200]
    journal.begin([(0, [inner * 3])])
    damage(disk, inner * 3)
    assert values(opened(disk), 0) == [b"first"]


def test_trimmed_segments_go_and_offsets_stay() -> None:
    disk = FaultyDisk(1)
    journal = opened(disk)
    for _ in range(40):
        journal.write([(0, [bytes(5000)]), (-1, [b"m"])])
    before = len(segments(disk))
    journal.trim(0, 40)
    journal.drop()
    assert len(segments(disk)) == before, "the metadata still need them"
    journal.trim(-1, 40)
    journal.drop()
    assert len(segments(disk)) == 1
    first, end = opened(disk).bounds(0)
    assert 0 < first < 40 and end == 40
    assert opened(disk).bounds(1) == (0, 0)


def test_spare_segments_are_used_and_none_is_left_behind() -> None:
    disk = FaultyDisk(1)
    journal = opened(disk)
    for _ in range(40):
        journal.write([(0, [bytes(5000)])])
        if journal.wants_spare():
            journal.prepare()
            assert "spare.new" in disk.names()
    assert len(segments(disk)) > 2
    journal.close()
    assert not [name for name in disk.names() if name.endswith(".new")]
