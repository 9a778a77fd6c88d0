"""Awakeables completed from outside, through the ingress."""

from __future__ import annotations

import pytest

from tests.parts.client import Client, eventually, fresh, in_background


def hold(client: Client) -> tuple[str, str]:
    """An invocation that waits for an awakeable, and the awakeable's id."""
    key = fresh()
    invocation = client.send(("Versioned", key, "aroundAwakeable"), key=fresh())

    def identifier() -> str:
        found = client.call(("Versioned", key, "awakeableId"))
        assert found is not None and found.startswith("sign_1"), found
        return str(found)

    return invocation, eventually(identifier)


def test_resolve(client: Client) -> None:
    invocation, awakeable = hold(client)
    waiting = in_background(lambda: client.attach(invocation))
    reply = client.awakeable(awakeable, "resolve", b'"solved!"', "application/json")
    assert reply.status == 202
    assert waiting.result(30).expect(200).json() == ["v1", "solved!", "v1"]


def test_resolve_through_the_short_route(client: Client) -> None:
    invocation, awakeable = hold(client)
    client.awakeable(awakeable, "resolve", b'"first"', "application/json").expect(202)
    client.awakeable(awakeable, "resolve", b'"second"', "application/json").expect(202)
    assert client.attach(invocation).expect(200).json()[1] == "first"


def test_reject(client: Client) -> None:
    invocation, awakeable = hold(client)
    waiting = in_background(lambda: client.attach(invocation))
    client.awakeable(awakeable, "reject", b"my bad!", "text/plain").expect(202)
    reply = waiting.result(30)
    assert reply.status == 500
    assert "my bad!" in reply.json()["message"]


@pytest.mark.parametrize("action", ["resolve", "reject"])
def test_an_awakeable_that_nobody_awaits_is_accepted(client: Client, action: str) -> None:
    invocation, awakeable = hold(client)
    client.awakeable(awakeable, "resolve", b'"done"', "application/json").expect(202)
    client.attach(invocation).expect(200)
    client.awakeable(awakeable, action, b'"late"', "application/json").expect(202)
