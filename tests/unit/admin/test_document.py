"""The OpenAPI document of the admin API: ids of operations, schemas of answers."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.parts.api_document import ApiDocument
from tests.unit.admin.world import World, world


@pytest.fixture
def it() -> Iterator[World]:
    with world() as made:
        yield made


def test_the_document_of_the_api(it: World) -> None:
    document = it.ask("GET", "/openapi").json
    assert "/deployments" in document["paths"]
    assert "/invocations/{invocation_id}/purge-journal" in document["paths"]
    operations = [
        one["operationId"] for path in document["paths"].values() for one in path.values()
    ]
    assert len(operations) == len(set(operations)) and all(operations)
    assert document["info"]["version"] == it.ask("GET", "/version").json["perdure_version"]
    text = json.dumps(document)
    for part in text.split('"$ref": "')[1:]:
        name = part.split('"')[0].removeprefix("#/components/schemas/")
        assert name in document["components"]["schemas"]


OPERATIONS = {
    "list_deployments": "GET /deployments",
    "create_deployment": "POST /deployments",
    "get_deployment": "GET /deployments/{deployment_id}",
    "delete_deployment": "DELETE /deployments/{deployment_id}",
    "update_deployment": "PATCH /deployments/{deployment_id}",
    "health": "GET /health",
    "version": "GET /version",
    "cluster_health": "GET /cluster-health",
    "delete_invocation": "DELETE /invocations/{invocation_id}",
    "cancel_invocation": "PATCH /invocations/{invocation_id}/cancel",
    "kill_invocation": "PATCH /invocations/{invocation_id}/kill",
    "pause_invocation": "PATCH /invocations/{invocation_id}/pause",
    "purge_invocation": "PATCH /invocations/{invocation_id}/purge",
    "purge_journal": "PATCH /invocations/{invocation_id}/purge-journal",
    "restart_as_new_invocation": "PATCH /invocations/{invocation_id}/restart-as-new",
    "resume_invocation": "PATCH /invocations/{invocation_id}/resume",
    "list_kafka_clusters": "GET /kafka-clusters",
    "create_kafka_cluster": "POST /kafka-clusters",
    "get_kafka_cluster": "GET /kafka-clusters/{name}",
    "delete_kafka_cluster": "DELETE /kafka-clusters/{name}",
    "update_kafka_cluster": "PATCH /kafka-clusters/{name}",
    "query": "POST /query",
    "list_services": "GET /services",
    "get_service": "GET /services/{service}",
    "modify_service": "PATCH /services/{service}",
    "list_service_handlers": "GET /services/{service}/handlers",
    "get_service_handler": "GET /services/{service}/handlers/{handler}",
    "get_service_openapi": "GET /services/{service}/openapi",
    "modify_service_state": "POST /services/{service}/state",
    "list_subscriptions": "GET /subscriptions",
    "create_subscription": "POST /subscriptions",
    "get_subscription": "GET /subscriptions/{subscription}",
    "delete_subscription": "DELETE /subscriptions/{subscription}",
}
"""Ids that clients generated for Restate know."""


OWN_OPERATIONS = {
    "metrics": "GET /metrics",
    "openapi": "GET /openapi",
    "decode_value": "POST /internal/services/{service}/serdes/decode/{name}",
    "encode_value": "POST /internal/services/{service}/serdes/encode/{name}",
    "batch_cancel_invocations": "POST /internal/invocations_batch_operations/cancel",
    "batch_kill_invocations": "POST /internal/invocations_batch_operations/kill",
    "batch_pause_invocations": "POST /internal/invocations_batch_operations/pause",
    "batch_purge_invocations": "POST /internal/invocations_batch_operations/purge",
    "batch_purge_journals": "POST /internal/invocations_batch_operations/purge-journal",
    "batch_resume_invocations": "POST /internal/invocations_batch_operations/resume",
    "batch_restart_as_new_invocations": (
        "POST /internal/invocations_batch_operations/restart-as-new"
    ),
    "export_invocation": "GET /perdure/v1/invocations/{invocation_id}/journal",
    "take_over_kafka_cluster": "POST /perdure/v1/kafka-clusters/{name}/take-over",
    "list_perdure_subscriptions": "GET /perdure/v1/subscriptions",
    "create_perdure_subscription": "POST /perdure/v1/subscriptions",
    "get_perdure_subscription": "GET /perdure/v1/subscriptions/{subscription}",
    "update_perdure_subscription": "PATCH /perdure/v1/subscriptions/{subscription}",
    "delete_perdure_subscription": "DELETE /perdure/v1/subscriptions/{subscription}",
    "pause_subscription": "POST /perdure/v1/subscriptions/{subscription}/pause",
    "resume_subscription": "POST /perdure/v1/subscriptions/{subscription}/resume",
    "seek_subscription": "POST /perdure/v1/subscriptions/{subscription}/seek",
    "replay_subscription": "POST /perdure/v1/subscriptions/{subscription}/replay",
    "get_feeds": "GET /perdure/v1/feeds",
    "start_event_feed": "PUT /perdure/v1/feeds/events",
    "stop_event_feed": "DELETE /perdure/v1/feeds/events",
    "start_state_feed": "PUT /perdure/v1/feeds/state/{service}",
    "stop_state_feed": "DELETE /perdure/v1/feeds/state/{service}",
    "redrive_dead_letter": "POST /perdure/v1/dead-letters/{letter}/redrive",
    "drop_dead_letter": "DELETE /perdure/v1/dead-letters/{letter}",
}
"""Ids of ours, which clients generated from our document know: they never change."""

WITHOUT_BODY = {
    "cancel_invocation",
    "delete_deployment",
    "delete_invocation",
    "delete_kafka_cluster",
    "delete_perdure_subscription",
    "delete_subscription",
    "drop_dead_letter",
    "health",
    "kill_invocation",
    "modify_service_state",
    "pause_invocation",
    "purge_invocation",
    "purge_journal",
    "resume_invocation",
    "take_over_kafka_cluster",
}


def test_operations_are_called_as_clients_know_them(it: World) -> None:
    paths = it.ask("GET", "/openapi").json["paths"]
    found = {
        one["operationId"]: f"{method.upper()} {path}"
        for path, methods in paths.items()
        for method, one in methods.items()
    }
    assert found == OPERATIONS | OWN_OPERATIONS


@pytest.mark.parametrize(
    "path",
    [
        "/version",
        "/cluster-health",
        "/metrics",
        "/deployments",
        "/deployments/{id}",
        "/services",
        "/services/Signup",
        "/services/Greeter/openapi",
        "/services/Greeter/handlers",
        "/services/Greeter/handlers/greet",
        "/kafka-clusters",
        "/subscriptions",
        "/perdure/v1/subscriptions",
        "/perdure/v1/feeds",
    ],
)
def test_answers_are_as_the_document_says(it: World, path: str) -> None:
    """As all that `ask` gets here: see `tests/parts/api_document.py`."""
    made = it.register(additional_headers={"a": "b"}, metadata={"c": "d"})
    assert it.ask("GET", path.replace("{id}", made["id"])).status == 200


def test_every_answer_has_a_schema(it: World) -> None:
    """But those without a body."""
    paths = it.ask("GET", "/openapi").json["paths"]
    operations = [one for methods in paths.values() for one in methods.values()]
    done = {
        one["operationId"]: [given for code, given in one["responses"].items() if code != "default"]
        for one in operations
    }
    assert {name for name, all_of in done.items() if "content" not in all_of[0]} == WITHOUT_BODY


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        ("/version", 200, {"version": "1"}),
        ("/version", 202, {}),
        ("/perdure/v1/feeds", 200, {"events": 1, "state": []}),
        ("/perdure/v1/feeds", 200, {"events": True, "state": [], "more": 1}),
        ("/perdure/v1/feeds", 200, {"events": True, "state": [None]}),
        ("/perdure/v1/feeds", 404, {"message": 5}),
        ("/health", 200, {}),
        ("/nothing", 200, {}),
    ],
)
def test_answers_that_are_not_as_the_document_says_are_noticed(
    it: World, path: str, status: int, body: Any
) -> None:
    document = ApiDocument(it.ask("GET", "/openapi").json)
    with pytest.raises(AssertionError):
        document.check("GET", path, status, "application/json", json.dumps(body).encode())
