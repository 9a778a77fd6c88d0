"""A log in this process's memory: deterministic, for tests and simulation."""

import asyncio
from collections.abc import Callable
from functools import partial

from orchestrator.log.port import (
    META,
    AppendError,
    Batch,
    CallSoon,
    Deliver,
    Done,
    Health,
    Message,
    OffsetOutOfRange,
)

READ_CHUNK_COUNT = 256
"""Messages handed over before the event loop gets its turn."""


class MemoryTopic:
    """What outlives the process in a simulation: the messages of every partition."""

    def __init__(self, partition_count: int, identity: bytes = b"memory") -> None:
        self.identity = identity
        self.firsts = dict.fromkeys([META, *range(partition_count)], 0)
        self.values: dict[int, list[bytes]] = {number: [] for number in self.firsts}

    def next_offset(self, partition: int) -> int:
        return self.firsts[partition] + len(self.values[partition])

    def trim(self, partition: int, below_offset: int) -> None:
        gone = min(below_offset, self.next_offset(partition)) - self.firsts[partition]
        if gone > 0:
            del self.values[partition][:gone]
            self.firsts[partition] += gone

    def cut(self, partition: int, next_offset: int) -> None:
        """Lose the tail, as a broker without replicas may."""
        kept = max(0, next_offset - self.firsts[partition])
        del self.values[partition][kept:]


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

    @property
    def identity(self) -> bytes:
        return self.topic.identity

    async def open(self) -> None:
        self._opened = True

    async def close(self) -> None:
        self._opened = False
        self._leading = False

    def append(self, batch: Batch, done: Done) -> None:
        outcomes = [self._append_to(number, list(messages)) for number, messages in batch]
        for outcome in outcomes:
            self._soon(partial(done, *outcome))

    def _append_to(
        self, number: int, messages: list[bytes]
    ) -> tuple[int, int, int, AppendError | None]:
        count = len(messages)
        assert count > 0, "a batch names a partition only with messages for it"
        if not self._opened:
            return number, -1, count, AppendError("the log is closed", refused=True)
        if max(map(len, messages)) > self.message_bytes_max:
            return number, -1, count, AppendError("a message is too large", refused=True)
        first = self.topic.next_offset(number)
        self.topic.values[number].extend(messages)
        return number, first, count, None

    async def read(self, partition: int, offset: int, deliver: Deliver) -> int:
        end = self.topic.next_offset(partition)
        while True:
            first, now = self.topic.firsts[partition], self.topic.next_offset(partition)
            if not first <= offset <= now:
                raise OffsetOutOfRange(first, now)
            stop = min(offset + READ_CHUNK_COUNT, end, now)
            if stop <= offset:
                return offset
            values = self.topic.values[partition][offset - first : stop - first]
            deliver([Message(offset + i, value) for i, value in enumerate(values)])
            offset = stop
            await asyncio.sleep(0)

    async def bounds(self, partition: int) -> tuple[int, int]:
        return self.topic.firsts[partition], self.topic.next_offset(partition)

    def trim(self, partition: int, below_offset: int) -> None:
        self.topic.trim(partition, below_offset)

    def lead(self, assigned: Callable[[int], None], revoked: Callable[[int], None]) -> None:
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
