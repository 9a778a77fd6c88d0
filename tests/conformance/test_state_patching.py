"""State replaced from the admin port, in turn with the invocations of the key."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import pytest

from tests.conformance.world import World
from tests.parts.client import Client, eventually, fresh

pytestmark = pytest.mark.needs("faces")


def patch(client: Client, key: str, state: dict[str, Any], version: str | None = None) -> None:
    body: dict[str, Any] = {
        "object_key": key,
        "new_state": {name: list(json.dumps(value).encode()) for name, value in state.items()},
    }
    if version is not None:
        body["version"] = version
    client.admin_request("POST", "/services/MapObject/state", body).expect(202)


def version_of(state: dict[str, str]) -> str:
    """The token of a state, as its clients compute it."""
    digest = hashlib.sha256()
    for number, (key, value) in enumerate(sorted(state.items())):
        digest.update(number.to_bytes(8, "big"))
        digest.update(b"\x01" + key.encode() + b"\x02" + json.dumps(value).encode() + b"\x03")
    return base64.urlsafe_b64encode(digest.digest()).decode().rstrip("=")


def read(client: Client, key: str, name: str) -> str:
    value: str = client.call(("MapObject", key, "get"), name)
    return value


def test_a_patch_replaces_the_whole_state(client: Client) -> None:
    key = fresh()
    client.call(("MapObject", key, "set"), {"key": "a", "value": "old"})
    client.call(("MapObject", key, "set"), {"key": "b", "value": "old"})
    patch(client, key, {"a": "new", "c": "new"})

    def patched() -> None:
        assert [read(client, key, name) for name in "abc"] == ["new", "", "new"]

    eventually(patched)


def test_a_patch_of_another_version_is_dropped(client: Client) -> None:
    key = fresh()
    client.call(("MapObject", key, "set"), {"key": "a", "value": "old"})
    patch(client, key, {"a": "stale"}, version_of({"a": "never was"}))
    patch(client, key, {"a": "right"}, version_of({"a": "old"}))

    def patched() -> None:
        assert read(client, key, "a") == "right"

    eventually(patched)


def test_an_empty_patch_clears_the_state(client: Client) -> None:
    key = fresh()
    client.call(("MapObject", key, "set"), {"key": "a", "value": "old"})
    patch(client, key, {})

    def cleared() -> None:
        assert read(client, key, "a") == ""
        assert client.query(f"SELECT key FROM state WHERE service_key = '{key}'") == []

    eventually(cleared)


def test_bad_patches_are_refused(world: World) -> None:
    client = world.client
    body = {"object_key": "k", "new_state": {}}
    # The reference takes a patch of an unknown service and forgets it.
    unknown = client.admin_request("POST", "/services/NoSuchService/state", body)
    unknown.expect(202 if world.reference else 404)
    path = "/services/MapObject/state"
    assert 400 <= client.admin_request("POST", path, {"object_key": "k"}).status < 500
    bad = {"object_key": "k", "new_state": {"a": [300]}}
    assert 400 <= client.admin_request("POST", path, bad).status < 500
