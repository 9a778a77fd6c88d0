"""The SQL child processes: a few at most, each for one query at a time, let go when nobody asks.

A child that ended, or whose query was broken off, is replaced with the next query.
"""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from orchestrator.sql import pipe
from orchestrator.sql.errors import (
    STATUS_FAILED,
    STATUS_TOO_LARGE,
    STATUS_TOO_MANY,
    QueryError,
    out_of_memory,
)

RUNNING_MAX = 4  # queries at once: each in a process of its own
WAITING_MAX = 32  # behind them
WAIT_S_MAX = 10.0
CHILD_IDLE_S = 60.0  # a child that is idle for this long is ended: it is larger than the server
CHILD_END_S = 5.0  # for a child whose pipe broke to be gone
# These allocators would reserve memory in advance and reach the limit at once.
ENVIRONMENT = {"ARROW_DEFAULT_MEMORY_POOL": "system", "RUST_BACKTRACE": "0"}


class Child:
    """One process and the server's end of its pipes."""

    def __init__(self, process: asyncio.subprocess.Process, memory_bytes_max: int) -> None:
        self._process = process
        self._memory_bytes_max = memory_bytes_max
        self.idle: asyncio.TimerHandle | None = None

    @property
    def lives(self) -> bool:
        return self._process.returncode is None

    async def send(self, message: pipe.PipeMessage) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(pipe.pack_message(message))
            await self._process.stdin.drain()
        except ConnectionError:
            raise await self._ended() from None

    async def receive(self) -> pipe.PipeMessage:
        stdout = self._process.stdout
        assert stdout is not None
        try:
            head = await stdout.readexactly(pipe.LENGTH_BYTES)
            body = await stdout.readexactly(int.from_bytes(head, "big"))
        except asyncio.IncompleteReadError:
            raise await self._ended() from None
        message: pipe.PipeMessage = pipe.decode(body)
        return message

    async def _ended(self) -> QueryError:
        try:
            code = await asyncio.wait_for(self._process.wait(), CHILD_END_S)
        except TimeoutError:
            return QueryError(STATUS_FAILED, "the SQL process does not answer: try again")
        if code == -signal.SIGABRT:  # what its allocators do at the limit
            return QueryError(STATUS_TOO_LARGE, out_of_memory(self._memory_bytes_max))
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"
        return QueryError(STATUS_FAILED, f"the SQL process {how}: try again")

    def let_go(self) -> None:
        """Its pipe is closed: it ends by itself."""
        if self._process.stdin is not None:
            self._process.stdin.close()

    async def kill(self) -> None:
        if self.lives:
            self._process.kill()
        await self._process.wait()


class Children:
    """Hands out a child to each query; they wait in order for one."""

    def __init__(self, memory_bytes_max: int) -> None:
        self._memory_bytes_max = memory_bytes_max
        self._slots = asyncio.Semaphore(RUNNING_MAX)
        self._asked = 0  # those that run, and those that wait
        self.running_count = 0
        self._resting: list[Child] = []
        self._busy: set[Child] = set()

    @property
    def waiting_count(self) -> int:
        return self._asked - self.running_count

    @asynccontextmanager
    async def lent(self) -> AsyncIterator[Child]:
        """A child for one query: taken back if `whole` ends it, else it is killed."""
        async with self._slot():
            child = await self._idle_or_new()
            self._busy.add(child)
            is_whole = False
            try:
                yield child
                is_whole = True
            except QueryError as error:
                is_whole = error.whole
                raise
            finally:
                self._busy.discard(child)
                if is_whole and child.lives:
                    self._rest(child)
                else:
                    await child.kill()

    async def close(self) -> None:
        resting, self._resting = self._resting, []
        for child in [*resting, *self._busy]:
            if child.idle is not None:
                child.idle.cancel()
            await child.kill()

    @asynccontextmanager
    async def _slot(self) -> AsyncIterator[None]:
        if self._asked >= RUNNING_MAX + WAITING_MAX:
            raise _too_many()
        self._asked += 1
        try:
            try:
                await asyncio.wait_for(self._slots.acquire(), WAIT_S_MAX)
            except TimeoutError:
                raise _too_many() from None
            self.running_count += 1
            try:
                yield
            finally:
                self.running_count -= 1
                self._slots.release()
        finally:
            self._asked -= 1

    async def _idle_or_new(self) -> Child:
        while self._resting:
            child = self._resting.pop()
            if child.idle is not None:
                child.idle.cancel()
            if child.lives:
                return child
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",  # what lies in the working directory is none of its modules
            "-m",
            "orchestrator.sql.child",
            str(self._memory_bytes_max),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=1 << 20,
            env=os.environ | ENVIRONMENT,
        )
        return Child(process, self._memory_bytes_max)

    def _rest(self, child: Child) -> None:
        self._resting.append(child)
        child.idle = asyncio.get_running_loop().call_later(CHILD_IDLE_S, self._let_go, child)

    def _let_go(self, child: Child) -> None:
        if child in self._resting:
            self._resting.remove(child)
            child.let_go()


def _too_many() -> QueryError:
    return QueryError(
        STATUS_TOO_MANY, f"{RUNNING_MAX} queries run and others wait before this one: try again"
    )
