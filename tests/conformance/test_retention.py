"""What is kept of a completed invocation, and for how long."""

from __future__ import annotations

from typing import Any

import pytest

from tests.parts.client import Client, eventually, fresh

pytestmark = pytest.mark.needs("faces")

NAP = ["Command: Input", "Command: Sleep", "Notification: Sleep", "Command: Output"]


def journal(client: Client, invocation: str) -> list[dict[str, Any]]:
    return client.query(
        f'SELECT "index", entry_type FROM sys_journal WHERE id = \'{invocation}\' ORDER BY "index"'
    )


def test_the_journal_is_kept(client: Client) -> None:
    invocation = client.send(("Retained", "nap"), "Francesco", key=fresh())
    client.attach(invocation).expect(200)
    row = client.wait_status(invocation, "completed")
    assert row["completion_result"] == "success"
    expected = [{"index": index, "entry_type": kind} for index, kind in enumerate(NAP)]
    assert journal(client, invocation) == expected


def test_without_an_idempotency_key_the_journal_is_kept_too(client: Client) -> None:
    invocation = client.send(("Retained", "nap"), "Francesco")
    client.wait_status(invocation, "completed")
    assert [row["entry_type"] for row in journal(client, invocation)] == NAP


def test_purging_the_journal_keeps_the_result(client: Client) -> None:
    invocation = client.send(("Retained", "nap"), "Francesco", key=fresh())
    client.attach(invocation).expect(200)
    client.operate(invocation, "purge-journal").expect(200)

    def gone() -> None:
        assert journal(client, invocation) == []

    eventually(gone)
    assert client.output(invocation).expect(200).json() == "Francesco"


def test_purging_forgets_everything(client: Client) -> None:
    invocation = client.send(("Retained", "nap"), "Francesco", key=fresh())
    client.attach(invocation).expect(200)
    client.operate(invocation, "purge").expect(200)

    def gone() -> None:
        assert client.invocation(invocation) is None
        assert journal(client, invocation) == []
        assert client.output(invocation).status == 404

    eventually(gone)
    client.operate(invocation, "purge").expect(404)


def test_a_short_retention_cleans_up_by_itself(client: Client) -> None:
    key = fresh()
    invocation = client.send(("Forgetful", key, "add"), 1, key=fresh())
    client.attach(invocation).expect(200)
    assert client.invocation(invocation) is not None

    def gone() -> None:
        assert client.invocation(invocation) is None
        assert journal(client, invocation) == []

    eventually(gone, 15.0)
    assert client.call(("Forgetful", key, "total")) == 1


def test_purge_of_what_still_runs_is_refused(client: Client) -> None:
    sleep = {"type": "awaitOne", "command": {"type": "sleep", "timeoutMillis": 600_000}}
    target = ("VirtualObjectCommandInterpreter", fresh(), "interpretCommands")
    invocation = client.send(target, {"commands": [sleep]})
    client.wait_status(invocation, "running", "suspended")
    client.operate(invocation, "purge").expect(409)
    client.operate(invocation, "purge-journal").expect(409)
    client.operate(invocation, "kill").expect(200)
