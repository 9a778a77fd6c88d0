"""A handler that takes another way on replay is stopped before it does harm."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest

from tests.conformance.world import World
from tests.parts.client import Client, at_once, eventually, fresh

# Elsewhere attempts do not end at a wait, so nothing is replayed.
pytestmark = pytest.mark.needs("suspending")

HANDLERS = [
    "eitherSleepOrCall",
    "callDifferentMethod",
    "backgroundInvokeWithDifferentTargets",
    "setDifferentKey",
]


def test_divergence_fails_and_has_no_effect(world: World) -> None:
    """One attempt after the first wait, then the invocation is killed: the counter stays."""

    def diverge(client: Client, handler: str) -> None:
        key = fresh(handler)
        client.call(("Counter", key, "add"), 1)
        reply = client.post(("NonDeterministic", key, handler))
        assert reply.status == 570 or reply.status == 500, reply.text
        assert client.call(("Counter", key, "get")) == 1

    with world.other_server(
        lambda options: replace(
            options,
            retry_initial_interval="1ms",
            retry_max_attempts=1,
            retry_on_max_attempts="kill",
        )
    ) as client:
        at_once([partial(diverge, client, handler) for handler in HANDLERS])


def test_divergence_pauses_with_its_own_code(world: World) -> None:
    """The failure is seen from outside; the next attempt is an odd one, which agrees again."""
    key = fresh()
    with world.other_server(
        lambda options: replace(options, retry_max_attempts=1, retry_on_max_attempts="pause")
    ) as client:
        invocation = client.send(("NonDeterministic", key, "setDifferentKey"), key=fresh())
        client.wait_status(invocation, "paused")
        failure = client.events(invocation, "Paused")[-1]["last_failure"]
        assert failure["error_code"] == 570
        assert failure["restate_doc_error_code"] == "RT0016"
        client.operate(invocation, "resume").expect(200)
        client.attach(invocation).expect(200)
        eventually(lambda: counted_once(client, key))


def counted_once(client: Client, key: str) -> None:
    assert client.call(("Counter", key, "get")) == 1
