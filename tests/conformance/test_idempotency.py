"""Idempotency keys: one execution, one result, forgotten after the retention."""

from __future__ import annotations

import pytest

from tests.parts.client import Client, at_once, eventually, fresh, in_background, proxied

pytestmark = pytest.mark.needs("faces")


def test_repeated_calls_give_the_first_result(client: Client) -> None:
    key, once = fresh(), fresh("once")
    for _ in range(3):
        assert client.call(("Counter", key, "add"), 2, key=once) == {"oldValue": 0, "newValue": 2}
    assert client.call(("Counter", key, "get")) == 2
    assert client.call(("Counter", key, "add"), 2, key=fresh()) == {"oldValue": 2, "newValue": 4}


def test_a_stored_result_says_when_it_expires(client: Client) -> None:
    key, once = fresh(), fresh("once")
    client.call(("Counter", key, "add"), 2, key=once)
    reply = client.post(("Counter", key, "add"), 2, key=once).expect(200)
    assert reply.headers["idempotency-expires"].startswith("20")


def test_concurrent_calls_with_one_key_run_once(client: Client) -> None:
    key, once = fresh(), fresh("once")
    call = lambda: client.call(("Counter", key, "add"), 1, key=once)  # noqa: E731
    assert at_once([call] * 16) == [{"oldValue": 0, "newValue": 1}] * 16
    assert client.call(("Counter", key, "get")) == 1


def test_a_plain_service_runs_once(client: Client) -> None:
    counter, once = fresh(), fresh("once")
    request = proxied("Counter", "add", 2, counter)
    results = [client.call(("Proxy", "call"), request, key=once) for _ in range(3)]
    assert results[0] == results[1] == results[2]
    assert client.call(("Counter", counter, "get")) == 2


def test_repeated_sends_are_accepted_once(client: Client) -> None:
    key, once = fresh(), fresh("once")
    first = client.post(("Counter", key, "add"), 2, key=once, send=True).expect(202).json()
    second = client.post(("Counter", key, "add"), 2, key=once, send=True).expect(200, 202).json()
    assert first["status"] == "Accepted" and second["status"] == "PreviouslyAccepted"
    assert first["invocationId"] == second["invocationId"]
    client.attach(first["invocationId"]).expect(200)
    assert client.call(("Counter", key, "get")) == 2


def test_a_failure_is_kept_too(client: Client) -> None:
    key, once = fresh(), fresh("once")
    for _ in range(2):
        reply = client.post(("Counter", key, "addThenFail"), 1, key=once)
        assert reply.status == 500 and key in reply.json()["message"]
    assert client.call(("Counter", key, "get")) == 1


def test_a_call_joins_a_send_that_still_runs(client: Client) -> None:
    key, once = fresh(), fresh("once")
    wait = {"type": "awaitOne", "command": {"type": "createAwakeable", "awakeableKey": "a"}}
    target = ("VirtualObjectCommandInterpreter", key, "interpretCommands")
    client.send(target, {"commands": [wait]}, key=once)
    joined = in_background(lambda: client.call(target, {"commands": [wait]}, key=once))

    def registered() -> None:
        interpreter = ("VirtualObjectCommandInterpreter", key, "hasAwakeable")
        assert client.call(interpreter, "a") is True

    eventually(registered)
    resolve = {"awakeableKey": "a", "value": "joined"}
    client.call(("VirtualObjectCommandInterpreter", key, "resolveAwakeable"), resolve)
    assert joined.result(30) == "joined"


def test_after_its_retention_a_key_is_free(client: Client) -> None:
    key, once = fresh(), fresh("once")
    assert client.call(("Forgetful", key, "add"), 2, key=once) == 2
    assert client.call(("Forgetful", key, "add"), 2, key=once) == 2

    def counted_again() -> None:
        assert client.call(("Forgetful", key, "add"), 2, key=once) == 4

    eventually(counted_again, 15.0)
    assert client.call(("Forgetful", key, "total")) == 4


def test_a_handler_may_keep_nothing(client: Client) -> None:
    """Its own retention of zero wins over that of the service."""
    key, once = fresh(), fresh("once")
    assert client.call(("Forgetful", key, "total"), key=once) == 0
    client.call(("Forgetful", key, "add"), 1)

    def read_anew() -> None:
        assert client.call(("Forgetful", key, "total"), key=once) == 1

    eventually(read_anew, 10.0)


def test_purge_frees_a_key(client: Client) -> None:
    key, once = fresh(), fresh("once")
    invocation = client.send(("Counter", key, "add"), 1, key=once)
    client.attach(invocation).expect(200)
    client.operate(invocation, "purge").expect(200)

    def counted_again() -> None:
        assert client.call(("Counter", key, "add"), 1, key=once)["newValue"] == 2

    eventually(counted_again)
