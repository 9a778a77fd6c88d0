"""Runs queries in the child: feeds it rows, passes on its answer."""

import asyncio
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager

import orjson

from orchestrator.processor import asking
from orchestrator.processor.port import Engine, Unavailable
from orchestrator.registry.schema import Registry
from orchestrator.sql import pipe, registry_rows

ROWS_AT_ONCE = 2_000
BYTES_AT_ONCE = 1 << 20  # of rows on their way to the child: all that a query costs in memory here
WAITING_MAX = 32  # queries behind the one that runs
CHILD_SILENT_S_MAX = 30.0  # for a query to say something: no query may hold up the others
STATUS_OK = 200
STATUS_TOO_MANY = 429
STATUS_FAILED = 500
STATUS_UNAVAILABLE = 503
IDLE_S = 300.0  # a child nobody asks for this long is let go: it is larger than the server
Views = Callable[[], Iterable[dict[str, object]]]


class QueryError(Exception):
    """A query that cannot be answered; `status` is HTTP's.

    `whole`: the child has said all about it, and can be asked the next one.
    """

    def __init__(self, status: int, message: str, *, whole: bool = False) -> None:
        super().__init__(message)
        self.status = status
        self.whole = whole


class SqlQuery:
    """The `Query` port of the admin API. One query at a time; the child starts with the first."""

    def __init__(self, engine: Engine, registry: Callable[[], Registry], attempts: Views) -> None:
        self._engine = engine
        self._registry = registry
        self._attempts = attempts
        self._turn = asyncio.Lock()
        self._waiting = 0
        self._child: asyncio.subprocess.Process | None = None
        self._idle: asyncio.TimerHandle | None = None

    def json(self, sql: str) -> AsyncGenerator[bytes]:
        """Parts of a JSON document; raises QueryError before the first one."""
        return self._run(pipe.Ask(sql, False))

    def arrow(self, sql: str) -> AsyncGenerator[bytes]:
        """Parts of an Arrow IPC stream."""
        return self._run(pipe.Ask(sql, True))

    async def close(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
        child, self._child = self._child, None
        if child is not None and child.returncode is None:
            child.kill()
            await child.wait()

    async def _run(self, ask: pipe.Ask) -> AsyncGenerator[bytes]:
        async with self._in_turn():
            child = await self._started()
            whole = False
            try:
                async for part in self._converse(child, ask):
                    yield part
                whole = True
            except QueryError as error:
                whole = error.whole
                raise
            finally:
                if whole:
                    self._rest()
                else:  # the asker went away in the middle: the pipe is of no use now
                    await self.close()

    @asynccontextmanager
    async def _in_turn(self) -> AsyncIterator[None]:
        if self._waiting >= WAITING_MAX:
            raise QueryError(STATUS_TOO_MANY, f"{WAITING_MAX} queries wait already: try again")
        self._waiting += 1
        try:
            await self._turn.acquire()
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._turn.release()

    async def _converse(
        self, child: asyncio.subprocess.Process, ask: pipe.Ask
    ) -> AsyncIterator[bytes]:
        await _send(child, ask)
        while True:
            message = await _receive(child)
            if isinstance(message, pipe.Part):
                yield message.body
            elif isinstance(message, pipe.Need):
                await self._feed(child, message)
            elif isinstance(message, pipe.Done):
                if message.status != STATUS_OK:
                    raise QueryError(message.status, message.message, whole=True)
                return

    async def _feed(self, child: asyncio.subprocess.Process, need: pipe.Need) -> None:
        if need.source == "rows":
            await self._feed_stored(child, need)
            return
        rows = self._rows(need)
        last = False
        while not last:
            some, last = _handful(rows)
            await _send(child, pipe.Rows(some, last))
            await asyncio.sleep(0)  # calls go on between two handfuls of rows

    def _rows(self, need: pipe.Need) -> Iterator[tuple[bytes, bytes]]:
        if need.source == "attempts":
            for view in self._attempts():
                key = view.pop("id")
                assert isinstance(key, bytes)
                yield key, orjson.dumps(view)
        elif need.source == "services":
            yield from ((b"", row) for row in registry_rows.services(self._registry()))
        else:
            yield from ((b"", row) for row in registry_rows.deployments(self._registry()))

    async def _feed_stored(self, child: asyncio.subprocess.Process, need: pipe.Need) -> None:
        """Rows of all partitions, opened at one moment, taken as the child takes them."""
        engine = self._engine
        streams = [
            engine.export(number, need.kinds, need.starts)
            for number in range(engine.partition_count)
        ]
        for stream in streams:
            async for some in asking.chunks(stream):
                if isinstance(some, Unavailable):
                    raise QueryError(STATUS_UNAVAILABLE, some.reason)
                await _send(child, pipe.Rows(some, False))
        await _send(child, pipe.Rows([], True))

    async def _started(self) -> asyncio.subprocess.Process:
        if self._idle is not None:
            self._idle.cancel()
        if self._child is None or self._child.returncode is not None:
            self._child = await asyncio.create_subprocess_exec(
                sys.executable,
                "-P",  # what lies in the working directory is none of its modules
                "-m",
                "orchestrator.sql.child",
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                limit=1 << 20,
            )
        return self._child

    def _rest(self) -> None:
        loop = asyncio.get_running_loop()
        self._idle = loop.call_later(IDLE_S, self._let_go)

    def _let_go(self) -> None:
        if self._child is not None and not self._turn.locked():
            if self._child.stdin is not None:
                self._child.stdin.close()  # the child ends by itself
            self._child = None


def _handful(rows: Iterator[tuple[bytes, bytes]]) -> tuple[list[tuple[bytes, bytes]], bool]:
    """Some rows, and whether they were the last."""
    some: list[tuple[bytes, bytes]] = []
    room = BYTES_AT_ONCE
    for row in rows:
        some.append(row)
        room -= len(row[1])
        if room <= 0 or len(some) == ROWS_AT_ONCE:
            return some, False
    return some, True


async def _send(child: asyncio.subprocess.Process, message: pipe.Message) -> None:
    assert child.stdin is not None
    try:
        child.stdin.write(pipe.pack(message))
        await child.stdin.drain()
    except ConnectionError:
        raise QueryError(STATUS_FAILED, "the SQL process ended; try again") from None


async def _receive(child: asyncio.subprocess.Process) -> pipe.Message:
    assert child.stdout is not None
    try:
        async with asyncio.timeout(CHILD_SILENT_S_MAX):
            head = await child.stdout.readexactly(pipe.LENGTH_BYTES)
            body = await child.stdout.readexactly(int.from_bytes(head, "big"))
    except TimeoutError:
        raise QueryError(
            STATUS_FAILED, f"the query said nothing for {CHILD_SILENT_S_MAX:g} s: ask for less"
        ) from None
    except asyncio.IncompleteReadError:
        raise QueryError(STATUS_FAILED, "the SQL process ended; try again") from None
    message: pipe.Message = pipe.decode(body)
    return message
