"""Attempts that are used up pause or kill; paused work goes on, also on another deployment."""

from __future__ import annotations

import time

from tests.parts.client import Client, eventually, fresh
from tests.parts.laboratory import Laboratory


def test_used_up_attempts_pause_and_resume_goes_on(client: Client, laboratory: Laboratory) -> None:
    gate = fresh("gate")
    invocation = client.send(("Pausing", "passGate"), gate, key=fresh())
    client.wait_status(invocation, "paused")
    failure = client.events(invocation, "Paused")[-1]["last_failure"]
    assert gate in failure["error_message"]
    assert failure["restate_doc_error_code"] == "RT0007"
    assert len(laboratory.marks(gate)) == 3
    assert client.output(invocation).status == 470

    laboratory.open_gate(gate)
    client.operate(invocation, "resume", "?deployment=keep").expect(200)
    assert client.attach(invocation).expect(200).json() == "v1"
    client.wait_status(invocation, "completed")
    client.operate(invocation, "resume").expect(409)


def test_a_resumed_invocation_has_fresh_attempts(client: Client, laboratory: Laboratory) -> None:
    gate = fresh("gate")
    invocation = client.send(("Pausing", "passGate"), gate)
    client.wait_status(invocation, "paused")
    client.operate(invocation, "resume").expect(200)

    def tried_again() -> None:
        assert len(laboratory.marks(gate)) == 6

    eventually(tried_again)
    client.wait_status(invocation, "paused")
    client.operate(invocation, "kill").expect(200)


def test_resume_on_another_deployment(client: Client, second: Laboratory) -> None:
    gate = fresh("gate")
    invocation = client.send(("Pausing", "passGateInRun"), gate, key=fresh())
    client.wait_status(invocation, "paused")
    deployment = client.register(second.uri)
    client.operate(invocation, "resume", "?deployment=dp_1nonsense").expect(400, 404)
    client.operate(invocation, "resume", f"?deployment={deployment}").expect(200)
    assert client.attach(invocation).expect(200).json() == "v2"
    assert client.wait_status(invocation, "completed")["pinned_deployment_id"] == deployment


def test_used_up_attempts_may_kill(client: Client, laboratory: Laboratory) -> None:
    name = fresh()
    reply = client.post(("Killing", "fail"), name)
    assert reply.status == 500
    assert name in reply.json()["message"]
    assert len(laboratory.marks(name)) == 3


def test_a_failure_may_ask_for_its_own_delay(client: Client, laboratory: Laboratory) -> None:
    name, started = fresh(), time.monotonic()
    assert client.call(("Killing", "askedDelay"), name) == "done"
    assert time.monotonic() - started >= 0.3
    assert len(laboratory.marks(name)) == 2


def test_pause_a_waiting_invocation(client: Client) -> None:
    """What runs is asked to stop; what is suspended uses nothing and may stay as it is."""
    key = fresh()
    wait = {"type": "awaitOne", "command": {"type": "createAwakeable", "awakeableKey": "a"}}
    target = ("VirtualObjectCommandInterpreter", key, "interpretCommands")
    invocation = client.send(target, {"commands": [wait]}, key=fresh())
    client.wait_status(invocation, "running", "suspended")
    reply = client.operate(invocation, "pause")
    if reply.status == 202:  # it ran when it was asked
        client.wait_status(invocation, "paused")
        client.operate(invocation, "pause").expect(200)
        client.operate(invocation, "resume").expect(200)
    else:
        reply.expect(200)
        client.wait_status(invocation, "suspended", "paused")
        client.operate(invocation, "resume").expect(200)

    def registered() -> None:
        interpreter = ("VirtualObjectCommandInterpreter", key, "hasAwakeable")
        assert client.call(interpreter, "a") is True

    eventually(registered)
    resolve = {"awakeableKey": "a", "value": "woken"}
    client.call(("VirtualObjectCommandInterpreter", key, "resolveAwakeable"), resolve)
    assert client.attach(invocation).expect(200).json() == "woken"
    client.operate(invocation, "pause").expect(409)


def test_cancel_wakes_a_paused_invocation(client: Client, laboratory: Laboratory) -> None:
    gate = fresh("gate")
    invocation = client.send(("Pausing", "passGate"), gate, key=fresh())
    client.wait_status(invocation, "paused")
    laboratory.open_gate(gate)
    client.operate(invocation, "cancel").expect(202)
    # The handler awaits nothing, so the cancel never reaches it: it ends with its result.
    assert client.attach(invocation).expect(200).json() == "v1"


def test_work_that_has_not_started_can_neither_pause_nor_resume(client: Client) -> None:
    invocation = client.send(("Counter", fresh(), "add"), 1, delay="1h")
    client.wait_status(invocation, "scheduled")
    client.operate(invocation, "pause").expect(409)
    client.operate(invocation, "resume").expect(425)
    client.operate(invocation, "kill").expect(200)
