"""What SQL shows of invocations that are tried again, and of workflows that have expired."""

import time
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from orchestrator.model.effects import CompletePromise, SetState
from orchestrator.model.ids import workflow_id
from orchestrator.model.records import Failed
from orchestrator.model.values import THEN_RETRY, WORKFLOW_RUN, Attempted
from orchestrator.sql.query import SqlQuery
from perdure.wire.ids import invocation_id_to_str
from tests.unit.machine.bench import Bench, uid
from tests.unit.sql.world import FRAME, Rows, ask, run

ASKED = uid(40)
RUN = workflow_id("W", "k")


def begun() -> Bench:
    bench = Bench()
    bench.now_ms = time.time_ns() // 1_000_000
    bench.invoke(ASKED)
    for _ in range(3):
        why = Attempted(500, "later", at_ms=bench.now_ms)
        asked = Failed(
            why, THEN_RETRY, 0, bench.now_ms + 30_000, True, bench.now_ms - 5, "dp_7", "sdk/1"
        )
        bench.flush(ASKED, end=asked)
    return bench


def shown(bench: Bench, sql: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []

    async def test(query: SqlQuery, _: Rows) -> None:
        rows.extend(await ask(query, sql))

    run(test, bench)
    return rows


def as_it_is(bench: Bench) -> None:
    pass


@pytest.mark.parametrize(
    ("then", "status"),
    [(as_it_is, "backing-off"), (lambda bench: bench.finish(ASKED), "completed")],
)
def test_one_whose_service_asked_for_a_pause(then: Callable[[Bench], object], status: str) -> None:
    bench = begun()
    then(bench)
    asked_id = invocation_id_to_str(ASKED)
    (row,) = shown(bench, f"SELECT * FROM sys_invocation WHERE id = '{asked_id}'")
    assert (row["status"], row["retry_count"]) == (status, 3)
    assert ("next_retry_at" in row) == (status == "backing-off")
    assert row["last_failure"].endswith("later") and "last_start_at" in row
    assert row["last_attempt_deployment_id"] == "dp_7"
    assert row["last_attempt_server"] == "sdk/1"
    (event,) = shown(bench, f"SELECT event_json FROM sys_journal_events WHERE id = '{asked_id}'")
    assert orjson.loads(event["event_json"])["count"] == 3


@pytest.mark.parametrize("kept_ms", [0, 600_000])
def test_what_a_workflow_had_is_shown_until_it_expires(kept_ms: int) -> None:
    bench = Bench()
    bench.now_ms = time.time_ns() // 1_000_000
    bench.invoke(RUN, service="W", key="k", kind=WORKFLOW_RUN, retention_ms=kept_ms)
    bench.flush(RUN, SetState(b"s", 8, 11), CompletePromise("p", 1, 8, 11), frames=FRAME)
    bench.finish(RUN)
    expected = [1] if kept_ms else [0]
    for table in ("state", "sys_promise", "sys_invocation"):
        counts = shown(bench, f"SELECT count(*) AS n FROM {table}")
        assert [row["n"] for row in counts] == expected, table
