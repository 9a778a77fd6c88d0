"""Another version of a service: new work takes it, work in flight stays where it began."""

from __future__ import annotations

from tests.parts.client import Client, eventually, fresh
from tests.parts.laboratory import Laboratory


def test_new_invocations_take_the_new_version(client: Client, second: Laboratory) -> None:
    assert client.call(("Versioned", fresh(), "version")) == "v1"
    client.register(second.uri)

    def upgraded() -> None:
        assert client.call(("Versioned", fresh(), "version")) == "v2"

    eventually(upgraded)
    revision = client.admin_request("GET", "/services/Versioned").expect(200).json()["revision"]
    assert revision >= 2


def test_an_invocation_in_flight_keeps_its_version(client: Client, second: Laboratory) -> None:
    key = fresh()
    invocation = client.send(("Versioned", key, "aroundAwakeable"), key=fresh())

    def registered() -> str:
        found = client.call(("Versioned", key, "awakeableId"))
        assert found
        return str(found)

    awakeable = eventually(registered)
    client.register(second.uri)

    def upgraded() -> None:
        assert client.call(("Versioned", fresh(), "version")) == "v2"

    eventually(upgraded)
    client.awakeable(awakeable, "resolve", b'"unlocked"', "application/json").expect(202)
    assert client.attach(invocation).expect(200).json() == ["v1", "unlocked", "v1"]
    # The key is free now, and whoever comes next is served by the new version.
    assert client.call(("Versioned", key, "version")) == "v2"


def test_a_deleted_deployment_takes_its_services_along(client: Client, second: Laboratory) -> None:
    deployment = client.register(second.uri)
    client.admin_request("DELETE", f"/deployments/{deployment}?force=true").expect(202)
    client.admin_request("GET", f"/deployments/{deployment}").expect(404)
    client.admin_request("DELETE", "/deployments/dp_11nGQpCRmau6ypL82KH2TnP?force=true").expect(404)
