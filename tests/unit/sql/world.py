"""SQL over the rows of a bench, for tests: through the real child process."""

import asyncio
import time
from collections import Counter
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
    Iterable,
    Iterator,
    Sequence,
)
from typing import Any

import orjson

from orchestrator.intake.views import SubscriptionViews
from orchestrator.machine.details import AWAITED_PROMISE
from orchestrator.model.effects import CompletePromise, GetPromise, SetOutput, SetState, Sleep
from orchestrator.model.records import Ended, Failed, Suspended
from orchestrator.model.values import (
    OBJECT_EXCLUSIVE,
    THEN_RETRY,
    WORKFLOW_RUN,
    Attempted,
    Future,
)
from orchestrator.processor import reads
from orchestrator.processor.port import Unavailable
from orchestrator.processor.streams import LocalStream
from orchestrator.registry.schema import Registry
from orchestrator.registry.stored_topics import TopicsState
from orchestrator.runtime.scheduler import LoopScheduler
from orchestrator.runtime.telemetry import Telemetry
from orchestrator.sql.children import Child
from orchestrator.sql.feeds import LiveViews
from orchestrator.sql.options import SqlOptions
from orchestrator.sql.query import SqlQuery
from orchestrator.tables.port import Pair
from perdure.wire import codes
from perdure.wire.frames import frame
from tests.unit.machine.bench import Bench, uid

FRAME = frame(codes.RUN, b"abc")
GREET, QUEUED, HOLDER, FLOW, FAILING = (uid(n) for n in range(1, 6))


class Rows:
    """The part of the engine that SQL reads: raw rows; remembers what was asked."""

    partition_count = 1

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.asked: list[bytes] = []  # starts of keys
        self.read: Counter[bytes] = Counter()  # rows by the prefix of their table

    def export(
        self, partition: int, kinds: Sequence[bytes], starts: Sequence[bytes]
    ) -> LocalStream[Pair]:
        self.asked += starts
        self.bench.state.spill()
        rows = self._counted(reads.export_rows(self.bench.store, kinds, starts))
        return LocalStream(rows, LoopScheduler(), lambda error: Unavailable(str(error), False))

    def _counted(self, rows: Iterator[Pair]) -> Iterator[Pair]:
        for key, value in rows:
            self.read[key[:1]] += 1
            yield key, value

    def unreadable(self) -> dict[int, str]:
        return {}


def filled() -> Bench:
    bench = Bench()
    bench.now_ms = time.time_ns() // 1_000_000
    bench.invoke(GREET)
    bench.flush(GREET, Sleep(bench.now_ms - 5, 1), frames=frame(codes.SLEEP, b"\x08\x05\x58\x01"))
    output = frame(codes.OUTPUT, b"\x72\x04\x0a\x02hi")
    bench.flush(GREET, SetOutput(12, 14), frames=output, end=Ended())
    bench.invoke(HOLDER, service="Counter", handler="add", key="k", kind=OBJECT_EXCLUSIVE)
    bench.invoke(QUEUED, service="Counter", handler="add", key="k", kind=OBJECT_EXCLUSIVE)
    bench.flush(HOLDER, SetState(b"count", 8, 11), frames=FRAME)
    holder = bench.live(HOLDER)
    assert holder is not None
    holder.awaits = {7: AWAITED_PROMISE + b"p"}
    bench.flush(HOLDER, end=Suspended(Future((7,), (1,)), 3))
    bench.invoke(FLOW, service="Flow", handler="run", key="w", kind=WORKFLOW_RUN)
    bench.flush(FLOW, CompletePromise("p", 1, 8, 11), GetPromise("q", 2), frames=FRAME)
    bench.invoke(FAILING)
    why = Attempted(500, "boom", "trace", "RT0007", 1, "step", codes.RUN, bench.now_ms)
    bench.flush(FAILING, end=Failed(why, THEN_RETRY, 2, bench.now_ms + 500))
    return bench


def attempts() -> Iterable[dict[str, object]]:
    yield {
        "id": FLOW,
        "in_flight": True,
        "started_at_ms": 1,
        "deployment": "dp_1",
        "server": "sdk/1",
    }


async def no_subscriptions() -> SubscriptionViews:
    return {}


async def whole(parts: AsyncIterator[bytes]) -> bytes:
    return b"".join([part async for part in parts])


class Kept:
    """What stories take over from those before: a loop, and a child that rests at their ends. To
    start one is nearly all that a story costs."""

    def __init__(self) -> None:
        self._runner = asyncio.Runner()
        self._resting: list[Child] = []

    def run(self, story: Coroutine[Any, Any, None]) -> None:
        self._runner.run(story)

    def lend(self, query: SqlQuery) -> None:
        query._children._resting += self._resting
        self._resting.clear()

    def take_back(self, query: SqlQuery) -> None:
        """Of several, one."""
        if query._children._resting:
            self._resting.append(query._children._resting.pop())

    def close(self) -> None:
        for child in self._resting:
            self._runner.run(child.kill())
        self._resting.clear()
        self._runner.close()
        self._runner = asyncio.Runner()


KEPT = Kept()  # conftest.py closes it after each module


def run(
    test: Callable[[SqlQuery, Rows], Awaitable[None]],
    bench: Bench | None = None,
    rows: Rows | None = None,
    telemetry: Telemetry | None = None,
    topics: TopicsState | None = None,
    views: LiveViews | None = None,
) -> None:
    """A story with SQL over a bench, or other rows."""
    read = rows or Rows(bench or filled())

    async def main() -> None:
        query = SqlQuery(
            read,  # type: ignore[arg-type]
            lambda: Registry(0, {}, {}, topics or TopicsState()),
            views or LiveViews(attempts, no_subscriptions),
            SqlOptions(),
            telemetry,
        )
        KEPT.lend(query)
        try:
            await test(query, read)
            KEPT.take_back(query)
        finally:
            await query.close()

    KEPT.run(main())


async def ask(query: SqlQuery, sql: str) -> list[dict[str, Any]]:
    answer: list[dict[str, Any]] = orjson.loads(await whole(query.json(sql).parts))["rows"]
    return answer
