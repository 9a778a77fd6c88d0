"""One-way calls through the ingress: accepted ids, delays, attach and output in every form."""

from __future__ import annotations

import datetime
import json
import time

import pytest

from tests.conformance.world import World
from tests.parts.client import Client, Reply, eventually, fresh, http_request, in_background


def post_target(client: Client, form: str, target: dict[str, str]) -> Reply:
    headers = {"content-type": "application/json"}
    path, body = f"/restate/{form}", json.dumps(target).encode()
    return http_request(client.ingress, "POST", path, body, headers)


def test_a_send_is_accepted_and_done(client: Client) -> None:
    key = fresh()
    reply = client.post(("Counter", key, "add"), 2, send=True).expect(202)
    assert reply.json()["status"] == "Accepted"
    assert reply.headers["x-restate-id"] == reply.json()["invocationId"]
    assert "executionTime" not in reply.json()

    def added() -> None:
        assert client.call(("Counter", key, "get")) == 2

    eventually(added)


@pytest.mark.parametrize("delay", ["500ms", "PT0.5S", "0.5s", "500 milliseconds"])
def test_a_delayed_send_waits(client: Client, delay: str) -> None:
    key = fresh()
    started, now = time.monotonic(), datetime.datetime.now(datetime.UTC)
    reply = client.post(("Counter", key, "add"), 1, send=True, delay=delay).expect(202)
    due = datetime.datetime.fromisoformat(reply.json()["executionTime"])
    assert 0.3 < (due - now).total_seconds() < 2.0
    assert client.attach(reply.json()["invocationId"]).expect(200).json()["newValue"] == 1
    assert time.monotonic() - started >= 0.5


def test_bare_milliseconds_are_a_delay(world: World) -> None:
    """The Python client sends `delay=500`; the reference refuses it, ours takes it."""
    reply = world.client.post(("Counter", fresh(), "add"), 1, send=True, delay="500")
    assert reply.status == (400 if world.reference else 202)


def test_attach_and_output_by_id(client: Client) -> None:
    key = fresh()
    sleep = {"type": "awaitOne", "command": {"type": "createAwakeable", "awakeableKey": "a"}}
    target = ("VirtualObjectCommandInterpreter", key, "interpretCommands")
    invocation = client.send(target, {"commands": [sleep]}, key=fresh())
    waiting = in_background(lambda: client.attach(invocation))
    by_body = {"target": "invocation", "invocationId": invocation}
    waiting_too = in_background(lambda: post_target(client, "attach", by_body))

    def registered() -> None:
        interpreter = ("VirtualObjectCommandInterpreter", key, "hasAwakeable")
        assert client.call(interpreter, "a") is True

    eventually(registered)
    assert client.output(invocation).status == 470
    assert post_target(client, "output", by_body).status == 470
    assert not waiting.done()
    resolve = {"awakeableKey": "a", "value": "woken"}
    client.call(("VirtualObjectCommandInterpreter", key, "resolveAwakeable"), resolve)

    for answer in (waiting.result(30), waiting_too.result(30)):
        assert answer.expect(200).json() == "woken"
    assert client.output(invocation).expect(200).json() == "woken"
    assert client.attach(invocation).expect(200).json() == "woken"
    assert post_target(client, "output", by_body).expect(200).json() == "woken"


def test_attach_and_output_by_idempotency_key(client: Client) -> None:
    key, once = fresh(), fresh("once")
    client.send(("Counter", key, "add"), 3, key=once)
    expected = {"oldValue": 0, "newValue": 3}
    path = f"/restate/invocation/Counter/{key}/add/{once}"
    assert client.get(f"{path}/attach").expect(200).json() == expected
    assert client.get(f"{path}/output").expect(200).json() == expected
    target = {
        "target": "idempotentInvocation",
        "service": "Counter",
        "key": key,
        "handler": "add",
        "idempotencyKey": once,
    }
    assert post_target(client, "attach", target).expect(200).json() == expected
    assert post_target(client, "output", target).expect(200).json() == expected
    # A plain service has no key in the path.
    client.send(("TestUtilsService", "echo"), "hello", key=once)
    path = f"/restate/invocation/TestUtilsService/echo/{once}"
    assert client.get(f"{path}/attach").expect(200).json() == "hello"


def test_lookup_computes_the_id(client: Client) -> None:
    key, once = fresh(), fresh("once")
    invocation = client.send(("Counter", key, "add"), 3, key=once)
    target = {"target": "idempotentInvocation", "service": "Counter", "key": key}
    target |= {"handler": "add", "idempotencyKey": once}
    assert post_target(client, "lookup", target).expect(200).json()["invocationId"] == invocation


def test_unknown_invocations_have_no_output(client: Client) -> None:
    invocation = client.send(("Counter", fresh(), "add"), 1, key=fresh())
    unknown = invocation[:-4] + ("0000" if invocation[-4:] != "0000" else "1111")
    assert client.output(unknown).status == 404
    assert client.attach(unknown).status == 404
    path = f"/restate/invocation/Counter/{fresh()}/add/{fresh()}/output"
    assert client.get(path).status == 404
