"""Failures of user code: terminal ones reach the caller, others are tried again."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conformance.world import World
from tests.parts.client import Client, fresh

# Failures carry metadata since version 6 of the protocol; below it, the SDKs refuse to send them.
METADATA = {"key1": "value1", "key2": "value2"}


@pytest.mark.parametrize(
    "handler",
    ["terminallyFailingCall", "callTerminallyFailingCall", "terminallyFailingSideEffect"],
)
def test_terminal_failure_reaches_the_caller_every_time(world: World, handler: str) -> None:
    for number in range(3):
        error: dict[str, Any] = {"errorMessage": f"my error {number}"}
        if world.combination.protocol >= 6:
            error["metadata"] = METADATA
        reply = world.client.post(("Failing", fresh(), handler), error)
        assert reply.status == 500
        assert reply.headers["x-restate-error-source"] == "invocation"
        failure: dict[str, Any] = reply.json()
        assert f"my error {number}" in failure["message"]
        assert failure["code"] == 500
        assert failure.get("metadata") == error.get("metadata")


def test_state_set_before_a_failure_stays(client: Client) -> None:
    key = fresh()
    reply = client.post(("Counter", key, "addThenFail"), 1)
    assert reply.status == 500
    assert key in reply.json()["message"]
    assert client.call(("Counter", key, "get")) == 1


def test_other_failures_are_retried_until_success(client: Client) -> None:
    assert client.call(("Failing", fresh(), "failingCallWithEventualSuccess")) == 4


def test_status_code_of_a_terminal_failure_is_the_http_status(client: Client) -> None:
    reply = client.post(("Restartable", "stepThenGate"), fresh("shut"))
    assert reply.status == 418
    assert reply.json()["code"] == 418
