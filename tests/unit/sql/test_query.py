"""SQL over real rows, through the real child process."""

import re
from collections.abc import Sequence

import orjson
import pyarrow as pa
import pytest

from orchestrator.model.records import Kill
from orchestrator.processor.streams import LocalStream
from orchestrator.sql.answering import Answering
from orchestrator.sql.errors import QueryError
from orchestrator.sql.query import SqlQuery
from orchestrator.tables.port import Pair
from perdure.wire.ids import invocation_id_to_str
from tests.unit.sql.world import (
    FAILING,
    FLOW,
    GREET,
    HOLDER,
    QUEUED,
    Rows,
    ask,
    run,
    whole,
)


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
        counts = {names[row["id"]]: row.get("retry_count") for row in shown}
        assert counts == {GREET: None, QUEUED: None, HOLDER: None, FLOW: 1, FAILING: 1}
        (one,) = await ask(
            query,
            f"SELECT * FROM sys_invocation WHERE id = '{invocation_id_to_str(FAILING)}'",
        )
        assert (
            one["last_failure"] == "[500 Internal] boom\ntrace"
            and one["last_failure_error_code"] == "RT0007"
        )
        assert one["last_failure_related_command_type"] == "Run" and one["retry_count"] == 1

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
        body = await whole(query.arrow("SELECT COUNT(1) FROM sys_invocation_status").parts)
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
    [
        "SELEC 1",
        "SELECT nothing FROM state",
        "DROP TABLE state",
        "CREATE TABLE x AS SELECT 1",
        "",
        "SELECT 1/0",
        "SELECT 1/(value-1) FROM range(0, 3)",
        "SELECT CAST('a' AS INT)",
    ],
)
def test_what_is_not_a_query_is_refused_and_the_next_one_runs(sql: str) -> None:
    async def check(query: SqlQuery, rows: Rows) -> None:
        with pytest.raises(QueryError) as refused:
            await whole(query.json(sql).parts)
        assert refused.value.status == 400 and str(refused.value)
        assert await ask(query, "SELECT 1 AS one") == [{"one": 1}]

    run(check)


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("SELEC 1", "this is no SQL that can be read: Expected: an SQL statement"),
        ("SELECT * FROM sys_invocations", "no table sys_invocations: did you mean sys_invocation?"),
        ("SELECT * FROM zz", "there is no table zz: there are sys_"),
        ("SELECT idd FROM state", "No field named idd"),
        ("DROP TABLE state", "only read"),
        ("DELETE FROM state", "only read"),
        ("SET a = 1", "only read"),
        ("INSERT INTO state VALUES (1)", "only read, with SELECT: INSERT is not"),
        ("  update state set key = 1", "only read, with SELECT: UPDATE is not"),
        ("SELECT foo(1)", "there is no function foo"),
        ("SELECT lenght('a')", "there is no function lenght: did you mean length?"),
    ],
)
def test_what_is_wrong_is_said_to_who_wrote_it(sql: str, said: str) -> None:
    async def check(query: SqlQuery, rows: Rows) -> None:
        with pytest.raises(QueryError) as refused:
            await whole(query.json(sql).parts)
        assert said in str(refused.value)

    run(check)


@pytest.mark.parametrize("named", ["x", "inv_1", "inv_1é", "inv_" + "1" * 500, ""])
def test_what_is_no_id_has_no_rows(named: str) -> None:
    async def check(query: SqlQuery, rows: Rows) -> None:
        for table in ("sys_invocation", "sys_journal", "sys_journal_events"):
            assert await ask(query, f"SELECT id FROM {table} WHERE id = '{named}'") == []

    run(check)


def test_a_fault_in_a_table_is_told_without_its_traceback() -> None:
    said = (
        "DataFusion error: External error: Python error PyErr { type: <class 'KeyError'>, value:"
        " KeyError('x'), traceback: Some(\"Traceback (most recent call last):\\n\") }"
    )
    answered = Answering.__new__(Answering)._failed(Exception(said))
    assert answered.status == 500
    assert answered.message == "the query failed: KeyError('x')"


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
