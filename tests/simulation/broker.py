"""A durable log that outlives processes, and each process's handle on it, with faults.

The topic keeps all it ever held, so that checkers can apply it from the start. A handle may
refuse, delay, or lose the acknowledgement of an append; what a dead process had sent may land
later than its successor has read: only the log's order counts.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Protocol

from msgspec.structs import replace

from orchestrator.codec.records import decode_message, encode_message
from orchestrator.log import known
from orchestrator.log.following import Followers
from orchestrator.log.known import LogGone
from orchestrator.log.port import (
    AppendError,
    Batch,
    Deliver,
    Done,
    FollowEnded,
    Health,
    LogMessage,
    LogRefused,
    LogUnavailable,
    OffsetOutOfRange,
    Rest,
    Subscription,
    no_rest,
)
from orchestrator.model.records import Transfer
from tests.simulation.clockwork import Life, VirtualLoop

CHUNK_MAX = 40
LOOK_EVERY_S = 5.0


@dataclass
class LogFaults:
    """Chances of each fault per append, from 0 to 1, and times in seconds."""

    refused: float = 0.0
    unknown_landed: float = 0.0
    unknown_lost: float = 0.0
    late: float = 0.0  # of what landed though the producer gave up: after it did
    fatal: float = 0.0  # the process dies while the append is on its way
    slow: float = 0.0
    gap: float = 0.0
    overtaken: float = 0.0  # rows of an outbox land before the one they follow
    unreadable: float = 0.0
    latency_s: float = 0.002
    tail_s: float = 0.0  # until those who follow hear of what was appended
    full: bool = False


class Topic:
    """Messages of every partition, for ever; offsets rise and need not be dense."""

    def __init__(self, partition_count: int, identity: bytes = b"topic") -> None:
        self.identity = identity
        self.messages: list[list[LogMessage]] = [[] for _ in range(partition_count)]
        self.firsts = [0] * partition_count
        self.nexts = [0] * partition_count
        self.eras = [0] * partition_count  # how often the tail was lost
        self.now_s: Callable[[], float] = lambda: 0.0
        self.landed_s: list[dict[int, float]] = [{} for _ in range(partition_count)]  # by offset
        self.logs: list[BrokerLog] = []  # the open ones, whose followers hear of each append

    def append(self, partition: int, values: list[bytes], skip: int = 0) -> int:
        first = self.nexts[partition] + skip
        for number, value in enumerate(values):
            self.messages[partition].append(LogMessage(first + number, value))
            self.landed_s[partition][first + number] = self.now_s()
        self.nexts[partition] = first + len(values)
        self.logs = [log for log in self.logs if log.is_alive]
        for log in self.logs:
            log.notify_followers(partition, first, values)
        return first

    def remake(self) -> "Topic":
        """It is deleted, and made anew with nothing in it; the one that was."""
        past = Topic(len(self.messages), self.identity)
        past.messages, past.firsts, past.nexts = self.messages, self.firsts, self.nexts
        past.landed_s = self.landed_s
        self.landed_s = [{} for _ in past.messages]
        self.messages, self.identity = [[] for _ in past.messages], self.identity + b" made anew"
        self.firsts, self.nexts = [0] * len(past.firsts), [0] * len(past.nexts)
        for log in self.logs:
            log.check_soon()
        return past

    def cut(self, partition: int, below_offset: int) -> int:
        """Lose what was written from an offset on; how many messages that is."""
        self.eras[partition] += 1
        before = self.messages[partition]
        kept = [m for m in before if m.offset < below_offset]
        self.messages[partition] = kept
        self.nexts[partition] = kept[-1].offset + 1 if kept else 0
        for log in self.logs:
            log.end_followers(partition)
        return len(before) - len(kept)


class Owner(Life, Protocol):
    """The process of a handle."""

    @property
    def is_alive(self) -> bool: ...

    @property
    def is_zombie(self) -> bool: ...

    def kill(self) -> None: ...

    def may_be_stale(self) -> bool: ...

    def resume(self, invocation_id: bytes) -> None: ...


class BrokerLog:
    """The `Log` port of one process over a `Topic`."""

    message_bytes_max = 4 << 20
    may_lose_its_tail = True

    def __init__(
        self,
        topic: Topic,
        loop: VirtualLoop,
        owner: Owner,
        faults: LogFaults,
        random: Random,
        landed: Callable[[int], None],
    ) -> None:
        self.topic = topic
        self._loop = loop
        self._owner = owner
        self._faults = faults
        self._random = random
        self._landed = landed
        self._blocked: set[int] = set()
        self._ends = [0] * len(topic.eras)  # of what it was told is there
        self._eras = list(topic.eras)  # as the producers know them
        self._next_s = dict.fromkeys(range(self.partition_count), 0.0)
        self._assigned: Callable[[int], None] = lambda number: None
        self._revoked: Callable[[int], None] = lambda number: None
        self._opened = False
        self._followers = Followers(self.read)
        self._heard_s = 0.0
        self._known = topic.identity  # which log was opened
        self._gone: LogGone | None = None
        self._on_gone: Callable[[LogRefused], None] = lambda refusal: None

    @property
    def partition_count(self) -> int:
        return len(self.topic.messages)

    @property
    def identity(self) -> bytes:
        return self._known

    async def open(self) -> None:
        self._known = self.topic.identity
        self._opened = True
        self.topic.logs.append(self)

    async def close(self) -> None:
        self._opened = False
        self._followers.end(LogUnavailable("the log is closed"))

    # --- whether it is still there ---

    def check_soon(self) -> None:
        """It is looked at every few seconds."""
        self._loop.call_later(self._random.random() * LOOK_EVERY_S, self._look)

    def _look(self) -> None:
        with suppress(LogGone):
            self._verify()

    def _verify(self) -> None:
        """Is it still the log that was opened?"""
        try:
            if self._gone is None:
                known.verify_known(self._known, self.topic.identity)
        except LogGone as gone:
            self._gone = gone
            self._followers.end(gone)
            if self._owner.lives():
                self._on_gone(gone)
        if self._gone is not None:
            raise self._gone

    # --- appends ---

    def append(self, batch: Batch, done: Done) -> None:
        if not self._owner.lives():
            return
        for number, messages in batch:
            self._append_to(number, list(messages), done)

    def _append_to(self, number: int, messages: list[bytes], done: Done) -> None:
        random, faults = self._random, self._faults
        era = self._eras[number]
        if random.random() < faults.overtaken:
            self._overtake(number, messages)
        answer = partial(self._answer, done, number, len(messages))
        land_s = self._at(number, random.random() * faults.latency_s)
        if random.random() < faults.fatal:
            self._loop.call_later(random.random() * 3 * faults.latency_s, self._owner.kill)
        if number in self._blocked:
            error = AppendError("an earlier append is of unknown fate", refused=True)
            self._loop.call_at(land_s, answer, -1, error)
            return
        chance = random.random()
        if self._gone is not None:
            self._loop.call_at(land_s, answer, -1, AppendError(str(self._gone), refused=True))
            return
        if faults.full or chance < faults.refused:
            self._loop.call_at(land_s, answer, -1, AppendError("no space left", refused=True))
            return
        chance -= faults.refused
        if chance < faults.unknown_landed + faults.unknown_lost:
            self._blocked.add(number)
            gave_up_s = self._at(number, 0.05 + random.random())
            if chance < faults.unknown_landed:
                is_late = random.random() < faults.late
                land_s = gave_up_s + random.random() if is_late else land_s
                self._loop.call_at(land_s, self._land, number, era, messages, None)
            error = AppendError("the producer gave up", refused=False)
            self._loop.call_at(gave_up_s, answer, -1, error)
            return
        if random.random() < faults.slow:
            land_s = self._at(number, random.random() * 3)
        answer_s = self._at(number, random.random() * faults.latency_s)
        self._loop.call_at(
            land_s, self._land, number, era, messages, partial(self._answer_at, answer_s, answer)
        )

    def _overtake(self, number: int, messages: list[bytes]) -> None:
        """A producer whose append of row n failed may still land row n + 1."""
        for message in messages:
            for record in decode_message(message):
                if isinstance(record, Transfer) and len(record.items) > 1:
                    rest = replace(record, first=record.first + 1, items=record.items[1:])
                    self.topic.append(number, [encode_message([rest])])

    def _at(self, number: int, delay_s: float) -> float:
        """Later than all that was asked of the partition before."""
        at_s = max(self._loop.now_s, self._next_s[number]) + delay_s + 1e-6
        self._next_s[number] = at_s
        return at_s

    def _land(
        self, number: int, era: int, messages: list[bytes], then: Callable[[int], None] | None
    ) -> None:
        if era != self.topic.eras[number]:
            # What it sent before is gone: the producer's numbers are out of order.
            self._blocked.add(number)
            if then is not None:
                then(-1)
            return
        if not self._owner.is_alive and then is not None:
            # Else it never left the dead process.
            if self._random.random() < 0.6:
                late_s = self._random.random() * 1.5
                self._loop.call_later(late_s, self._land, number, era, messages, None)
            return
        skip = self._random.randrange(1, 3) if self._random.random() < self._faults.gap else 0
        first = self.topic.append(number, messages, skip)
        self._landed(number)
        if then is not None:
            then(first)

    def _answer_at(
        self, at_s: float, answer: Callable[[int, AppendError | None], None], first: int
    ) -> None:
        out_of_order = AppendError("the log has lost its tail", refused=False)
        self._loop.call_at(at_s, answer, first, out_of_order if first < 0 else None)

    def _answer(
        self, done: Done, number: int, count: int, first: int, error: AppendError | None
    ) -> None:
        if not self._owner.lives():
            return
        if error is None and first < self._ends[number]:  # there is another log in its place
            self._blocked.add(number)
            first, error = -1, AppendError("an earlier offset was given again", refused=False)
        elif error is None:
            self._ends[number] = first + count
        done(number, first, count, error)

    def restart(self, partition: int) -> None:
        self._blocked.discard(partition)
        self._eras[partition] = self.topic.eras[partition]

    # --- reads ---

    def follow(
        self, partition: int, offset: int, deliver: Deliver, ended: FollowEnded
    ) -> Subscription:
        def deliver_to_the_living(messages: list[LogMessage]) -> None:
            if self._owner.lives():
                deliver(messages)

        return self._followers.follow(partition, offset, deliver_to_the_living, ended)

    @property
    def is_alive(self) -> bool:
        return self._owner.is_alive

    def notify_followers(self, partition: int, first: int, values: list[bytes]) -> None:
        era = self.topic.eras[partition]
        if self._known != self.topic.identity:
            return  # far below what is followed

        def tell_late() -> None:
            if era == self.topic.eras[partition]:
                self._followers.appended(partition, first, values)

        self._loop.call_at(self._heard_at(), tell_late)

    def end_followers(self, partition: int) -> None:
        bounds = self.topic.firsts[partition], self.topic.nexts[partition]
        cut = partial(self._followers.cut, partition, OffsetOutOfRange(*bounds))
        self._loop.call_at(self._heard_at(), cut)

    def _heard_at(self) -> float:
        """Later than all that was to be heard before."""
        self._heard_s = max(self._loop.now_s + self._faults.tail_s, self._heard_s) + 1e-6
        return self._heard_s

    async def read(
        self, partition: int, offset: int, deliver: Deliver, rest: Rest = no_rest
    ) -> int:
        self._verify()
        topic = self.topic
        end = topic.nexts[partition]
        if not topic.firsts[partition] <= offset <= end:
            raise OffsetOutOfRange(topic.firsts[partition], end)
        await asyncio.sleep(self._random.random() * self._faults.latency_s)
        if self._random.random() < self._faults.unreadable:
            raise LogUnavailable("the broker is away")
        found = [m for m in topic.messages[partition] if offset <= m.offset < end]
        at = 0
        while at < len(found):
            count = self._random.randrange(1, CHUNK_MAX)
            if self._owner.lives():
                deliver(found[at : at + count])
            at += count
            await asyncio.sleep(0)
            await rest()
        self._verify()
        return end

    async def bounds(self, partition: int) -> tuple[int, int]:
        self._verify()
        if self._random.random() < self._faults.unreadable:
            raise LogUnavailable("the broker is away")
        return self.topic.firsts[partition], self.topic.nexts[partition]

    def trim(self, partition: int, below_offset: int) -> None:
        if self._owner.lives() and not self._owner.is_zombie:
            firsts = self.topic.firsts
            if below_offset <= self.topic.nexts[partition]:  # as Kafka refuses it
                firsts[partition] = max(firsts[partition], below_offset)

    # --- assignment ---

    def lead(
        self,
        assigned: Callable[[int], None],
        revoked: Callable[[int], None],
        gone: Callable[[LogRefused], None],
    ) -> None:
        self._assigned, self._revoked, self._on_gone = assigned, revoked, gone
        for number in range(self.partition_count):
            self._loop.call_later(self._random.random() * 0.01, self.assign, number)

    def assign(self, number: int) -> None:
        if self._owner.lives():
            self._assigned(number)

    def revoke(self, number: int) -> None:
        if self._owner.lives():
            self._revoked(number)

    def health(self) -> Health:
        if self._faults.full:
            return Health(False, "no space left")
        return Health(self._opened, "" if self._opened else "the log is not open")
