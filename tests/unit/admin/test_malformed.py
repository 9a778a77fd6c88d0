"""Whatever a body holds, the answer is a success or a 4xx that says why."""

import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.model import json_names
from perdure.wire.ids import invocation_id_to_str
from tests.unit.admin.world import URI, World, world
from tests.unit.machine.bench import uid

LATER = (501,)  # features of other servers, refused by name
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
    | st.sampled_from([URI, "1h", "keep", "latest", "Counter", invocation_id_to_str(uid(1))]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner),
    max_leaves=5,
)  # fmt: skip
ROUTES = {
    ("POST", "/deployments"): ["uri", "additional_headers", "metadata", "force", "arn", "auth"],
    ("PATCH", "/services/Signup"): ["public", "journal_retention", "abort_timeout"],
    ("POST", "/services/Counter/state"): ["object_key", "new_state", "version", "scope"],
    ("POST", "/query"): ["query"],
    ("POST", "/internal/invocations_batch_operations/kill"): ["invocation_ids"],
    ("POST", "/internal/invocations_batch_operations/resume"): ["invocation_ids", "deployment"],
}


@pytest.fixture(scope="module")
def it() -> Iterator[World]:
    with world() as made:
        made.register()
        yield made


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route[1])
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_json(it: World, route: tuple[str, str], data: st.DataObject) -> None:
    fields = st.fixed_dictionaries({}, optional=dict.fromkeys(ROUTES[route], VALUES))
    body: Any = data.draw(st.one_of(fields, VALUES))
    answer = it.ask(*route, json.dumps(body).encode(), {"content-type": "application/json"})
    # An endpoint that cannot be discovered is 500 by the protocol's catalogue.
    undiscovered = answer.status == 500 and "META0003" in answer.body.decode()
    assert answer.status < 500 or answer.status in LATER or undiscovered, (body, answer)
    if answer.status >= 400:
        assert answer.json["message"]


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(body=st.binary(max_size=60), route=st.sampled_from(sorted(ROUTES)))
def test_any_bytes(it: World, body: bytes, route: tuple[str, str]) -> None:
    answer = it.ask(*route, body, {"content-type": "application/json"})
    assert 400 <= answer.status < 500 and answer.json["message"]


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route[1])
@pytest.mark.parametrize("value", ['"\\ud800"', '"a\\udc00b"', "[" * 100_000, '{"a":' * 50_000])
def test_half_a_surrogate_pair_and_depth(it: World, route: tuple[str, str], value: str) -> None:
    for name in (*ROUTES[route], "other"):
        body = f'{{"{name}":{value}}}'.encode()
        answer = it.ask(*route, body, {"content-type": "application/json"})
        assert answer.status == 400 and answer.json["message"], (body[:100], answer)
        if "truncated" in answer.json["message"]:
            assert "surrogate pair" in answer.json["message"], "nothing is missing at its end"


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route[1])
def test_a_name_given_twice(it: World, route: tuple[str, str]) -> None:
    sent = {"uri": URI, "object_key": "a", "new_state": {}, "query": "SELECT 1"}
    body = json.dumps(sent | {"public": True, "invocation_ids": []})[:-1]
    for more in (', "uri": "http://x/"}', ', "other": {"a": 1, "\\u0061": 2}}'):
        answer = it.ask(*route, (body + more).encode(), {"content-type": "application/json"})
        assert answer.status == 400 and "is given twice" in answer.json["message"]


def test_names_of_a_large_body_are_not_looked_at(
    it: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That would hold up calls: of two megabytes for more than a second."""
    monkeypatch.delattr(json_names, "_TOKEN")
    body = b'{"query":"SELECT 1","x":[%b{}]}' % (b"{}," * 300_000)
    assert it.ask("POST", "/query", body, {"content-type": "application/json"}).status == 200
    values = b",".join(b'"%d":""' % number for number in range(2_000))
    body = b'{"object_key":"a","new_state":{%b}}' % values
    path = "/services/Counter/state"
    assert it.ask("POST", path, body, {"content-type": "application/json"}).status == 202


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(segments=st.lists(st.sampled_from(
    ["v4", "v1", "services", "deployments", "invocations", "%00", "%2F", "%ff", "..", "", "Greeter",
     "handlers", "openapi", "kill", "subscriptions", "internal"]), max_size=5),
    method=st.sampled_from(["GET", "POST", "PATCH", "DELETE", "PUT"]))  # fmt: skip
def test_any_path(it: World, segments: list[str], method: str) -> None:
    answer = it.ask(method, "/" + "/".join(segments))
    assert answer.status < 500 or answer.status in LATER, answer


@pytest.mark.parametrize(
    "path",
    ["/deployments", "/services/Counter/state", "/internal/services/Counter/serdes/encode/add"],
)
def test_a_client_that_leaves_in_the_middle_of_its_body_is_no_error_of_the_server(
    it: World, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.create_connection(("127.0.0.1", it.port), 60) as raw:
        head = f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
        raw.sendall(f"{head}content-length: 100\r\n\r\n{{".encode())
    assert it.ask("GET", "/health").status == 200  # the loop has seen it by then
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []
