"""What a query may cost: memory, time, processes; and that nothing is read ahead of who asks."""

import asyncio
import gc
import signal
import time
from collections.abc import Callable, Iterator, Sequence

import pyarrow as pa
import pytest

from orchestrator.codec import keys
from orchestrator.model.invoke import Invoke
from orchestrator.model.values import SERVICE
from orchestrator.processor.port import Unavailable
from orchestrator.processor.streams import LocalStream
from orchestrator.runtime import metrics
from orchestrator.runtime.scheduler import LoopScheduler
from orchestrator.runtime.telemetry import Telemetry
from orchestrator.sql import children, pipe
from orchestrator.sql.children import Child
from orchestrator.sql.errors import QueryError
from orchestrator.sql.options import SqlOptions
from orchestrator.sql.query import SqlQuery
from orchestrator.tables.port import Pair
from tests.unit.machine.bench import Bench, uid
from tests.unit.sql.world import Rows, ask, run, whole

ENDLESS = "SELECT SUM(value % 7) FROM range(0, 1000000000000000)"
ONE = [{"one": 1}]
TOO_MUCH = "SELECT array_agg(repeat('x', 100000)) FROM range(0, 100000)"


async def one(query: SqlQuery) -> list[dict[str, int]]:
    return await ask(query, "SELECT 1 AS one")


def with_inputs(count: int, size: int) -> Bench:
    bench = Bench()
    for number in range(count):
        body = b"x" * size
        bench.do(Invoke(uid(number), "Greeter", "greet", "", SERVICE, body, (), 1, 1, 1))
    return bench


@pytest.fixture
def rounds_s(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """How long the thread of the loop worked in each round: other work of the machine is not in it,
    nor the collector, which would look through all that a run of tests has left."""
    found: list[float] = []
    run_once = asyncio.BaseEventLoop._run_once  # type: ignore[attr-defined]

    def timed(loop: asyncio.BaseEventLoop) -> None:
        began_s = time.thread_time()
        run_once(loop)
        found.append(time.thread_time() - began_s)

    monkeypatch.setattr(asyncio.BaseEventLoop, "_run_once", timed)
    gc.disable()
    yield found
    gc.enable()


def test_what_a_query_costs_in_the_server_is_bounded(
    monkeypatch: pytest.MonkeyPatch, rounds_s: list[float]
) -> None:
    sent: list[pipe.PipeMessage] = []
    send = Child.send

    async def watched(child: Child, message: pipe.PipeMessage) -> None:
        sent.append(message)
        await send(child, message)

    async def check(query: SqlQuery, rows: Rows) -> None:
        sql = "SELECT id, raw, entry_lite_json FROM sys_journal"
        parts = [part async for part in query.arrow(sql).parts]
        assert len(parts) > 100 and max(map(len, parts)) < 200_000
        assert pa.ipc.open_stream(b"".join(parts)).read_all().num_rows == 40
        carried = [sum(len(v) for _, v in m.rows) for m in sent if isinstance(m, pipe.RawRows)]
        assert sum(carried) > 20_000_000 and max(carried) < 2_000_000
        assert await ask(query, "SELECT 1" + " " * 990_000 + "AS one") == ONE
        assert len(rounds_s) > 100 and max(rounds_s) < 0.05, "calls wait for it"

    monkeypatch.setattr(Child, "send", watched)
    run(check, with_inputs(40, 600_000))


class Endless(Rows):
    """Rows that are made as they are read; `taken` counts them."""

    taken = 0

    def export(
        self, partition: int, kinds: Sequence[bytes], starts: Sequence[bytes]
    ) -> LocalStream[Pair]:
        self.bench.state.spill()
        stored = [
            next(self.bench.store.scan(kind, kind + b"\xff"))
            for kind in (keys.INVOCATION, keys.INPUT)
        ]

        def rows() -> Iterator[Pair]:
            while True:
                self.taken += 1
                for key, value in stored:
                    yield key[:1] + self.taken.to_bytes(24, "big") + key[25:], value

        return LocalStream(rows(), LoopScheduler(), lambda error: Unavailable(str(error), False))


def test_nothing_is_read_ahead_of_a_client_that_takes_nothing() -> None:
    rows = Endless(with_inputs(1, 100_000))

    async def check(query: SqlQuery, _: Rows) -> None:
        parts = query.arrow("SELECT id, raw FROM sys_journal").parts
        await anext(parts)
        await asyncio.sleep(1)
        taken = rows.taken
        await asyncio.sleep(1)
        assert rows.taken == taken < 400, "a few chunks of 1 MiB are under way"
        for _ in range(400):
            await anext(parts)
        assert rows.taken > taken
        await parts.aclose()
        assert await one(query) == ONE

    run(check, rows=rows)


def test_a_query_that_takes_too_long_ends_and_the_next_one_runs() -> None:
    async def check(query: SqlQuery, rows: Rows) -> None:
        assert await one(query) == ONE  # a child is there: no part of the second goes on its start
        query._options = SqlOptions(timeout_s=1.0)
        with pytest.raises(QueryError) as refused:
            await whole(query.json(ENDLESS).parts)
        assert refused.value.status == 504 and "longer than 1 s" in str(refused.value)
        query._options = SqlOptions()
        assert await one(query) == ONE

    run(check)


def test_slow_queries_hold_up_no_other() -> None:
    async def check(query: SqlQuery, rows: Rows) -> None:
        slow = [asyncio.ensure_future(whole(query.json(ENDLESS).parts)) for _ in range(3)]
        await asyncio.sleep(0)
        for _ in range(5):
            assert await one(query) == ONE
        assert not any(one.done() for one in slow)
        for running in slow:
            running.cancel()
        await asyncio.wait(slow)

    run(check)


def test_only_so_many_queries_run_and_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    async def check(query: SqlQuery, rows: Rows) -> None:
        monkeypatch.setattr(children, "WAITING_MAX", 2)
        several = (one(query) for _ in range(children.RUNNING_MAX + 4))
        answers = await asyncio.gather(*several, return_exceptions=True)
        refused = [given for given in answers if isinstance(given, QueryError)]
        assert [given.status for given in refused] == [429, 429]
        assert answers.count(ONE) == children.RUNNING_MAX + 2

    run(check)


def test_queries_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    telemetry = Telemetry()

    async def check(query: SqlQuery, rows: Rows) -> None:
        slow = asyncio.ensure_future(whole(query.json(ENDLESS).parts))
        other = asyncio.ensure_future(one(query))
        await _until(lambda: telemetry.value(metrics.QUERIES_RUNNING) == 1)
        assert telemetry.value(metrics.QUERIES_WAITING) == 1
        with pytest.raises(QueryError):
            await one(query)  # WAITING_MAX
        slow.cancel()
        await asyncio.wait((slow,))
        assert await other == ONE
        with pytest.raises(QueryError):
            await whole(query.json("SELEC 1").parts)
        ended = {how: n for (how,), n in telemetry.numbers(metrics.QUERIES).items()}
        assert ended == {"too_many": 1, "broken_off": 1, "answered": 1, "bad": 1}
        assert not telemetry.value(metrics.QUERIES_RUNNING)
        assert not telemetry.value(metrics.QUERIES_WAITING)

    monkeypatch.setattr(children, "RUNNING_MAX", 1)
    monkeypatch.setattr(children, "WAITING_MAX", 1)
    run(check, telemetry=telemetry)


def test_a_query_that_waits_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    async def check(query: SqlQuery, rows: Rows) -> None:
        slow = asyncio.ensure_future(whole(query.json(ENDLESS).parts))
        await asyncio.sleep(0)
        monkeypatch.setattr(children, "WAIT_S_MAX", 0.1)
        with pytest.raises(QueryError) as refused:
            await one(query)
        assert refused.value.status == 429
        slow.cancel()
        await asyncio.wait((slow,))
        assert await one(query) == ONE

    monkeypatch.setattr(children, "RUNNING_MAX", 1)
    run(check)


@pytest.mark.parametrize(
    "sql",
    [
        TOO_MUCH,
        "SELECT a.value FROM range(0, 40000000) a JOIN range(0, 40000000) b ON a.value = b.value",
        "SELECT MAX(LENGTH(repeat('x', 2000000000))) FROM range(0, 3)",
    ],
)
def test_a_query_that_needs_too_much_memory_is_told_so_and_the_next_one_runs(sql: str) -> None:
    async def check(query: SqlQuery, rows: Rows) -> None:
        with pytest.raises(QueryError) as refused:
            await whole(query.json(sql).parts)
        assert refused.value.status == 422 and "memory" in str(refused.value)
        assert f"{SqlOptions().memory_bytes_max >> 20} MiB" in str(refused.value)
        assert await one(query) == ONE

    run(check)


def test_an_answer_in_arrow_that_fails_before_its_first_row_has_sent_nothing() -> None:
    """So that the client gets the reason, and not the beginning of an answer that breaks off."""

    async def check(query: SqlQuery, rows: Rows) -> None:
        sent: list[bytes] = []
        with pytest.raises(QueryError) as refused:
            async for part in query.arrow(TOO_MUCH).parts:
                sent.append(part)  # noqa: PERF401 what came before it broke off counts
        assert refused.value.status == 422 and sent == []
        with pa.ipc.open_stream(await whole(query.arrow("SELECT 1 AS one").parts)) as stream:
            assert stream.read_all().to_pylist() == ONE

    run(check)


def _children(query: SqlQuery) -> list[Child]:
    return [*query._children._busy, *query._children._resting]


async def _until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not is_so():
            await asyncio.sleep(0.01)


def test_a_client_that_goes_away_ends_its_query() -> None:
    async def check(query: SqlQuery, rows: Rows) -> None:
        asking = asyncio.ensure_future(whole(query.json(ENDLESS).parts))
        await _until(lambda: bool(query._children._busy))
        (child,) = _children(query)
        asking.cancel()
        await asyncio.wait((asking,))
        assert not child.lives and not _children(query)
        assert await one(query) == ONE

    run(check)


def test_a_child_that_dies_is_named_and_replaced() -> None:
    async def check(query: SqlQuery, rows: Rows) -> None:
        asking = asyncio.ensure_future(whole(query.json(ENDLESS).parts))
        await _until(lambda: bool(query._children._busy))
        (child,) = _children(query)
        child._process.send_signal(signal.SIGKILL)
        with pytest.raises(QueryError) as refused:
            await asking
        assert refused.value.status == 500 and "SIGKILL" in str(refused.value)
        assert await one(query) == ONE
        (resting,) = _children(query)
        resting._process.send_signal(signal.SIGKILL)
        await resting._process.wait()
        assert await one(query) == ONE, "nobody notices one that dies while it rests"

    run(check)


def test_the_child_is_let_go_after_a_failed_query_too(monkeypatch: pytest.MonkeyPatch) -> None:
    async def check(query: SqlQuery, rows: Rows) -> None:
        with pytest.raises(QueryError):
            await whole(query.json("SELEC").parts)
        (child,) = _children(query)
        assert await asyncio.wait_for(child._process.wait(), 10) == 0
        assert not _children(query)

    monkeypatch.setattr(children, "CHILD_IDLE_S", 0.1)
    run(check)
