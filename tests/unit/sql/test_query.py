"""SQL over real rows, through the real child process."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from typing import Any

import orjson
import pyarrow as pa
import pytest

from orchestrator.model.effects import CompletePromise, GetPromise, SetState, Sleep
from orchestrator.model.invoke import Invoke
from orchestrator.model.records import Failed, Kill, Suspended
from orchestrator.model.values import (
    OBJECT_EXCLUSIVE,
    SERVICE,
    THEN_RETRY,
    WORKFLOW_RUN,
    Attempted,
    Future,
)
from orchestrator.processor import reads
from orchestrator.processor.port import Pair, Unavailable
from orchestrator.processor.streams import LocalStream
from orchestrator.registry.schema import Registry
from orchestrator.runtime.scheduler import LoopScheduler
from orchestrator.sql import pipe
from orchestrator.sql import query as running
from orchestrator.sql.query import QueryError, SqlQuery
from perdure.wire import codes
from perdure.wire.frames import frame
from perdure.wire.ids import invocation_id_to_str
from tests.unit.machine.bench import Bench, uid

FRAME = frame(codes.RUN, b"abc")
GREET, QUEUED, HOLDER, FLOW, FAILING = (uid(n) for n in range(1, 6))


class Rows:
    """The part of the engine that SQL reads: raw rows; remembers what was asked."""

    partition_count = 1

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.asked: list[bytes] = []  # starts of keys

    def export(
        self, partition: int, kinds: Sequence[bytes], starts: Sequence[bytes]
    ) -> LocalStream[Pair]:
        self.asked += starts
        self.bench.state.spill()
        rows = reads.export_rows(self.bench.store, kinds, starts)
        return LocalStream(rows, LoopScheduler(), lambda error: Unavailable(str(error), False))

    def unreadable(self) -> dict[int, str]:
        return {}


def filled() -> Bench:
    import time

    bench = Bench()
    bench.now_ms = time.time_ns() // 1_000_000
    bench.invoke(GREET)
    bench.flush(GREET, Sleep(bench.now_ms - 5, 1), frames=frame(codes.SLEEP, b"\x08\x05\x58\x01"))
    output = frame(codes.OUTPUT, b"\x72\x04\x0a\x02hi")
    from orchestrator.model.effects import SetOutput
    from orchestrator.model.records import Ended

    bench.flush(GREET, SetOutput(12, 14), frames=output, end=Ended())
    bench.invoke(HOLDER, service="Counter", handler="add", key="k", kind=OBJECT_EXCLUSIVE)
    bench.invoke(QUEUED, service="Counter", handler="add", key="k", kind=OBJECT_EXCLUSIVE)
    bench.flush(HOLDER, SetState(b"count", 8, 11), frames=FRAME)
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


async def whole(parts: AsyncIterator[bytes]) -> bytes:
    return b"".join([part async for part in parts])


def run(test: Callable[[SqlQuery, Rows], Awaitable[None]], bench: Bench | None = None) -> None:
    async def main() -> None:
        rows = Rows(bench or filled())
        query = SqlQuery(rows, lambda: Registry(0, {}, {}), attempts)  # type: ignore[arg-type]
        try:
            await test(query, rows)
        finally:
            await query.close()

    asyncio.run(main())


async def ask(query: SqlQuery, sql: str) -> list[dict[str, Any]]:
    answer: list[dict[str, Any]] = orjson.loads(await whole(query.json(sql)))["rows"]
    return answer


def test_invocations() -> None:
    async def check(query: SqlQuery, rows: Rows) -> None:
        shown = await ask(query, "SELECT id, status, target, retry_count FROM sys_invocation")
        status = {row["id"]: row["status"] for row in shown}
        names = {invocation_id_to_str(i): i for i in (GREET, QUEUED, HOLDER, FLOW, FAILING)}
        assert {names[k]: v for k, v in status.items()} == {
            GREET: "completed",
            QUEUED: "pending",
            HOLDER: "suspended",
            FLOW: "running",
            FAILING: "backing-off",
        }
        (one,) = await ask(
            query,
            f"SELECT * FROM sys_invocation WHERE id = '{invocation_id_to_str(FAILING)}'",
        )
        assert one["last_failure"] == "[500] boom" and one["last_failure_error_code"] == "RT0007"
        assert one["last_failure_related_command_type"] == "Run" and one["retry_count"] == 2

    run(check)


def test_journal_strings_of_a_completed_invocation() -> None:
    async def check(query: SqlQuery, rows: Rows) -> None:
        sql = "SELECT entry_type FROM sys_journal WHERE id = '{}' ORDER BY index"
        shown = await ask(query, sql.format(invocation_id_to_str(GREET)))
        assert [row["entry_type"] for row in shown] == [
            "Command: Input",
            "Command: Sleep",
            "Notification: Sleep",
            "Command: Output",
        ]
        assert all(len(start) == 24 for start in rows.asked), "ids are pushed down"

    run(check)


def test_events_tell_what_failed_and_what_is_waited_for() -> None:
    async def check(query: SqlQuery, rows: Rows) -> None:
        failed, waiting = await ask(
            query, "SELECT * FROM sys_journal_events ORDER BY event_type DESC"
        )
        assert failed["event_type"] == "TransientError" and waiting["event_type"] == "Suspended"
        assert failed["after_journal_entry_index"] == 0
        assert orjson.loads(failed["event_json"]) == {
            "ty": "TransientError",
            "error_code": 500,
            "error_message": "boom",
            "error_stacktrace": "trace",
            "restate_doc_error_code": "RT0007",
            "related_command_index": 1,
            "related_command_name": "step",
            "related_command_type": "Run",
        }
        awaited = [{"Single": {"CompletionId": 7}}, {"Single": {"SignalIndex": 1}}]
        assert orjson.loads(waiting["event_json"]) == {
            "ty": "Suspended",
            "awaiting_on": {"Unknown": awaited},
        }

    run(check)


def test_times_have_milliseconds_and_end_in_z() -> None:
    async def check(query: SqlQuery, rows: Rows) -> None:
        (row,) = await ask(query, "SELECT * FROM sys_invocation WHERE status = 'completed'")
        assert re.fullmatch(r"2\d{3}-\d\d-\d\dT\d\d:\d\d:\d\d[.]\d{3}Z", row["created_at"])
        assert row["completion_retention"] == "PT86400S" and "partition_key" not in row

    run(check)


def test_keyed_tables_push_service_and_key_down() -> None:
    async def check(query: SqlQuery, rows: Rows) -> None:
        where = "WHERE service_name = 'Counter' AND service_key = 'k'"
        (state,) = await ask(query, f"SELECT * FROM state {where}")
        assert state["key"] == "count" and state["value"] == b"abc".hex()
        assert set(rows.asked) == {b"Counter\0\0\0\0\x01k"}
        (inbox,) = await ask(query, f"SELECT * FROM sys_inbox {where}")
        assert inbox["id"] == invocation_id_to_str(QUEUED)
        (holder,) = await ask(query, f"SELECT * FROM sys_keyed_service_status {where}")
        assert holder["invocation_id"] == invocation_id_to_str(HOLDER)
        promises = await ask(query, "SELECT key, completed FROM sys_promise ORDER BY key")
        assert promises == [{"key": "p", "completed": True}, {"key": "q", "completed": False}]

    run(check)


def test_arrow_counts_are_int64_and_empty_tables_are_there() -> None:
    async def check(query: SqlQuery, rows: Rows) -> None:
        body = await whole(query.arrow("SELECT COUNT(1) FROM sys_invocation_status"))
        table = pa.ipc.open_stream(body).read_all()
        assert table.schema[0].type == pa.int64() and table[0][0].as_py() == 5
        for name in ("sys_rules", "sys_user_limits", "sys_vqueues", "sys_scheduler"):
            assert await ask(query, f"SELECT * FROM {name}") == []
        columns = await ask(
            query,
            "SELECT column_name FROM information_schema.columns"
            " WHERE table_name = 'sys_invocation'",
        )
        assert {"column_name": "last_failure"} in columns

    run(check)


@pytest.mark.parametrize(
    "sql",
    ["SELEC 1", "SELECT nothing FROM state", "DROP TABLE state", "CREATE TABLE x AS SELECT 1", ""],
)
def test_what_is_not_a_query_is_refused_and_the_next_one_runs(sql: str) -> None:
    async def check(query: SqlQuery, rows: Rows) -> None:
        with pytest.raises(QueryError) as refused:
            await whole(query.json(sql))
        assert refused.value.status == 400 and str(refused.value)
        assert await ask(query, "SELECT 1 AS one") == [{"one": 1}]

    run(check)


def test_joins_and_the_forms_the_command_line_uses() -> None:
    async def check(query: SqlQuery, rows: Rows) -> None:
        shown = await ask(
            query,
            "WITH enriched AS (SELECT ss.id, ss.status, d.ty FROM sys_invocation ss"
            " LEFT JOIN sys_deployment d ON ss.pinned_deployment_id = d.id)"
            " SELECT status, COUNT(1) AS c, FIRST_VALUE(id ORDER BY id) AS f FROM enriched"
            " WHERE status IN ('pending', 'running') OR status == 'suspended'"
            " GROUP BY status ORDER BY status LIMIT 9",
        )
        assert [(row["status"], row["c"]) for row in shown] == [
            ("pending", 1),
            ("running", 1),
            ("suspended", 1),
        ]

    run(check)


def test_what_a_query_costs_in_the_server_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[pipe.Message] = []
    send = running._send

    async def watched(child: asyncio.subprocess.Process, message: pipe.Message) -> None:
        sent.append(message)
        await send(child, message)

    async def check(query: SqlQuery, rows: Rows) -> None:
        parts = [part async for part in query.arrow("SELECT * FROM sys_journal")]
        assert len(parts) > 100 and max(map(len, parts)) < 200_000
        assert pa.ipc.open_stream(b"".join(parts)).read_all().num_rows == 40
        carried = [sum(len(v) for _, v in m.rows) for m in sent if isinstance(m, pipe.Rows)]
        assert sum(carried) > 20_000_000 and max(carried) < 2_000_000

    monkeypatch.setattr(running, "_send", watched)
    bench = Bench()
    for number in range(40):
        bench.do(Invoke(uid(number), "Greeter", "greet", "", SERVICE, b"x" * 600_000, (), 1, 1, 1))
    run(check, bench)


def test_all_of_an_answer_is_of_one_moment() -> None:
    async def check(query: SqlQuery, rows: Rows) -> None:
        bench = rows.bench
        asked = rows.export

        def overtaken(
            partition: int, kinds: Sequence[bytes], starts: Sequence[bytes]
        ) -> LocalStream[Pair]:
            stream = asked(partition, kinds, starts)
            bench.do(Kill(HOLDER, bench.now_ms))
            bench.state.spill()
            return stream

        rows.export = overtaken  # type: ignore[method-assign]
        shown = await ask(query, "SELECT id, status FROM sys_invocation")
        status = [row["status"] for row in shown if row["id"] == invocation_id_to_str(HOLDER)]
        assert status == ["suspended"]

    run(check)


def test_a_query_that_takes_too_long_ends_and_the_next_one_runs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def check(query: SqlQuery, rows: Rows) -> None:
        assert await ask(query, "SELECT 1 AS one") == [{"one": 1}]
        monkeypatch.setattr(running, "CHILD_SILENT_S_MAX", 0.5)
        five = " CROSS JOIN ".join(f"(SELECT * FROM range(0, 100000)) AS t{n}" for n in range(5))
        with pytest.raises(QueryError) as refused:
            await whole(query.json(f"SELECT COUNT(1) FROM {five}"))
        assert refused.value.status == 500 and "0.5 s" in str(refused.value)
        monkeypatch.setattr(running, "CHILD_SILENT_S_MAX", 20.0)
        assert await ask(query, "SELECT 1 AS one") == [{"one": 1}]

    run(check)


def test_only_so_many_queries_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    async def check(query: SqlQuery, rows: Rows) -> None:
        monkeypatch.setattr(running, "WAITING_MAX", 2)
        several = (ask(query, "SELECT 1 AS one") for _ in range(5))
        answers = await asyncio.gather(*several, return_exceptions=True)
        refused = [one for one in answers if isinstance(one, QueryError)]
        assert [one.status for one in refused] == [429, 429]
        assert len(answers) - len(refused) == 3

    run(check)


def test_the_child_is_let_go_after_a_failed_query_too(monkeypatch: pytest.MonkeyPatch) -> None:
    async def check(query: SqlQuery, rows: Rows) -> None:
        monkeypatch.setattr(running, "IDLE_S", 0.1)
        with pytest.raises(QueryError):
            await whole(query.json("SELEC"))
        child = query._child
        assert child is not None
        assert await asyncio.wait_for(child.wait(), 10) == 0

    run(check)
