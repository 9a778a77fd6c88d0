"""A completed invocation started again under a new id, from its input or from a later entry."""

from __future__ import annotations

import pytest

from tests.conformance.world import World
from tests.parts.client import Client, fresh
from tests.parts.laboratory import Laboratory


def failed_at_the_gate(client: Client) -> tuple[str, str]:
    gate = fresh("gate")
    invocation = client.send(("Restartable", "stepThenGate"), gate, key=fresh())
    assert client.attach(invocation).status == 418
    client.wait_status(invocation, "completed")
    return gate, invocation


def test_restart_from_the_input(client: Client, laboratory: Laboratory) -> None:
    gate, invocation = failed_at_the_gate(client)
    laboratory.open_gate(gate)
    reply = client.operate(invocation, "restart-as-new").expect(200)
    restarted = reply.json()["new_invocation_id"]
    assert restarted != invocation
    assert client.attach(restarted).expect(200).json() == f"{gate} was open"
    row = client.wait_status(restarted, "completed")
    assert row["restarted_from"] == invocation and row["invoked_by"] == "restart_as_new"
    assert row.get("invoked_by_id") is None  # nobody has called it
    # The old one stays as it was.
    assert client.output(invocation).status == 418


def test_restart_keeps_a_prefix_of_the_journal(world: World) -> None:
    """Entry 1 is the step, whose result comes along: it saw the gate shut."""
    client = world.client
    gate, invocation = failed_at_the_gate(client)
    world.laboratory.open_gate(gate)
    reply = client.operate(invocation, "restart-as-new", "?from=1")
    if world.combination.protocol < 6:
        reply.expect(422)
        return
    restarted = reply.expect(200).json()["new_invocation_id"]
    assert client.attach(restarted).expect(200).json() == f"{gate} was shut"


def test_what_cannot_be_restarted(world: World) -> None:
    client = world.client
    _, invocation = failed_at_the_gate(client)
    # A Restate server looks at the version first.
    unknown = (400, 422) if world.combination.protocol < 6 else (400,)
    client.operate(invocation, "restart-as-new", "?from=999").expect(*unknown)
    client.operate(invocation, "purge").expect(200)
    client.operate(invocation, "restart-as-new").expect(404)

    sleep = {"type": "awaitOne", "command": {"type": "sleep", "timeoutMillis": 600_000}}
    target = ("VirtualObjectCommandInterpreter", fresh(), "interpretCommands")
    running = client.send(target, {"commands": [sleep]})
    client.wait_status(running, "running", "suspended")
    client.operate(running, "restart-as-new").expect(409)
    client.operate(running, "kill").expect(200)

    waiting = client.send(("Counter", fresh(), "add"), 1, delay="1h")
    client.wait_status(waiting, "scheduled")
    client.operate(waiting, "restart-as-new").expect(425, 409)
    client.operate(waiting, "kill").expect(200)


def test_a_workflow_cannot_be_restarted(client: Client) -> None:
    key = fresh()
    client.call(("Brief", key, "run"), "hello")
    rows = client.query(f"SELECT id FROM sys_invocation WHERE target = 'Brief/{key}/run'")
    client.operate(rows[0]["id"], "restart-as-new").expect(422)


@pytest.mark.parametrize("count", [2])
def test_restart_in_batches(client: Client, laboratory: Laboratory, count: int) -> None:
    pairs = [failed_at_the_gate(client) for _ in range(count)]
    for gate, _ in pairs:
        laboratory.open_gate(gate)
    path = "/internal/invocations_batch_operations/restart-as-new"
    body = {"invocation_ids": [invocation for _, invocation in pairs]}
    done = client.admin_request("POST", path, body).expect(200).json()
    assert done["failed"] == []
    restarted = {one["old_invocation_id"]: one["new_invocation_id"] for one in done["succeeded"]}
    for gate, invocation in pairs:
        assert client.attach(restarted[invocation]).expect(200).json() == f"{gate} was open"
