"""Cancel, cooperative: every kind of wait ends with a 409 that user code may catch."""

from __future__ import annotations

from functools import partial

import pytest

from tests.parts.client import Client, Reply, at_once, eventually, fresh, proxied

OPERATIONS = ["CALL", "SLEEP", "AWAKEABLE"]


def reach_the_wait(client: Client, key: str) -> None:
    """Let the blocking service go on to the wait that the test is about."""

    def held() -> None:
        assert client.call(("AwakeableHolder", key, "hasAwakeable")) is True

    eventually(held)
    client.call(("AwakeableHolder", key, "unlock"), "cancel")


def cancelled_and_unlocked(client: Client, key: str) -> None:
    def verified() -> None:
        reply = client.post(("CancelTestRunner", key, "verifyTest"), timeout_s=10.0)
        assert reply.expect(200).json() is True

    eventually(verified, 30.0)
    reply = client.post(("CancelTestBlockingService", key, "isUnlocked"), timeout_s=10.0)
    reply.expect(200)


def cancel_from_admin(client: Client, operation: str) -> None:
    key = fresh()
    invocation = client.send(("CancelTestRunner", key, "startTest"), operation)
    reach_the_wait(client, key)
    # The runner may not have reached its wait when the first one comes: more are harmless.
    client.operate(invocation, "cancel").expect(202, 200)
    cancelled_and_unlocked(client, key)
    eventually(lambda: client.operate(invocation, "cancel").expect(409, 404))


def cancel_from_a_handler(client: Client, operation: str) -> None:
    key = fresh()
    request = proxied("CancelTestRunner", "startTest", operation, key)
    invocation = client.call(("Proxy", "oneWayCall"), request)
    reach_the_wait(client, key)
    client.call(("TestUtilsService", "cancelInvocation"), invocation)
    cancelled_and_unlocked(client, key)


def test_cancel_from_the_admin_port(client: Client) -> None:
    at_once([partial(cancel_from_admin, client, op) for op in OPERATIONS])


def test_cancel_from_a_handler(client: Client) -> None:
    at_once([partial(cancel_from_a_handler, client, op) for op in OPERATIONS])


def test_an_uncaught_cancel_is_a_409(client: Client) -> None:
    sleep = {"type": "awaitOne", "command": {"type": "sleep", "timeoutMillis": 600_000}}
    target = ("VirtualObjectCommandInterpreter", fresh(), "interpretCommands")
    invocation = client.send(target, {"commands": [sleep]})
    client.wait_status(invocation, "running", "suspended")
    client.operate(invocation, "cancel").expect(202)
    reply = client.attach(invocation)
    assert reply.status == 409
    assert reply.headers["x-restate-error-source"] == "invocation"


@pytest.mark.parametrize("operation", ["cancel", "kill"])
def test_work_that_has_not_started_ends_at_once(client: Client, operation: str) -> None:
    """A delayed send, and a call that waits in the inbox of a locked key."""
    key = fresh()
    scheduled = client.send(("Counter", key, "add"), 1, delay="1h")
    sleep = {"type": "awaitOne", "command": {"type": "sleep", "timeoutMillis": 600_000}}
    target = ("VirtualObjectCommandInterpreter", key, "interpretCommands")
    holder = client.send(target, {"commands": [sleep]})
    client.wait_status(holder, "running", "suspended")
    inboxed = client.send(target, {"commands": []})
    client.wait_status(inboxed, "pending")
    client.wait_status(scheduled, "scheduled")

    for invocation in (scheduled, inboxed):
        client.operate(invocation, operation).expect(200)
        reply = client.attach(invocation, timeout_s=10.0)
        # Its row may be gone already, or hold the failure.
        assert reply.status in (404, 409), reply.text

    client.operate(holder, "kill").expect(200)
    assert client.call(("Counter", key, "get")) == 0


@pytest.mark.parametrize("operation", ["cancel", "kill", "purge", "pause", "resume"])
def test_an_unknown_invocation_is_a_404(client: Client, operation: str) -> None:
    invocation = client.send(("Counter", fresh(), "add"), 1)
    client.attach(invocation)
    # A valid id that nobody has: the same partition key, another random part.
    unknown = invocation[:-4] + ("0000" if invocation[-4:] != "0000" else "1111")
    client.operate(unknown, operation).expect(404)


@pytest.mark.parametrize("operation", ["cancel", "kill", "purge", "pause", "resume"])
def test_a_malformed_id_is_refused(client: Client, operation: str) -> None:
    client.operate("inv_nonsense", operation).expect(400)


def test_cancel_in_batches(client: Client) -> None:
    sleep = {"type": "awaitOne", "command": {"type": "sleep", "timeoutMillis": 600_000}}
    invocations = [
        client.send(("VirtualObjectCommandInterpreter", fresh(), "interpretCommands"), body)
        for body in [{"commands": [sleep]}] * 3
    ]
    for invocation in invocations:
        client.wait_status(invocation, "running", "suspended")
    path = "/internal/invocations_batch_operations/cancel"
    done = client.admin_request("POST", path, {"invocation_ids": invocations}).expect(200).json()
    assert sorted(done["succeeded"]) == sorted(invocations)
    assert done["failed"] == []
    replies: list[Reply] = at_once([partial(client.attach, one) for one in invocations])
    assert [reply.status for reply in replies] == [409] * 3
