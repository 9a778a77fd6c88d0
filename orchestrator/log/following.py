"""Following a partition of a log whose appends all become known in this process.

A follower reads up to the end in the background, and is then given each append of this process: no
thread, no second read. Everything here runs on the event loop.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from orchestrator.log.port import (
    Deliver,
    FollowEnd,
    FollowEnded,
    LogCorrupt,
    LogMessage,
    LogRefused,
    LogUnavailable,
    OffsetOutOfRange,
)

RETRY_S: Final = 0.5
Read = Callable[[int, int, Deliver], Awaitable[int]]


class Follower:
    """Delivers a partition from an offset on until it is cancelled or has ended."""

    def __init__(
        self, read: Read, partition: int, offset: int, deliver: Deliver, ended: FollowEnded
    ) -> None:
        self._read = read
        self._partition = partition
        self._next = offset
        self._deliver = deliver
        self._ended = ended
        self._told_end = offset  # behind the last append it was told of
        self.is_over = False
        self._reading: asyncio.Task[None] | None = asyncio.get_running_loop().create_task(
            self._catch_up()
        )

    def cancel(self) -> None:
        self.is_over = True
        if self._reading is not None:
            self._reading.cancel()

    def end(self, why: FollowEnd) -> None:
        if not self.is_over:
            self.cancel()
            self._ended(why)

    def appended(self, first: int, values: Sequence[bytes]) -> None:
        """Messages that are durable now; called for each append to the partition, in order."""
        self._told_end = end = first + len(values)
        if self._reading is not None:
            return
        messages = [LogMessage(first + at, value) for at, value in enumerate(values)]
        if first == self._next and not self.is_over:  # as nearly always
            self._next = end
            self._deliver(messages)
        else:
            self._hand_over(messages)

    def _hand_over(self, messages: list[LogMessage]) -> None:
        if messages and messages[0].offset < self._next:  # it was read already
            messages = [message for message in messages if message.offset >= self._next]
        if messages and not self.is_over:
            self._next = messages[-1].offset + 1
            self._deliver(messages)

    async def _catch_up(self) -> None:
        while not self.is_over:
            try:
                following = await self._read(self._partition, self._next, self._hand_over)
            except LogUnavailable:
                await asyncio.sleep(RETRY_S)
                continue
            except (OffsetOutOfRange, LogCorrupt, LogRefused) as why:
                self._reading = None
                self.end(why)
                return
            self._next = max(self._next, following)
            if self._next >= self._told_end:  # nothing can come between this look and the next line
                self._reading = None
                return


class Followers:
    """The followers of one log."""

    def __init__(self, read: Read) -> None:
        self._read = read
        self._by_partition: dict[int, list[Follower]] = {}

    def follow(self, partition: int, offset: int, deliver: Deliver, ended: FollowEnded) -> Follower:
        follower = Follower(self._read, partition, offset, deliver, ended)
        mine = self._by_partition.setdefault(partition, [])
        mine[:] = [one for one in mine if not one.is_over]
        mine.append(follower)
        return follower

    def appended(self, partition: int, first: int, values: Sequence[bytes]) -> None:
        for follower in self._by_partition.get(partition, ()):
            follower.appended(first, values)

    def cut(self, partition: int, why: OffsetOutOfRange) -> None:
        """The log has lost the tail of a partition, and with it what some have been given."""
        for follower in self._by_partition.pop(partition, ()):
            follower.end(why)

    def end(self, why: FollowEnd) -> None:
        """The log is closing: end all subscriptions."""
        for mine in self._by_partition.values():
            for follower in mine:
                follower.end(why)
        self._by_partition.clear()


class NeverFollowed:
    """The subscription of a log that is not open: it ends at once, with the reason."""

    def __init__(self, ended: FollowEnded, why: FollowEnd) -> None:
        self._handle = asyncio.get_running_loop().call_soon(ended, why)

    def cancel(self) -> None:
        self._handle.cancel()
