"""Every refusal has a code that `perdure explain` knows, and says what to do."""

from collections.abc import Iterator
from typing import Any, Final

import pytest

from orchestrator.admin.errors import refusal_body
from orchestrator.model.codes import CODES
from tests.unit.admin.world import World, world

LETTERS: Final = "/perdure/v1/dead-letters"


@pytest.fixture
def it() -> Iterator[World]:
    with world() as made:
        made.register()
        yield made


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("GET", "/nothing/here", None, 404, "PD0703"),
        ("GET", "/deployments/dp_1", None, 404, "PD0703"),
        ("GET", "/services/None", None, 404, "PD0703"),
        ("PATCH", "/invocations/garbage/kill", None, 400, "PD0701"),
        ("DELETE", "/query", None, 405, "PD0701"),
        ("POST", "/deployments", {}, 400, "PD0701"),
        ("POST", "/deployments", {"uri": 7}, 400, "PD0701"),
        ("POST", "/services/Greeter/state", {"object_key": "k", "new_state": {}}, 400, "PD0701"),
        ("PUT", "/perdure/v1/feeds/state/None", None, 404, "PD0620"),
        ("PUT", "/perdure/v1/feeds/state/Greeter", None, 400, "PD0620"),
        ("DELETE", "/perdure/v1/feeds/state/Counter", None, 404, "PD0620"),
    ],
)
def test_a_refusal_has_a_code(
    it: World, method: str, path: str, body: Any, status: int, code: str
) -> None:
    refused = it.ask(method, path, body)
    assert (refused.status, refused.json.get("restate_code")) == (status, code), refused
    assert code in CODES and refused.json["message"]


def test_a_take_over_of_no_log_has_a_code(it: World) -> None:
    cluster = {"name": "shop", "properties": {"bootstrap.servers": "b:9092"}, "force": True}
    assert it.ask("POST", "/kafka-clusters", cluster).status == 201
    path = "/perdure/v1/kafka-clusters/shop/take-over"
    for log in ("", "no hex", "ab" * 65):
        refused = it.ask("POST", path, {"log": log})
        assert (refused.status, refused.json["restate_code"]) == (400, "PD0621")
        assert "sys_lane" in refused.json["message"]


@pytest.mark.parametrize("status", [400, 403, 404, 405, 408, 409, 413, 415, 422, 425, 429])
def test_no_status_of_a_client_is_without_a_code(status: int) -> None:
    assert refusal_body(status, "why")["restate_code"] in CODES
    assert refusal_body(status, "why", "PD0617")["restate_code"] == "PD0617"
