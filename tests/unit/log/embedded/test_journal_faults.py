"""The embedded log on a disk that fails: what was acknowledged is read again, nothing invented."""

import os
from random import Random

import pytest

from orchestrator.log.embedded import segments
from orchestrator.log.embedded.identity import open_journal
from orchestrator.log.embedded.segment_chain import SegmentChain
from orchestrator.log.embedded.shortcut import Shortcut
from orchestrator.log.embedded.spares import SegmentSizes
from orchestrator.log.embedded.writer import (
    Append,
    AppendOutcome,
    Job,
    Restart,
    Unsynced,
    WriterTurns,
)
from orchestrator.log.port import META, AppendError, LogRefused
from tests.unit.log.embedded.faulty_disk import Crash, Faults, FaultyDisk, LateSyncs

PARTITIONS = 2
SIZES = SegmentSizes(segment_bytes_min=16 << 10, segment_bytes_max=64 << 10, reserve_bytes=1 << 20)
NUMBERS = [META, *range(PARTITIONS)]
SEEDS = int(os.environ.get("PERDURE_TEST_LOG_SEEDS", "120"))


class Expected:
    """What a partition must and may hold."""

    def __init__(self) -> None:
        self.acknowledged: dict[int, bytes] = {}
        self.unknown: list[bytes] = []
        self.unknown_now = False
        self.first = 0

    def check(self, first: int, seen: list[tuple[int, bytes]], settled: bool) -> None:
        assert [offset for offset, _ in seen] == list(range(first, first + len(seen)))
        by_offset = dict(seen)
        for offset, value in self.acknowledged.items():
            if offset >= first:
                assert by_offset.get(offset) == value, f"offset {offset} was lost or changed"
        others = [value for offset, value in seen if offset not in self.acknowledged]
        order = [self.unknown.index(value) for value in others]  # ValueError: an invented message
        assert order == sorted(order), "messages changed their order"
        self.acknowledged.update(seen)
        self.first = first
        if settled:
            self.unknown = []


class World:
    """A journal on a faulty disk, its writer, and what is expected of it."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.disk = FaultyDisk(seed)
        self.expected = {number: Expected() for number in NUMBERS}
        self.count = 0
        self.acknowledged_count = 0
        self.journal: SegmentChain | None = None
        self.turns: WriterTurns | None = None
        self.shortcut: Shortcut | None = None

    def value(self) -> bytes:
        self.count += 1
        size = self.random.choice([0, 10, 300, 300, 3000, 20000])
        return f"{self.count}:".encode() + self.random.randbytes(size)

    def start(self) -> None:
        """Open until it works: faults may end or refuse the start itself."""
        while self.journal is None:
            try:
                assert self.disk.lock() == ""
                _, self.journal = open_journal(self.disk, PARTITIONS, SIZES)
            except OSError:
                self.disk.unlock()
                self.disk.faults = Faults()
            except Crash:
                self.disk.power_off()
                self.disk.faults = Faults()
        self.turns = WriterTurns(self.journal)
        self.shortcut = Shortcut(self.journal, self.turns, LateSyncs())
        self.check(settled=True)
        for expected in self.expected.values():
            expected.unknown_now = False

    def check(self, *, settled: bool = False) -> None:
        assert self.journal is not None
        for number, expected in self.expected.items():
            first, end = self.journal.bounds(number)
            seen: list[tuple[int, bytes]] = []
            offset = first
            while offset < end:
                messages = self.journal.read(number, offset, self.random.choice([1, 5000]))
                seen += messages
                offset = messages[-1].offset + 1
            expected.check(first, seen, settled)

    def append(self) -> None:
        jobs: list[Job] = []
        asked: list[tuple[int, list[bytes]]] = []
        for _ in range(self.random.choice([1, 1, 2, 3])):
            numbers = self.random.sample(NUMBERS, self.random.randint(1, len(NUMBERS)))
            batch = [(n, [self.value() for _ in range(self.random.randint(1, 3))]) for n in numbers]
            jobs.append(Append(batch, 0, lambda *_: None))
            asked += batch
        try:
            outcomes = self.carry_out(jobs)
        except Crash:
            for number, values in asked:
                self.expected[number].unknown += values
            raise
        for (number, values), outcome in zip(asked, outcomes, strict=True):
            self.note(number, values, outcome)

    def carry_out(self, jobs: list[Job]) -> list[AppendOutcome]:
        """Both ways of an append are taken, as it happens."""
        assert self.turns is not None and self.shortcut is not None
        appends = [job for job in jobs if isinstance(job, Append)]
        is_long = len(jobs) > 1 and self.random.random() < 0.5
        if is_long or len(appends) < len(jobs) or not self.shortcut.take(appends):
            return self.turns.run(jobs)
        for beside in self.random.sample([self.check, self.trim, self.prepare], 2):
            beside()  # type: ignore[operator]
        ended = self.shortcut.end()
        return self.turns.run([ended]) if isinstance(ended, Unsynced) else ended

    def note(self, number: int, values: list[bytes], outcome: AppendOutcome) -> None:
        _, partition, first, appended, error = outcome
        expected = self.expected[number]
        assert (partition, appended) == (number, values)
        if error is None:
            assert not expected.unknown_now, "an append landed behind one of unknown fate"
            expected.acknowledged.update(enumerate(values, first))
            self.acknowledged_count += 1
        elif not error.refused:
            expected.unknown_now = True
            expected.unknown += values

    def restart_partitions(self) -> None:
        assert self.turns is not None
        self.turns.run([Restart(number) for number in NUMBERS])
        for expected in self.expected.values():
            expected.unknown_now = False

    def trim(self) -> None:
        assert self.journal is not None
        for number in NUMBERS:
            _, end = self.journal.bounds(number)
            self.journal.trim(number, max(0, end - self.random.randint(0, 5)))
        try:
            self.journal.drop()
        except OSError:
            pass

    def prepare(self) -> None:
        assert self.journal is not None
        try:
            if self.journal.wants_spare():
                self.journal.prepare()
        except OSError:
            pass

    def draw_faults(self) -> None:
        rare = self.random.choice([0.0, 0.0, 0.02, 0.2])
        kinds = ["write_fails", "write_short", "sync_fails", "names_fail"]
        chosen = self.random.sample(kinds, self.random.randint(0, len(kinds)))
        self.disk.faults = Faults()
        for kind in chosen:
            setattr(self.disk.faults, kind, rare)
        self.disk.faults.crash = self.random.choice([0.0, 0.0, 0.01])
        self.disk.faults.free_bytes = self.random.choice([1 << 40, 1 << 40, 1 << 20])

    def end(self) -> None:
        self.journal = self.turns = None
        if self.random.random() < 0.5:
            self.disk.kill()
        else:
            self.disk.power_off()

    def step(self) -> None:
        act = self.random.choices(
            [self.append, self.restart_partitions, self.check, self.trim, self.prepare, self.end],
            [20, 3, 2, 2, 2, 1],
        )[0]
        try:
            if self.random.random() < 0.1:
                self.draw_faults()
            if self.journal is None:
                self.start()
            act()
        except Crash:
            self.end()


@pytest.mark.parametrize("seed", range(SEEDS))
def test_acknowledged_messages_survive_every_fault(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if seed % 2:  # several writes for one append, as for large messages
        monkeypatch.setattr(segments, "_JOINED_BYTES_MAX", 1_000)
        monkeypatch.setattr(segments, "_SMALL_BYTES_MAX", 200)
    world = World(seed)
    for _ in range(60):
        world.step()
    world.disk.faults = Faults()
    if world.journal is not None:
        world.end()
    world.start()
    world.restart_partitions()
    before = world.acknowledged_count
    world.append()
    assert world.acknowledged_count > before, "the log did not heal when the faults had stopped"


def test_a_full_disk_refuses_and_heals_without_a_restart() -> None:
    world = World(1)
    world.start()
    assert world.journal is not None
    world.disk.faults.free_bytes = 1 << 20
    with pytest.raises(AppendError) as refused:
        for _ in range(100):
            world.journal.write([(0, [b"x" * 1000])])
    assert refused.value.refused
    _, end = world.journal.bounds(0)
    world.disk.faults.free_bytes = 1 << 40
    assert world.journal.write([(0, [b"again" * 500])]) == [end]


def test_another_partition_count_is_refused() -> None:
    disk = FaultyDisk(1)
    open_journal(disk, 4, SIZES)[1].close()
    with pytest.raises(LogRefused, match="has 4 partitions, not 5"):
        open_journal(disk, 5, SIZES)
