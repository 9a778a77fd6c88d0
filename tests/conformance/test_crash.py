"""Work in flight of every kind, a process killed with -9 in the middle, and nothing is lost."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from tests.conformance.combinations import DEATHS
from tests.conformance.world import World
from tests.parts.client import NOTHING, Client, Target, at_once, eventually, fresh, in_background

INTERPRETER = "VirtualObjectCommandInterpreter"
Check = Callable[[], Any]


def answers(client: Client, invocation: str, expected: Any) -> None:
    def answered() -> None:
        reply = client.attach(invocation, timeout_s=10.0)
        assert reply.expect(200).json() == expected

    eventually(answered, 60.0)


def sent(client: Client, target: Target, payload: Any = NOTHING, **options: Any) -> str:
    """The id of what was accepted. A broker that was killed by the test before may just have had
    the partitions given out anew: 503 says that nothing was accepted, and to ask again."""

    def once() -> str | None:
        reply = client.post(target, payload, send=True, **options)
        return None if reply.status == 503 else reply.expect(202, 200).json()["invocationId"]

    deadline_s = time.monotonic() + 30.0
    while (found := once()) is None:
        assert time.monotonic() < deadline_s, f"{target} is not taken"
        time.sleep(0.2)
    return found


def a_sleep(client: Client) -> Check:
    command = {"type": "awaitOne", "command": {"type": "sleep", "timeoutMillis": 1_500}}
    order = {"commands": [command, command]}
    invocation = sent(client, (INTERPRETER, fresh(), "interpretCommands"), order, key=fresh())
    return partial(answers, client, invocation, "sleep")


def an_awakeable(client: Client) -> Check:
    key = fresh()
    invocation = sent(client, ("Versioned", key, "aroundAwakeable"), key=fresh())

    def resolve() -> None:
        awakeable = client.call(("Versioned", key, "awakeableId"), timeout_s=5.0)
        assert awakeable
        client.awakeable(awakeable, "resolve", b'"woken"', "application/json").expect(202)

    def check() -> None:
        eventually(resolve, 60.0)
        answers(client, invocation, ["v1", "woken", "v1"])

    return check


def a_workflow(client: Client) -> Check:
    key = fresh()
    invocation = sent(client, ("BlockAndWaitWorkflow", key, "run"), "kept")

    def check() -> None:
        client.insist(("BlockAndWaitWorkflow", key, "unblock"), "clicked")
        answers(client, invocation, "clicked")
        assert client.insist(("BlockAndWaitWorkflow", key, "getState"), "") == "kept"

    return check


def a_delayed_send(client: Client) -> Check:
    key = fresh()
    sent(client, ("Counter", key, "add"), 7, delay="1s")

    def added() -> None:
        assert client.call(("Counter", key, "get"), timeout_s=5.0) == 7

    return partial(eventually, added, 60.0)


def a_queue(client: Client) -> Check:
    """A locked key with others in line behind the holder."""
    key = fresh()
    command = {"type": "awaitOne", "command": {"type": "sleep", "timeoutMillis": 1_000}}
    target = (INTERPRETER, key, "interpretCommands")
    sent(client, target, {"commands": [command]})
    returns = [{"type": "runReturns", "value": str(number)} for number in range(5)]
    for one in returns:
        sent(client, target, {"commands": [{"type": "awaitOne", "command": one}]})

    def in_order() -> None:
        results = client.call((INTERPRETER, key, "getResults"), timeout_s=5.0)
        assert results == ["sleep", "0", "1", "2", "3", "4"]

    return partial(eventually, in_order, 60.0)


def many_steps(world: World) -> Check:
    name, count = fresh("steps"), 20
    order = {"name": name, "count": count, "pauseMs": 40}
    invocation = sent(world.client, ("Steps", "manySteps"), order, key=fresh())

    def check() -> None:
        answers(world.client, invocation, [number * number for number in range(count)])
        marks = world.laboratory.marks(name)
        assert set(marks) == {str(number) for number in range(count)}
        # Only a step whose end was not yet durable when the process died may run again.
        assert len(marks) <= count + 3, marks

    return check


def adds(client: Client) -> Check:
    """Callers that ask again with the same idempotency key while the server is away."""
    key, count = fresh(), 10
    calls = [partial(client.insist, ("Counter", key, "add"), 1) for _ in range(count)]
    waiting = in_background(lambda: at_once(calls))

    def check() -> None:
        values = [result["newValue"] for result in waiting.result(60.0)]
        assert sorted(values) == list(range(1, count + 1))
        assert client.insist(("Counter", key, "get")) == count

    return check


def deployments(client: Client) -> Check:
    def ids() -> set[str]:
        listed = client.admin_request("GET", "/deployments").expect(200).json()["deployments"]
        return {one["id"] for one in listed}

    before = ids()
    assert before

    def are_the_same() -> None:
        assert ids() == before

    return partial(eventually, are_the_same, 30.0)


def start_work(world: World) -> list[Check]:
    client = world.client
    kinds = [a_sleep, an_awakeable, a_workflow, a_delayed_send, a_queue, deployments]
    return [*(kind(client) for kind in kinds), many_steps(world), adds(client)]


VICTIMS = [
    pytest.param(death, marks=pytest.mark.needs(death)) for death in DEATHS if death != "stop"
]


@pytest.mark.parametrize("victim", VICTIMS)
def test_kill(world: World, victim: str) -> None:
    victims: dict[str, list[Any]] = {
        "server": [world.server],
        "services": [world.services, world.laboratory],
        "broker": [world.broker],
        "all": [world.services, world.laboratory, world.server],
    }
    checks = start_work(world)
    time.sleep(0.3)
    for part in victims[victim]:
        part.kill()
    for part in victims[victim]:
        part.restart()
    at_once(checks)


@pytest.mark.needs("stop")
def test_a_server_that_is_stopped_goes_on_where_it_was(world: World) -> None:
    checks = start_work(world)
    time.sleep(0.3)
    world.server.stop()
    world.server.restart()
    at_once(checks)
