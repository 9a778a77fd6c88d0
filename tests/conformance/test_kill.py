"""Kill, at once and with its whole call tree: locks are free again, callers get a 409."""

from __future__ import annotations

from tests.parts.client import Client, eventually, fresh, in_background


def test_killing_the_root_frees_the_whole_call_tree(client: Client) -> None:
    key = fresh()
    invocation = client.send(("KillTestRunner", key, "startCallTree"))

    def held() -> None:
        assert client.call(("AwakeableHolder", key, "hasAwakeable")) is True

    eventually(held)
    client.call(("AwakeableHolder", key, "unlock"), "go on")
    waiting = in_background(lambda: client.attach(invocation))

    def killed() -> None:
        client.operate(invocation, "kill").expect(200, 404, 409)
        client.post(("KillTestSingleton", key, "isUnlocked"), timeout_s=2.0).expect(200)

    eventually(killed, 30.0)
    assert waiting.result(30).status == 409


def test_a_completed_invocation_cannot_be_killed(client: Client) -> None:
    invocation = client.send(("Counter", fresh(), "add"), 1, key=fresh("idempotent"))
    client.attach(invocation).expect(200)
    client.operate(invocation, "kill").expect(409)


def test_kill_in_batches_reports_what_failed(client: Client) -> None:
    sleep = {"type": "awaitOne", "command": {"type": "sleep", "timeoutMillis": 600_000}}
    target = ("VirtualObjectCommandInterpreter", fresh(), "interpretCommands")
    running = client.send(target, {"commands": [sleep]})
    client.wait_status(running, "running", "suspended")
    ended = client.send(("Counter", fresh(), "add"), 1, key=fresh("idempotent"))
    client.attach(ended).expect(200)
    path = "/internal/invocations_batch_operations/kill"
    reply = client.admin_request("POST", path, {"invocation_ids": [running, ended]})
    done = reply.expect(200).json()
    assert done["succeeded"] == [running]
    assert [one["invocation_id"] for one in done["failed"]] == [ended]
    assert client.attach(running, timeout_s=10.0).status in (404, 409)
