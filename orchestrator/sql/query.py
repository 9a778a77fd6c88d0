"""Runs queries in child processes: feeds them rows as they pull them, passes on the answer."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import TypeVar

from orchestrator.processor.port import Engine
from orchestrator.registry.schema import Registry
from orchestrator.runtime.metrics import QUERIES, QUERIES_RUNNING, QUERIES_WAITING
from orchestrator.runtime.telemetry import Telemetry
from orchestrator.sql import pipe
from orchestrator.sql.children import Child, Children
from orchestrator.sql.errors import (
    ANSWERED,
    BROKEN_OFF,
    HOW,
    STATUS_OK,
    STATUS_TOO_LONG,
    QueryError,
)
from orchestrator.sql.feeds import Feeds, LiveViews
from orchestrator.sql.options import SqlOptions

T = TypeVar("T")


class StreamedAnswer:
    """An answer as it comes. `missing` is complete with the first of its `parts`."""

    def __init__(self, feeds: Feeds, parts: AsyncGenerator[bytes]) -> None:
        self.missing = feeds.missing
        self.parts = parts


class SqlQuery:
    """The `Query` port of the admin API. Children start with the first queries."""

    def __init__(
        self,
        engine: Engine,
        registry: Callable[[], Registry],
        views: LiveViews,
        options: SqlOptions | None = None,
        telemetry: Telemetry | None = None,
    ) -> None:
        """`registry` may raise MetadataUnavailable."""
        self._engine = engine
        self._registry = registry
        self._views = views
        self._options = options or SqlOptions()
        self._children = children = Children(self._options.memory_bytes_max)
        telemetry = telemetry or Telemetry()
        telemetry.ask(QUERIES_RUNNING, lambda: children.running_count)
        telemetry.ask(QUERIES_WAITING, lambda: children.waiting_count)
        self._ended = telemetry.counters(QUERIES)

    def json(self, sql: str, nulls: bool = False) -> StreamedAnswer:
        """Parts of a JSON document; QueryError instead of one. `nulls`: those are told too."""
        return self._answer(pipe.Ask(sql, False, nulls))

    def arrow(self, sql: str) -> StreamedAnswer:
        """Parts of an Arrow IPC stream."""
        return self._answer(pipe.Ask(sql, True))

    async def close(self) -> None:
        await self._children.close()

    def _answer(self, ask: pipe.Ask) -> StreamedAnswer:
        feeds = Feeds(self._engine, self._registry, self._views)
        return StreamedAnswer(feeds, self._counted(self._run(ask, feeds)))

    async def _counted(self, parts: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
        how = BROKEN_OFF
        try:
            async with aclosing(parts):
                async for part in parts:
                    yield part
            how = ANSWERED
        except QueryError as error:
            how = HOW.get(error.status, "failed")
            raise
        finally:
            self._ended.of(how).add()

    async def _run(self, ask: pipe.Ask, feeds: Feeds) -> AsyncGenerator[bytes]:
        async with self._children.lent() as child:
            until_s = asyncio.get_running_loop().time() + self._options.timeout_s
            try:
                await self._within(until_s, child.send(ask))
                while (part := await self._within(until_s, _next_part(child, feeds))) is not None:
                    yield part
            finally:
                feeds.close()

    async def _within(self, until_s: float, work: Awaitable[T]) -> T:
        try:
            async with asyncio.timeout_at(until_s):
                return await work
        except TimeoutError:
            raise QueryError(
                STATUS_TOO_LONG,
                f"the query took longer than {self._options.timeout_s:g} s: ask for less, or"
                " start the server with a larger --query-timeout",
            ) from None


async def _next_part(child: Child, feeds: Feeds) -> bytes | None:
    """Serve the child until it has a part of the answer; None once that is complete."""
    while True:
        message = await child.receive()
        if isinstance(message, pipe.Part):
            return message.body
        if isinstance(message, pipe.Open):
            feeds.open(message.scans)
        elif isinstance(message, pipe.More):
            await child.send(await feeds.more(message.number))
        elif isinstance(message, pipe.AnswerDone):
            if message.status != STATUS_OK:
                raise QueryError(message.status, message.message, whole=True)
            return None
