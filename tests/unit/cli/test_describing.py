"""`perdure invocations describe`: what an invocation waits for, its attempts, and what to do."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from orchestrator.cli.waiting import waits_for
from orchestrator.model.effects import Sleep
from orchestrator.model.records import Cancel, Signal, Suspended
from orchestrator.model.values import Future
from perdure.wire import messages
from perdure.wire.commands import SleepCommand
from perdure.wire.ids import invocation_id_to_str, parse_awakeable_id
from tests.unit.admin.world import World
from tests.unit.cli.printed import Printed
from tests.unit.machine.bench import uid

Perdure = Callable[..., Printed]
ID = invocation_id_to_str(uid(1))
HOLDER = invocation_id_to_str(uid(2))


def entry(index: int, kind: str, **shown: Any) -> dict[str, Any]:
    return {"index": index, "type": kind, "appended_at": "2026-11-27T09:00:00Z", "shown": shown}


JOURNAL = [
    entry(1, "Command: GetPromise", key="approved", result_completion_id=1),
    entry(2, "Command: Sleep", wake_up_time=4_102_444_800_000, result_completion_id=2),
    entry(
        3,
        "Command: Call",
        service_name="Bank",
        key="ann",
        handler_name="pay",
        result_completion_id=4,
        invocation_id_notification_idx=3,
    ),
    entry(4, "Notification: CallInvocationId", completion_id=3, invocation_id=HOLDER),
    entry(5, "Command: Run", name="mail", result_completion_id=5),
]


def words(how: str, *handles: dict[str, Any]) -> str:
    return waits_for(ID, json.dumps({how: [{"Single": one} for one in handles]}), JOURNAL)


def test_what_it_waits_for() -> None:
    cancel = {"SignalIndex": 1}
    assert words("FirstCompleted", {"CompletionId": 1}, cancel) == "promise approved"
    both = words("FirstCompleted", {"CompletionId": 2}, {"CompletionId": 1}, cancel)
    assert both.startswith("the first of its timer (in ") and both.endswith("), promise approved")
    assert words("AllCompleted", {"CompletionId": 4}) == f"Bank/ann/pay {HOLDER}"
    assert (
        words("AllCompleted", {"CompletionId": 5}, {"SignalName": "go"}) == "step mail, signal go"
    )
    awakeable = words("FirstCompleted", {"SignalIndex": 17}).removeprefix("awakeable ")
    assert parse_awakeable_id(awakeable).invocation_id == uid(1)
    assert words("FirstCompleted", cancel) == ""
    assert words("AllCompleted", {"CompletionId": 99}) == "result 99"
    nested = {"FirstCompleted": [{"AllCompleted": [{"Single": {"CompletionId": 1}}]}]}
    assert waits_for(ID, json.dumps(nested), JOURNAL) == "promise approved"
    assert waits_for(ID, None, JOURNAL) == ""


def answers(row: dict[str, Any], events: list[dict[str, Any]]) -> Callable[[str], Any]:
    def rows(sql: str) -> list[dict[str, Any]]:
        if "sys_journal_events" in sql:
            return events
        if "sys_keyed_service_status" in sql:
            return [{"invocation_id": HOLDER}]
        return [{"id": ID, "target": "Greeter/greet", **row}]

    return rows


def test_one_that_waits(server: World, perdure: Perdure) -> None:
    server.bench.invoke(uid(1))
    sleep = messages.encode(SleepCommand(4_102_444_800_000, 1))
    end = Suspended(Future((1,), (1,)), seen=2)
    server.bench.flush(uid(1), Sleep(4_102_444_800_000, 1), frames=sleep, end=end)
    future = {"FirstCompleted": [{"Single": {"CompletionId": 1}}]}
    row = {
        "status": "suspended",
        "suspended_waiting_future_json": json.dumps(future),
        "modified_at": "2026-11-27T09:00:00Z",
    }
    server.query.rows = answers(row, [])
    shown = perdure("invocations", "describe", ID)
    assert shown.code == 0
    assert "waits for its timer (in " in shown.out and ") since " in shown.out
    assert "until 2100-01-01T00:00:00.000Z" in shown.out  # its journal, decoded
    found = perdure("invocations", "describe", ID, "--json").json
    assert found["waits_for"].startswith("waits for its timer")
    assert found["journal"][1]["shown"]["wake_up_time"] == 4_102_444_800_000


def test_one_behind_another(server: World, perdure: Perdure) -> None:
    row = {"status": "pending", "target_service_name": "Counter", "target_service_key": "ann"}
    server.query.rows = answers(row, [])
    assert f"for its key ann, which {HOLDER} holds" in perdure("invocations", "describe", ID).out


def test_one_that_fails(server: World, perdure: Perdure) -> None:
    failure = {
        "error_code": 500,
        "error_message": "no\n  way",
        "error_stacktrace": "Traceback\n  File app.py, line 3",
        "restate_doc_error_code": "RT0007",
        "related_command_name": "mail",
        "related_command_index": 1,
        "count": 3,
    }
    event = {"appended_at": "2026-11-27T09:00:00Z", "event_json": json.dumps(failure)}
    row = {"status": "paused", "last_failure_error_code": "RT0007"}
    server.query.rows = answers(row, [event])
    out = perdure("invocations", "describe", ID).out
    assert " 3 times  [RT0007] no way (at mail, command 1)\n    Traceback\n" in out
    assert f"(perdure explain RT0007), then: perdure invocations resume {ID}" in out


@pytest.mark.parametrize("status", ["paused", "backing-off"])
def test_one_that_fails_before_it_sees_its_cancellation(
    server: World, perdure: Perdure, status: str
) -> None:
    server.bench.invoke(uid(1))
    server.bench.do(Signal(uid(1), 2, "", b"", server.bench.now_ms))
    server.query.rows = answers({"status": status}, [])
    assert "kill" not in perdure("invocations", "describe", ID).out
    server.bench.do(Cancel(uid(1), server.bench.now_ms))
    assert f"perdure invocations kill {ID}\n" in perdure("invocations", "describe", ID).out
    advice = perdure("invocations", "describe", ID, "--json").json["advice"]
    assert advice.startswith("it was cancelled, and fails before")


def test_what_others_wrote_does_not_move_the_cursor(server: World, perdure: Perdure) -> None:
    evil = "\x1b[2J\x9b1m"
    failure = {"error_message": f"a{evil}", "error_stacktrace": f"line one{evil}\nline two"}
    event = {"appended_at": "2026-11-27T09:00:00Z", "event_json": json.dumps(failure)}
    row = {"status": "completed", "completion_failure": f"[500] b{evil}\nmore"}
    for events in ([event], []):
        server.query.rows = answers({**row, "last_failure": f"c{evil}\nd"}, events)
        shown = perdure("invocations", "describe", ID)
        assert shown.code == 0 and "\x1b" not in shown.out and "\x9b" not in shown.out
        assert "\nmore" in shown.out
    listed = perdure("invocations", "list", "--all").out
    assert "\x1b" not in listed and "[500] b\\u001b[2J\\u009b1m" in listed and "more" not in listed


def test_what_is_no_invocation(server: World, perdure: Perdure) -> None:
    """No text of the query engine: what is no id is not looked for."""
    nope = perdure("invocations", "describe", "nope")
    assert nope.code == 1 and "is no id of an invocation" in nope.err
    assert server.query.asked == []
    server.query.rows = lambda sql: []
    gone = perdure("invocations", "describe", ID)
    assert gone.code == 1 and "perdure whoami" in gone.err
