"""The registry on the admin port: deployments, services and their handlers."""

from __future__ import annotations

import pytest

from tests.conformance.world import World
from tests.parts.client import Client
from tests.parts.processes import free_port

pytestmark = pytest.mark.needs("faces")


def test_the_list_and_the_detail_agree(world: World) -> None:
    client = world.client
    listed = client.admin_request("GET", "/deployments").expect(200).json()["deployments"]
    one = next(each for each in listed if each["uri"].rstrip("/") == world.services.uri)
    assert one["protocol_type"] in ("BidiStream", "RequestResponse")
    assert {"id", "created_at", "min_protocol_version", "max_protocol_version"} <= set(one)
    detail = client.admin_request("GET", f"/deployments/{one['id']}").expect(200).json()
    assert detail["id"] == one["id"]
    names = {service["name"] for service in detail["services"]}
    assert {service["name"] for service in one["services"]} == names
    assert "Counter" in names


def test_services_and_handlers_are_described(client: Client) -> None:
    services = client.admin_request("GET", "/services").expect(200).json()["services"]
    assert {"Counter", "Versioned"} <= {service["name"] for service in services}
    counter = client.admin_request("GET", "/services/Counter").expect(200).json()
    assert counter["ty"] == "VirtualObject" and counter["public"] is True
    handler = client.admin_request("GET", "/services/Counter/handlers/add").expect(200).json()
    assert handler["name"] == "add" and handler["ty"] == "Exclusive"
    handlers = client.admin_request("GET", "/services/Counter/handlers").expect(200).json()
    assert {"add", "get", "reset"} <= {each["name"] for each in handlers["handlers"]}
    workflow = client.admin_request("GET", "/services/BlockAndWaitWorkflow").expect(200).json()
    assert {each["name"]: each["ty"] for each in workflow["handlers"]} == {
        "run": "Workflow",
        "unblock": "Shared",
        "getState": "Shared",
    }
    client.admin_request("GET", "/services/NoSuchService").expect(404)
    client.admin_request("GET", "/services/Counter/handlers/no").expect(404)


def test_registering_again_changes_nothing(world: World) -> None:
    client = world.client
    payload = {"uri": world.laboratory.uri}
    first = client.admin_request("POST", "/deployments", payload).expect(200).json()
    second = client.admin_request("POST", "/deployments", payload).expect(200).json()
    assert first["id"] == second["id"]
    forced = client.admin_request("POST", "/deployments", {**payload, "force": True}).expect(200)
    assert forced.json()["id"] == first["id"]


def test_a_dry_run_registers_nothing(world: World) -> None:
    client = world.client
    before = client.admin_request("GET", "/services/Versioned").json()["revision"]
    payload = {"uri": world.laboratory.uri, "force": True, "dry_run": True}
    client.admin_request("POST", "/deployments", payload).expect(200, 201)
    assert client.admin_request("GET", "/services/Versioned").json()["revision"] == before


@pytest.mark.parametrize(
    "payload",
    [{}, {"uri": 5}, {"uri": "/relative"}, {"uri": "nonsense"}, [], {"uri": "ftp://127.0.0.1"}],
)
def test_malformed_registrations_are_refused(world: World, payload: object) -> None:
    reply = world.client.admin_request("POST", "/deployments", payload, timeout_s=60)
    assert 400 <= reply.status < (600 if world.reference else 500), reply.text


def test_nobody_at_the_address_is_an_error(client: Client) -> None:
    payload = {"uri": f"http://127.0.0.1:{free_port()}"}
    reply = client.admin_request("POST", "/deployments", payload, timeout_s=60)
    assert reply.status >= 400
    assert reply.json()["message"]


def test_service_options_can_be_changed(client: Client) -> None:
    path = "/services/Typed"
    changed = client.admin_request("PATCH", path, {"idempotency_retention": "1h"})
    assert changed.expect(200).json()["idempotency_retention"] in ("1h", "60m", "3600s", "PT1H")
    client.admin_request("PATCH", "/services/NoSuch", {"public": True}).expect(404)


def test_the_openapi_of_a_service_has_its_handlers(client: Client) -> None:
    document = client.admin_request("GET", "/services/Counter/openapi").expect(200).json()
    assert document["openapi"].startswith("3.")
    assert any("/Counter/{key}/add" in path for path in document["paths"])


def test_health_and_version(client: Client) -> None:
    client.admin_request("GET", "/health").expect(200)
    version = client.admin_request("GET", "/version").expect(200).json()
    assert version["version"].startswith("1.7.")
    assert version["min_admin_api_version"] <= 2 <= 4 <= version["max_admin_api_version"]
    client.admin_request("GET", "/v3/services").expect(200)
    client.admin_request("GET", "/openapi").expect(200)
