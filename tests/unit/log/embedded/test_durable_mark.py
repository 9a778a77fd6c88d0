"""A tail that was acknowledged and is missing stops the log; a torn one does not."""

from random import Random

import pytest

from orchestrator.log.embedded.durable_mark import NAME, DurableMark
from orchestrator.log.embedded.segments import head_bytes_of
from orchestrator.log.port import LogCorrupt
from tests.unit.log.embedded.faulty_disk import Faults, FaultyDisk
from tests.unit.log.embedded.test_journal_damage import opened, segments, values

IDENTITY = bytes(range(16))


def used_bytes(disk: FaultyDisk, name: str) -> int:
    return len(disk.contents(name).rstrip(b"\0"))


@pytest.mark.parametrize("cut", [True, False], ids=["cut", "zeroed"])
@pytest.mark.parametrize("lost_bytes", [1, 100, 6000, 20_000, 60_000])
def test_a_tail_that_goes_missing_after_a_clean_stop_is_missed(lost_bytes: int, cut: bool) -> None:
    disk = FaultyDisk(lost_bytes)
    journal = opened(disk)
    for number in range(60):
        journal.write([(number % 2, [b"%d:" % number + bytes(1000) + b"x"]), (-1, [b"meta"])])
    journal.close()
    assert len(values(opened(disk), 0)) == 30
    name = segments(disk)[-1]
    start = max(head_bytes_of(2), used_bytes(disk, name) - lost_bytes)
    disk.lose(name, start, None if cut else lost_bytes)
    before = disk.contents(name)
    for _ in range(2):
        with pytest.raises(LogCorrupt, match="had been made durable"):
            opened(disk)
        assert disk.contents(name) == before, "it is left as it was found"


@pytest.mark.parametrize("cut", [True, False], ids=["cut", "zeroed"])
@pytest.mark.parametrize("lost_bytes", [1, 6000])
def test_a_tail_that_goes_missing_after_a_kill_is_missed(lost_bytes: int, cut: bool) -> None:
    """However short a while before it was acknowledged, and since a restart, too."""
    disk = FaultyDisk(lost_bytes)
    opened(disk)
    for _ in range(2):
        disk.kill()
        journal = opened(disk)
        for number in range(20):
            journal.write([(number % 2, [b"%d:" % number + bytes(1000) + b"x"])])
    disk.kill()
    name = segments(disk)[-1]
    start = max(head_bytes_of(2), used_bytes(disk, name) - lost_bytes)
    disk.lose(name, start, None if cut else lost_bytes)
    with pytest.raises(LogCorrupt, match="had been made durable"):
        opened(disk)


def test_a_mark_is_not_waited_for_while_it_is_synced() -> None:
    disk = FaultyDisk(1)
    mark = DurableMark(disk, IDENTITY)
    mark.create()
    disk.sync_names()
    mark.note(100)
    with mark._lock:  # as another thread holds it while it syncs
        mark.note(200)
    assert mark.position == 100
    mark.note(300)
    mark.note(250)
    mark.set(300)
    again = DurableMark(disk, IDENTITY)
    disk.power_off()
    again.open()
    assert again.position == 300


@pytest.mark.parametrize("seed", range(100))
def test_what_is_noted_without_a_sync_damages_nothing(seed: int) -> None:
    disk, random = FaultyDisk(seed), Random(seed)
    mark = DurableMark(disk, IDENTITY)
    mark.create()
    disk.sync_names()
    synced = noted = 0
    for _ in range(30):
        noted += random.randrange(1, 1000)
        mark.note(noted)
        if random.random() < 0.2:
            mark.set(noted)
            synced = noted
    disk.power_off()
    again = DurableMark(disk, IDENTITY)
    again.open()
    assert synced <= again.position <= noted


def test_what_is_behind_the_mark_may_be_torn() -> None:
    disk = FaultyDisk(1)
    journal = opened(disk)
    journal.write([(0, [b"marked"])])
    journal.mark()
    assert journal.begin([(0, [b"torn"])]) is not None, "and not kept: it was not acknowledged"
    name = segments(disk)[-1]
    disk.lose(name, used_bytes(disk, name) - 2, 2)
    assert values(opened(disk), 0) == [b"marked"]


def test_a_log_without_its_mark_is_not_used() -> None:
    disk = FaultyDisk(1)
    opened(disk).close()
    disk.delete(NAME)
    with pytest.raises(LogCorrupt, match="file durable is gone"):
        opened(disk)


def test_a_torn_mark_leaves_the_one_before() -> None:
    disk = FaultyDisk(1)
    mark = DurableMark(disk, IDENTITY)
    mark.create()
    for position in (100, 200, 300):
        mark.set(position)
    mark.set(250)  # known already
    again = DurableMark(disk, IDENTITY)
    again.open()
    assert again.position == 300
    newest = disk.contents(NAME).find((300).to_bytes(8, "little"))
    disk.damage(NAME, newest)
    again.open()
    assert again.position == 200
    disk.damage(NAME, disk.contents(NAME).find((200).to_bytes(8, "little")))
    with pytest.raises(LogCorrupt, match="damaged"):
        again.open()
    with pytest.raises(LogCorrupt, match="damaged"):
        DurableMark(disk, bytes(16)).open()


@pytest.mark.parametrize("seed", range(100))
def test_it_never_falls_back_below_what_was_set_whatever_fails(seed: int) -> None:
    disk, random = FaultyDisk(seed), Random(seed)
    mark = DurableMark(disk, IDENTITY)
    mark.create()
    disk.sync_names()
    durable = wanted = 0
    for _ in range(30):
        disk.faults = Faults(*(random.random() * 0.4 for _ in range(4)))
        wanted += random.randrange(1000)
        try:
            mark.set(wanted)
            durable = wanted
        except OSError:
            pass
        disk.faults = Faults()
        if random.random() < 0.3:
            mark.close()
            random.choice((disk.kill, disk.power_off))()
            mark = DurableMark(disk, IDENTITY)
            mark.open()
            assert durable <= mark.position <= wanted


def test_its_bytes() -> None:
    disk = FaultyDisk(1)
    mark = DurableMark(disk, IDENTITY)
    mark.create()
    mark.set(0x0102)
    data = disk.contents(NAME)
    assert len(data) == 4096 + 44
    assert data[4096:].hex() == (
        "50444d41524b0001" + IDENTITY.hex() + "0100000000000000" + "0201000000000000" + "60a74b34"
    )
