"""Awaiting one of several futures: awakeables, sleeps, steps and signals, mixed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.parts.client import Client, Reply, eventually, fresh, in_background

INTERPRETER = "VirtualObjectCommandInterpreter"


def awakeable(key: str) -> dict[str, str]:
    return {"type": "createAwakeable", "awakeableKey": key}


def signal(name: str) -> dict[str, str]:
    return {"type": "createSignal", "signalName": name}


def returns(value: str) -> dict[str, str]:
    return {"type": "runReturns", "value": value}


def throws(reason: str) -> dict[str, str]:
    return {"type": "runThrowTerminalException", "reason": reason}


def program(kind: str, *commands: dict[str, Any]) -> dict[str, Any]:
    if kind == "awaitOne":
        return {"commands": [{"type": kind, "command": commands[0]}]}
    return {"commands": [{"type": kind, "commands": list(commands)}]}


def start(client: Client, order: dict[str, Any]) -> str:
    return client.send((INTERPRETER, fresh(), "interpretCommands"), order)


def settle(client: Client, invocation: str, name: str, outcome: str) -> None:
    """Resolve a signal with `outcome`, or reject it when the outcome begins with an exclamation."""
    request = {"invocationId": invocation, "signalName": name}
    if outcome.startswith("!"):
        client.call(("TestUtilsService", "rejectSignal"), {**request, "reason": outcome[1:]})
    else:
        client.call(("TestUtilsService", "resolveSignal"), {**request, "value": outcome})


def succeeds(result: str) -> Callable[[Reply], None]:
    def check(reply: Reply) -> None:
        assert reply.expect(200).json() == result

    return check


def fails(message: str) -> Callable[[Reply], None]:
    def check(reply: Reply) -> None:
        assert reply.status == 500, reply.text
        assert message in reply.json()["message"]

    return check


def test_sleep_wins_against_an_awakeable(client: Client) -> None:
    sleep = {"type": "sleep", "timeoutMillis": 100}
    target = (INTERPRETER, fresh(), "interpretCommands")
    assert client.call(target, program("awaitAny", awakeable("a"), sleep)) == "sleep"


def test_an_awakeable_times_out(client: Client) -> None:
    command = {"type": "awaitAwakeableOrTimeout", "awakeableKey": "a", "timeoutMillis": 100}
    reply = client.post((INTERPRETER, fresh(), "interpretCommands"), {"commands": [command]})
    assert reply.status == 500
    assert "await-timeout" in reply.json()["message"]


def test_an_awakeable_comes_before_its_timeout(client: Client) -> None:
    key = fresh()
    command = {"type": "awaitAwakeableOrTimeout", "awakeableKey": "a", "timeoutMillis": 60_000}
    invocation = client.send((INTERPRETER, key, "interpretCommands"), {"commands": [command]})
    wait_for_awakeable(client, key, "a")
    client.call((INTERPRETER, key, "resolveAwakeable"), {"awakeableKey": "a", "value": "in time"})
    assert client.attach(invocation).expect(200).json() == "in time"
    assert client.call((INTERPRETER, key, "getResults")) == ["in time"]


def wait_for_awakeable(client: Client, key: str, name: str) -> None:
    def registered() -> None:
        assert client.call((INTERPRETER, key, "hasAwakeable"), name) is True

    eventually(registered)


def test_the_first_success_among_awakeables_and_failing_steps(client: Client) -> None:
    key = fresh()
    commands = [awakeable("a0"), throws("r0"), awakeable("a1"), throws("r1"), awakeable("a2")]
    order = program("awaitAnySuccessful", *commands)
    invocation = client.send((INTERPRETER, key, "interpretCommands"), order)
    for name in ("a2", "a0", "a1"):
        wait_for_awakeable(client, key, name)
    answer = in_background(lambda: client.attach(invocation))
    client.call((INTERPRETER, key, "rejectAwakeable"), {"awakeableKey": "a2", "reason": "fail"})
    assert not answer.done()
    client.call((INTERPRETER, key, "resolveAwakeable"), {"awakeableKey": "a1", "value": "won"})
    assert answer.result(30).expect(200).json() == "won"


THREE = (signal("s0"), signal("s1"), signal("s2"))
CASES: list[tuple[str, dict[str, Any], dict[str, str], Callable[[Reply], None]]] = [
    (
        "one signal",
        program("awaitOne", signal("s0")),
        {"s0": "hello"},
        succeeds("hello"),
    ),
    (
        "one signal rejected",
        program("awaitOne", signal("s0")),
        {"s0": "!boom"},
        fails("boom"),
    ),
    (
        "first success",
        program("awaitAnySuccessful", *THREE),
        {"s0": "!f0", "s2": "!f2", "s1": "v1"},
        succeeds("v1"),
    ),
    (
        "all failed",
        program("awaitFirstSucceededOrAllFailed", *THREE),
        {"s0": "!f0", "s2": "!f2", "s1": "!f1"},
        fails("f1"),
    ),
    (
        "all succeeded",
        program("awaitAllSucceededOrFirstFailed", *THREE),
        {"s0": "v0", "s1": "v1", "s2": "v2"},
        succeeds("v0|v1|v2"),
    ),
    (
        "all completed",
        program("awaitAllCompleted", *THREE),
        {"s0": "v0", "s1": "!e1", "s2": "v2"},
        succeeds("ok:v0|err:e1|ok:v2"),
    ),
    (
        "first completed",
        program("awaitAny", *THREE),
        {"s1": "first"},
        succeeds("first"),
    ),
    (
        "a step wins against a signal",
        program("awaitFirstCompleted", signal("s0"), returns("step")),
        {},
        succeeds("step"),
    ),
    (
        "a signal wins where a step failed",
        program("awaitFirstSucceededOrAllFailed", throws("fail"), signal("s0")),
        {"s0": "signal"},
        succeeds("signal"),
    ),
    (
        "step and signal both succeed",
        program("awaitAllSucceededOrFirstFailed", returns("step"), signal("s0")),
        {"s0": "signal"},
        succeeds("step|signal"),
    ),
    (
        "step, signal and failed step all complete",
        program("awaitAllCompleted", returns("step"), signal("s0"), throws("fail")),
        {"s0": "signal"},
        succeeds("ok:step|ok:signal|err:fail"),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0].replace(" ", "-"))
def test_combinators_over_signals_and_steps(
    client: Client, case: tuple[str, dict[str, Any], dict[str, str], Callable[[Reply], None]]
) -> None:
    _, order, signals, check = case
    invocation = start(client, order)
    for name, outcome in signals.items():
        settle(client, invocation, name, outcome)
    check(client.attach(invocation))


def test_a_signal_may_come_before_it_is_awaited(client: Client) -> None:
    """Sent while the invocation still sleeps: it is kept until somebody asks."""
    sleep = {"type": "awaitOne", "command": {"type": "sleep", "timeoutMillis": 500}}
    wait = {"type": "awaitOne", "command": signal("early")}
    invocation = start(client, {"commands": [sleep, wait]})
    settle(client, invocation, "early", "kept")
    assert client.attach(invocation).expect(200).json() == "kept"
