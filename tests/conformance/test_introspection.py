"""What /query tells about running work."""

from __future__ import annotations

import pytest

from tests.conformance.world import World
from tests.parts.client import Client, eventually, fresh, http_request

pytestmark = pytest.mark.needs("faces")

TABLES = [
    "sys_invocation",
    "sys_invocation_status",
    "sys_invocation_state",
    "sys_journal",
    "sys_journal_events",
    "sys_inbox",
    "state",
    "sys_promise",
    "sys_service",
    "sys_deployment",
    "sys_keyed_service_status",
]


@pytest.mark.parametrize("table", TABLES)
def test_every_table_answers(client: Client, table: str) -> None:
    rows = client.query(f"SELECT COUNT(1) AS n FROM {table}")
    assert isinstance(rows[0]["n"], int)


def test_lock_and_inbox_of_a_busy_key(client: Client) -> None:
    key = fresh()
    sleep = {"type": "awaitOne", "command": {"type": "sleep", "timeoutMillis": 600_000}}
    target = ("VirtualObjectCommandInterpreter", key, "interpretCommands")
    holder = client.send(target, {"commands": [sleep]})
    client.wait_status(holder, "running", "suspended")
    waiting = [client.send(target, {"commands": []}) for _ in range(3)]

    def seen() -> None:
        rows = client.query(
            "SELECT id FROM sys_inbox "
            f"WHERE service_name = '{target[0]}' AND service_key = '{key}' "
            "ORDER BY sequence_number"
        )
        assert [row["id"] for row in rows] == waiting

    eventually(seen)
    locks = client.query(
        "SELECT invocation_id FROM sys_keyed_service_status "
        f"WHERE service_name = '{target[0]}' AND service_key = '{key}'"
    )
    assert locks == [{"invocation_id": holder}]
    row = client.invocation(holder)
    assert row is not None
    assert row["target"] == "/".join(target)
    assert row["target_service_ty"] == "virtual_object"
    assert row["invoked_by"] == "ingress"
    assert row["pinned_deployment_id"].startswith("dp_")
    for invocation in [*waiting, holder]:
        client.operate(invocation, "kill").expect(200)


def test_a_callee_names_its_caller(client: Client) -> None:
    key = fresh()
    invocation = client.send(("CancelTestRunner", key, "startTest"), "SLEEP")

    def called() -> None:
        rows = client.query(
            "SELECT invoked_by, invoked_by_id, invoked_by_service_name FROM sys_invocation "
            f"WHERE target = 'CancelTestBlockingService/{key}/block'"
        )
        assert rows == [
            {
                "invoked_by": "service",
                "invoked_by_id": invocation,
                "invoked_by_service_name": "CancelTestRunner",
            }
        ]

    eventually(called)
    client.operate(invocation, "kill").expect(200)


def test_bad_queries_are_refused(world: World) -> None:
    client = world.client
    for sql in ("SELEC", "SELECT nothing FROM state", "SELECT * FROM no_such_table"):
        reply = client.admin_request("POST", "/query", {"query": sql})
        # The reference calls some of these its own fault.
        assert reply.status == 400 or (world.reference and reply.status == 500), reply.text
        assert reply.json()["message"]


def test_nobody_writes_through_a_query(client: Client) -> None:
    for sql in ("DELETE FROM state", "CREATE TABLE t (a INT)", "DROP TABLE state"):
        reply = client.admin_request("POST", "/query", {"query": sql})
        assert 400 <= reply.status < 600, reply.text
    assert client.query("SELECT COUNT(1) AS n FROM state")[0]["n"] >= 0


def test_arrow_is_the_other_format(client: Client) -> None:
    headers = {"content-type": "application/json"}
    body = b'{"query": "SELECT COUNT(1) FROM sys_invocation"}'
    reply = http_request(client.admin, "POST", "/query", body, headers).expect(200)
    assert reply.headers["content-type"] == "application/vnd.apache.arrow.stream"
    pyarrow = pytest.importorskip("pyarrow")
    with pyarrow.ipc.open_stream(reply.body) as stream:
        table = stream.read_all()
    assert table.num_rows == 1
    assert str(table.schema.field(0).type) == "int64"
