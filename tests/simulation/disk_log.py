"""The embedded log's journal on a disk that tears, loses and refuses, without its threads."""

import asyncio
from collections.abc import Callable
from functools import partial
from random import Random

from orchestrator.log.embedded.identity import open_journal
from orchestrator.log.embedded.segment_chain import SegmentChain
from orchestrator.log.embedded.segments import SUFFIX, head_bytes_of
from orchestrator.log.embedded.shortcut import Shortcut
from orchestrator.log.embedded.spares import SegmentSizes
from orchestrator.log.embedded.writer import (
    Append,
    AppendOutcome,
    Job,
    Mend,
    Restart,
    Unsynced,
    WriterTurns,
)
from orchestrator.log.port import (
    AppendError,
    Batch,
    Deliver,
    Done,
    Health,
    LogCorrupt,
    LogRefused,
    LogUnavailable,
    Rest,
    no_rest,
)
from tests.simulation.broker import BrokerLog, LogFaults, Owner, Topic
from tests.simulation.clockwork import VirtualLoop
from tests.simulation.oracle import Oracle
from tests.unit.log.embedded.faulty_disk import Crash, Faults, FaultyDisk, LateSyncs

SIZES = SegmentSizes(128 << 10, 256 << 10, 0)
CHUNK_BYTES = 8 << 10
MEND_EVERY_S = 0.5


class Device:
    """The disk of a node, and all that was ever found durable on it."""

    def __init__(self, seed: int, partition_count: int, oracle: Oracle) -> None:
        self.disk = FaultyDisk(seed)
        self.history = Topic(partition_count)
        self.oracle = oracle
        self._random = Random(f"device {seed}")

    def trouble(self, most: float) -> None:
        random = self._random
        self.disk.faults = Faults(
            write_fails=random.random() * most,
            write_short=random.random() * most,
            sync_fails=random.random() * most,
            names_fail=random.random() * most,
            crash=random.random() * most / 10,
        )

    def calm(self) -> None:
        self.disk.faults = Faults()

    def fill(self, full: bool) -> None:
        """No space, or space again."""
        self.disk.faults.write_fails = 1.0 if full else 0.0

    def lose_process(self) -> None:
        if self._random.random() < 0.5:
            self.disk.power_off()
        else:
            self.disk.kill()

    def is_time_to_mark(self) -> bool:
        return self._random.random() < 0.1

    def lose_tail(self, partition_count: int) -> None:
        """At the end of a world: be killed or stop cleanly, then lose the last bytes. It must be
        missed."""
        disk, random = self.disk, self._random
        disk.kill()
        self.calm()
        journal = open_journal(disk, partition_count, SIZES)[1]
        if random.random() < 0.5:
            journal.close()
        else:
            journal.write([(0, [b"the last"] * random.randrange(1, 4))])
        name = max(name for name in disk.names() if name.endswith(SUFFIX))
        used = len(disk.contents(name).rstrip(b"\0"))
        head = head_bytes_of(partition_count)
        if used <= head:
            return
        disk.kill()
        start = random.randrange(max(head, used - random.choice((50, 6000))), used)
        disk.lose(name, start, random.choice((None, used - start)))
        try:
            open_journal(disk, partition_count, SIZES)
        except LogCorrupt:
            return
        self.oracle.broken("durable", f"{used - start} bytes of {name} are gone and nobody says so")

    def note(self, journal: SegmentChain) -> None:
        """What was acknowledged is there, and what is there is kept for the checkers."""
        for number in range(len(self.history.messages)):
            _, end = journal.bounds(number)
            known = self.history.nexts[number]
            if end < known:
                self.oracle.broken("durable", f"partition {number} had {known}, has {end}")
            while known < end:
                for message in journal.read(number, known, CHUNK_BYTES):
                    self.history.append(number, [message.value])
                    known = message.offset + 1

    def compare(self, journal: SegmentChain) -> None:
        """After a restart: the same messages."""
        for number, known in enumerate(self.history.messages):
            at, end = journal.bounds(number)
            found = []
            while at < end:
                found += journal.read(number, at, CHUNK_BYTES)
                at = found[-1].offset + 1
            first = journal.bounds(number)[0]
            kept = [message for message in known if message.offset >= first]
            if found[: len(kept)] != kept:
                self.oracle.broken("durable", f"partition {number} has other messages than before")


class DiskLog(BrokerLog):
    """The `Log` port of one process over a `Device`."""

    may_lose_its_tail = False

    def __init__(
        self,
        device: Device,
        loop: VirtualLoop,
        owner: Owner,
        faults: LogFaults,
        random: Random,
        landed: Callable[[int], None],
    ) -> None:
        super().__init__(device.history, loop, owner, faults, random, landed)
        self._device = device
        self._journal: SegmentChain | None = None
        self._turns: WriterTurns | None = None
        self._shortcut: Shortcut | None = None
        self._jobs: list[Job] = []
        self._works = False
        self._mended_s = 0.0
        self._identity = b""

    @property
    def identity(self) -> bytes:
        return self._identity

    async def open(self) -> None:
        while self._owner.lives() and not self._opened:
            try:
                self._open()
            except (OSError, LogRefused):
                self._device.disk.kill()
                await asyncio.sleep(0.05)
            except Crash:
                self._owner.kill()

    def _open(self) -> None:
        disk = self._device.disk
        holder = disk.lock()
        assert not holder, "one process at a time"
        try:
            self._identity, self._journal = open_journal(disk, self.partition_count, SIZES)
            self._device.history.identity = self._identity
            self._device.compare(self._journal)
            self._device.note(self._journal)
        except LogCorrupt as error:
            self._device.oracle.broken("durable", str(error))
            raise
        self._turns = WriterTurns(self._journal)
        self._shortcut = Shortcut(self._journal, self._turns, LateSyncs())
        self._opened = True
        self.topic.logs.append(self)

    # --- appends ---

    def append(self, batch: Batch, done: Done) -> None:
        if self._owner.lives():
            copied = [(number, list(messages)) for number, messages in batch]
            size = sum(len(message) for _, messages in copied for message in messages)
            self._submit(Append(copied, size, done))

    def restart(self, partition: int) -> None:
        self._submit(Restart(partition))

    def _submit(self, job: Job) -> None:
        self._jobs.append(job)
        self._work_soon()

    def _work_soon(self) -> None:
        if self._jobs and not self._works:
            self._works = True
            delay_s = self._random.random() * self._faults.latency_s
            self._loop.call_later(delay_s, self._work)

    def _work(self) -> None:
        """Appends take the short way as long as it goes, the rest what the writer's thread does."""
        jobs, self._jobs = self._jobs, []
        shortcut = self._shortcut
        if not self._owner.lives() or shortcut is None:
            return
        appends = [job for job in jobs if isinstance(job, Append)]
        is_long = len(appends) < len(jobs) or (len(jobs) > 1 and self._random.random() < 0.3)
        try:
            if not is_long and shortcut.take(appends):
                delay_s = self._random.random() * self._faults.latency_s
                self._loop.call_later(delay_s, self._synced)
                return
        except Crash:
            self._owner.kill()
            return
        self._turn(jobs)

    def _synced(self) -> None:
        if not self._owner.lives():
            return
        assert self._shortcut is not None
        try:
            ended = self._shortcut.end()
        except Crash:
            self._owner.kill()
            return
        if isinstance(ended, Unsynced):
            self._turn([ended])
        else:
            self._told(ended)

    def _turn(self, jobs: list[Job]) -> None:
        assert self._turns is not None
        try:
            outcomes = self._turns.run(jobs)
        except Crash:
            self._owner.kill()
            return
        self._told(outcomes)

    def _told(self, outcomes: list[AppendOutcome]) -> None:
        assert self._journal is not None
        self._works = False
        try:
            if self._journal.wants_spare():
                self._prepare()
        except Crash:
            self._owner.kill()
            return
        self._device.note(self._journal)
        self._mark_now_and_then()
        for number in range(self.partition_count):
            self._landed(number)
        delay_s = self._random.random() * self._faults.latency_s
        for done, number, first, values, error in outcomes:
            told = partial(self._tell, done, number, first, len(values), error)
            self._loop.call_at(self._at(number, delay_s), told)
        self._work_soon()

    def _mark_now_and_then(self) -> None:
        assert self._journal is not None
        if self._device.is_time_to_mark():
            try:
                self._journal.mark()
            except OSError:
                pass  # an earlier one stands
            except Crash:
                self._owner.kill()

    def _prepare(self) -> None:
        assert self._journal is not None
        try:
            self._journal.prepare()
        except OSError:
            pass  # the next roll meets it again

    def _tell(
        self, done: Done, number: int, first: int, count: int, error: AppendError | None
    ) -> None:
        if self._owner.lives():
            done(number, first, count, error)

    # --- reads ---

    async def read(
        self, partition: int, offset: int, deliver: Deliver, rest: Rest = no_rest
    ) -> int:
        journal = self._require()
        _, end = journal.bounds(partition)
        await asyncio.sleep(self._random.random() * self._faults.latency_s)
        while True:
            messages = journal.read(partition, offset, CHUNK_BYTES)
            if offset >= end or not self._owner.lives():
                return offset
            offset = messages[-1].offset + 1
            deliver(messages)
            await asyncio.sleep(0)
            await rest()

    async def bounds(self, partition: int) -> tuple[int, int]:
        return self._require().bounds(partition)

    def _require(self) -> SegmentChain:
        if self._journal is None:
            raise LogUnavailable("the log is not open")
        return self._journal

    def trim(self, partition: int, below_offset: int) -> None:
        if not self._owner.lives() or self._journal is None:
            return
        if self._journal.trim(partition, below_offset):
            try:
                self._journal.drop()
            except OSError:
                pass  # it stays the oldest
            except Crash:
                self._owner.kill()

    def health(self) -> Health:
        standing = self._turns.standing if self._turns is not None else None
        if standing is None:
            return Health(False, "the log is not open")
        if standing.reason and self._loop.now_s - self._mended_s > MEND_EVERY_S:
            self._mended_s = self._loop.now_s
            self._submit(Mend())
        return Health(not standing.reason, standing.reason)
