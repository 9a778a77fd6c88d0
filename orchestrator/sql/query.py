"""Runs queries in the child: feeds it rows, passes on its answer."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from itertools import islice

import orjson

from orchestrator.processor.port import Engine
from orchestrator.registry.schema import Registry
from orchestrator.sql import pipe, registry_rows

ROWS_AT_ONCE = 2_000
STATUS_OK = 200
IDLE_S = 300.0  # a child nobody asks for this long is let go: it is larger than the server
Views = Callable[[], Iterable[dict[str, object]]]


class QueryError(Exception):
    """A query that cannot be answered; `status` is HTTP's."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class SqlQuery:
    """The `Query` port of the admin API. One query at a time; the child starts with the first."""

    def __init__(self, engine: Engine, registry: Callable[[], Registry], attempts: Views) -> None:
        self._engine = engine
        self._registry = registry
        self._attempts = attempts
        self._turn = asyncio.Lock()
        self._child: asyncio.subprocess.Process | None = None
        self._idle: asyncio.TimerHandle | None = None

    def json(self, sql: str) -> AsyncIterator[bytes]:
        """Parts of a JSON document; raises QueryError before the first one."""
        return self._run(pipe.Ask(sql, False))

    def arrow(self, sql: str) -> AsyncIterator[bytes]:
        """Parts of an Arrow IPC stream."""
        return self._run(pipe.Ask(sql, True))

    async def close(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
        child, self._child = self._child, None
        if child is not None and child.returncode is None:
            child.kill()
            await child.wait()

    async def _run(self, ask: pipe.Ask) -> AsyncIterator[bytes]:
        async with self._turn:
            child = await self._started()
            whole = False
            try:
                async for part in self._converse(child, ask):
                    yield part
                whole = True
            except QueryError:
                whole = True
                raise
            finally:
                if not whole:  # the asker went away in the middle: the pipe is of no use now
                    await self.close()
            self._rest()

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
                    raise QueryError(message.status, message.message)
                return

    async def _feed(self, child: asyncio.subprocess.Process, need: pipe.Need) -> None:
        rows = self._rows(need)
        while True:
            some = list(islice(rows, ROWS_AT_ONCE))
            last = len(some) < ROWS_AT_ONCE
            await _send(child, pipe.Rows(some, last))
            if last:
                return
            await asyncio.sleep(0)  # calls go on between two handfuls of rows

    def _rows(self, need: pipe.Need) -> Iterator[tuple[bytes, bytes]]:
        if need.source == "attempts":
            for view in self._attempts():
                key = view.pop("id")
                assert isinstance(key, bytes)
                yield key, orjson.dumps(view)
        elif need.source == "services":
            yield from ((b"", row) for row in registry_rows.services(self._registry()))
        elif need.source == "deployments":
            yield from ((b"", row) for row in registry_rows.deployments(self._registry()))
        else:
            for prefix in need.prefixes:
                yield from self._engine.export(prefix)

    async def _started(self) -> asyncio.subprocess.Process:
        if self._idle is not None:
            self._idle.cancel()
        if self._child is None or self._child.returncode is not None:
            self._child = await asyncio.create_subprocess_exec(
                sys.executable,
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


async def _send(child: asyncio.subprocess.Process, message: pipe.Message) -> None:
    assert child.stdin is not None
    try:
        child.stdin.write(pipe.pack(message))
        await child.stdin.drain()
    except ConnectionError:
        raise QueryError(500, "the SQL process ended; try again") from None


async def _receive(child: asyncio.subprocess.Process) -> pipe.Message:
    assert child.stdout is not None
    try:
        head = await child.stdout.readexactly(pipe.LENGTH_BYTES)
        body = await child.stdout.readexactly(int.from_bytes(head, "big"))
        message: pipe.Message = pipe.decode(body)
        return message
    except asyncio.IncompleteReadError:
        raise QueryError(500, "the SQL process ended; try again") from None
