"""A log in this process's memory: deterministic, for tests and simulation."""

import asyncio
from collections.abc import Callable
from functools import partial

from orchestrator.log.batches import why_refused
from orchestrator.log.following import Followers, NeverFollowed
from orchestrator.log.port import (
    META,
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
from orchestrator.runtime.scheduler import CallSoon

READ_CHUNK_COUNT = 256
"""Messages handed over before the event loop gets its turn."""


class MemoryTopic:
    """What outlives the process in a simulation: the messages of every partition."""

    def __init__(self, partition_count: int, identity: bytes = b"memory") -> None:
        self.identity = identity
        self.may_lose_its_tail = True
        self.firsts = dict.fromkeys([META, *range(partition_count)], 0)
        self.values: dict[int, list[bytes]] = {number: [] for number in self.firsts}
        self.logs: list[MemoryLog] = []  # the open ones, which are told of each append

    def next_offset(self, partition: int) -> int:
        return self.firsts[partition] + len(self.values[partition])

    def append(self, partition: int, values: list[bytes]) -> int:
        first = self.next_offset(partition)
        self.values[partition].extend(values)
        for log in self.logs:
            log.notify_followers(partition, first, values)
        return first

    def trim(self, partition: int, below_offset: int) -> None:
        gone = min(below_offset, self.next_offset(partition)) - self.firsts[partition]
        if gone > 0:
            del self.values[partition][:gone]
            self.firsts[partition] += gone

    def cut(self, partition: int, next_offset: int) -> None:
        """Lose the tail, as a broker without replicas may."""
        kept = max(0, next_offset - self.firsts[partition])
        del self.values[partition][kept:]
        why = OffsetOutOfRange(self.firsts[partition], self.next_offset(partition))
        for log in self.logs:
            log.end_followers(partition, why)


class MemoryLog:
    """The `Log` port over a `MemoryTopic`; acknowledgements come through `call_soon`."""

    def __init__(
        self,
        partition_count: int,
        *,
        topic: MemoryTopic | None = None,
        call_soon: CallSoon | None = None,
        message_bytes_max: int = 64 << 20,
    ) -> None:
        self.partition_count = partition_count
        self.message_bytes_max = message_bytes_max
        self.topic = topic if topic is not None else MemoryTopic(partition_count)
        self._call_soon = call_soon
        self._opened = False
        self._leading = False
        self._followers = Followers(self.read)

    @property
    def identity(self) -> bytes:
        return self.topic.identity

    @property
    def may_lose_its_tail(self) -> bool:
        return self.topic.may_lose_its_tail

    async def open(self) -> None:
        self._opened = True
        self.topic.logs.append(self)

    async def close(self) -> None:
        if self._opened:
            self.topic.logs.remove(self)
            self._followers.end(LogUnavailable("the log is closed"))
        self._opened = False
        self._leading = False

    def append(self, batch: Batch, done: Done) -> None:
        refused = why_refused(batch, self.partition_count, self.message_bytes_max)
        if not self._opened:
            refused = "the log is closed"
        error = AppendError(refused, refused=True) if refused else None
        firsts = [-1 if refused else self.topic.append(n, list(values)) for n, values in batch]
        for first, (number, messages) in zip(firsts, batch, strict=True):
            self._soon(partial(done, number, first, len(messages), error))

    async def read(
        self, partition: int, offset: int, deliver: Deliver, rest: Rest = no_rest
    ) -> int:
        end = self.topic.next_offset(partition)
        while True:
            first, now = self.topic.firsts[partition], self.topic.next_offset(partition)
            if not first <= offset <= now:
                raise OffsetOutOfRange(first, now)
            stop = min(offset + READ_CHUNK_COUNT, end, now)
            if stop <= offset:
                return offset
            values = self.topic.values[partition][offset - first : stop - first]
            deliver([LogMessage(offset + i, value) for i, value in enumerate(values)])
            offset = stop
            await asyncio.sleep(0)
            await rest()

    def follow(
        self, partition: int, offset: int, deliver: Deliver, ended: FollowEnded
    ) -> Subscription:
        if not self._opened:
            return NeverFollowed(ended, LogUnavailable("the log is not open"))
        return self._followers.follow(partition, offset, deliver, ended)

    def notify_followers(self, partition: int, first: int, values: list[bytes]) -> None:
        """There are new messages: the followers get them in a later callback, as from any log."""
        self._soon(partial(self._followers.appended, partition, first, values))

    def end_followers(self, partition: int, why: OffsetOutOfRange) -> None:
        self._soon(partial(self._followers.cut, partition, why))

    async def bounds(self, partition: int) -> tuple[int, int]:
        return self.topic.firsts[partition], self.topic.next_offset(partition)

    def trim(self, partition: int, below_offset: int) -> None:
        self.topic.trim(partition, below_offset)

    def lead(
        self,
        assigned: Callable[[int], None],
        revoked: Callable[[int], None],
        gone: Callable[[LogRefused], None],
    ) -> None:
        self._leading = True
        for number in range(self.partition_count):
            self._soon(partial(assigned, number))

    def restart(self, partition: int) -> None:
        """Nothing is ever of unknown fate here."""

    def health(self) -> Health:
        reason = "" if self._opened else "the log is not open"
        return Health(writable=self._opened, reason=reason, assigned=self._leading)

    def _soon(self, callback: Callable[[], None]) -> None:
        if self._call_soon is not None:
            self._call_soon(callback)
        else:
            asyncio.get_running_loop().call_soon(callback)
