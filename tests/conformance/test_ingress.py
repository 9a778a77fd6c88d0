"""The ingress: headers, bytes, refusals at the door, and what an answer carries."""

from __future__ import annotations

import os
import uuid
from functools import partial

import pytest

from tests.conformance.world import World
from tests.parts.client import Client, at_once, fresh, http_request

pytestmark = pytest.mark.needs("faces")

CUSTOM = {"X-My-Custom-Header": "x-my-custom-value"}


def test_headers_reach_the_handler(client: Client) -> None:
    headers = client.call(("TestUtilsService", "echoHeaders"), headers=CUSTOM, key=fresh())
    assert headers["x-my-custom-header"] == "x-my-custom-value"
    assert "host" not in headers and "idempotency-key" not in headers


@pytest.mark.parametrize("size_bytes", [1, 100, 70_000, 3_000_000])
def test_raw_bytes_pass_through(client: Client, size_bytes: int) -> None:
    body = os.urandom(size_bytes)
    reply = client.post(
        ("TestUtilsService", "rawEcho"),
        body,
        headers={"content-type": "application/octet-stream"},
    )
    assert reply.expect(200).body == body
    assert reply.headers["content-type"] == "application/octet-stream"


def test_an_answer_names_its_invocation(client: Client) -> None:
    reply = client.post(("TestUtilsService", "echo"), "hello").expect(200)
    assert reply.headers["x-restate-id"].startswith("inv_")
    assert reply.headers["content-type"] == "application/json"
    assert reply.json() == "hello"


def test_a_handler_without_result_answers_with_an_empty_body(client: Client) -> None:
    reply = client.post(("Typed", "nothing")).expect(200)
    assert reply.body in (b"", b"null")


def test_both_generations_of_routes_work(client: Client) -> None:
    key = fresh()
    for number, path in enumerate([f"/Counter/{key}/add", f"/restate/call/Counter/{key}/add"]):
        headers = {"content-type": "application/json"}
        reply = http_request(client.ingress, "POST", path, b"1", headers).expect(200)
        assert reply.json()["newValue"] == number + 1


def test_get_calls_a_handler_too(client: Client) -> None:
    key = fresh()
    assert client.get(f"/Counter/{key}/get").expect(200).json() == 0


def test_health_lists_the_services(client: Client) -> None:
    services = client.get("/restate/health").expect(200).json()["services"]
    assert {"Counter", "Proxy", "Versioned"} <= set(services)


@pytest.mark.parametrize(
    ("method", "path", "statuses"),
    [
        ("POST", "/NoSuchService/handler", {404}),
        ("POST", "/Counter/key/noSuchHandler", {404}),
        ("POST", "/TestUtilsService/key/echo/more/and/more/parts", {400, 404}),
        ("POST", "/Counter", {400, 404}),
        ("POST", "/restate/nonsense", {404}),
        ("DELETE", "/Counter/key/get", {405}),
        ("PUT", "/Counter/key/get", {405}),
        ("POST", "/restate/health", {404, 405}),
        ("POST", "/Counter/key/get?delay=10s", {400}),
        ("POST", "/Counter/key/get/send?delay=nonsense", {400}),
        ("POST", "/Counter/key/get/send?delay=1year", {400}),
        ("POST", "/Counter/key/get/send?delay=-1s", {400}),
        ("GET", "/restate/invocation/nonsense/attach", {400}),
        ("GET", "/restate/invocation/nonsense/output", {400}),
        ("POST", "/restate/awakeables/nonsense/resolve", {400}),
        ("POST", "/restate/awakeables/sign_1AAAA/reject", {400}),
    ],
)
def test_malformed_requests_are_refused(
    world: World, method: str, path: str, statuses: set[int]
) -> None:
    reply = http_request(world.client.ingress, method, path)
    assert reply.status in statuses, f"{reply.status} {reply.text}"
    if reply.body and not world.reference:
        failure = reply.json()
        assert failure["source"] == "ingress" and failure["message"]
        assert reply.headers["x-restate-error-source"] == "ingress"


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b'{"a": 1}', "application/json", 200),
        (b'{"a": 1}', "application/json; charset=utf-8", 200),
        (b'{"a": 1}', "text/plain", 400),
        (b'{"a": 1}', None, 400),
        (b"", "application/json", 400),
    ],
)
def test_the_input_rules_of_a_handler(
    client: Client, body: bytes, content_type: str | None, status: int
) -> None:
    headers = {} if content_type is None else {"content-type": content_type}
    reply = client.post(("Typed", "object_in"), body, headers=headers)
    assert reply.status == status, reply.text


@pytest.mark.parametrize("path", ["attach", "output", "lookup"])
@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"target": "nonsense"}'])
def test_malformed_targets_are_refused(world: World, path: str, body: bytes) -> None:
    headers = {"content-type": "application/json"}
    reply = http_request(world.client.ingress, "POST", f"/restate/{path}", body, headers)
    # The reference answers some of these with a 500; ours must not.
    assert 400 <= reply.status < (600 if world.reference else 500), reply.text


def test_private_services_are_reached_from_services_only(client: Client) -> None:
    assert client.post(("Hidden", "greet"), "Francesco").status == 400
    assert client.call(("Front", "greet"), "Francesco") == "Hello Francesco"
    try:
        client.admin_request("PATCH", "/services/Hidden", {"public": True}).expect(200)
        assert client.call(("Hidden", "greet"), "Francesco") == "Hello Francesco"
    finally:
        client.admin_request("PATCH", "/services/Hidden", {"public": False}).expect(200)


def test_browsers_may_call(client: Client) -> None:
    preflight = http_request(
        client.ingress,
        "OPTIONS",
        "/TestUtilsService/echo",
        headers={
            "origin": "http://example.com",
            "access-control-request-method": "POST",
            "access-control-request-headers": "content-type",
        },
    )
    assert preflight.expect(200, 204).headers["access-control-allow-origin"]
    reply = client.post(
        ("TestUtilsService", "echo"), "hi", headers={"origin": "http://example.com"}
    )
    assert reply.expect(200).headers["access-control-allow-origin"]


def test_many_callers_at_once_each_get_their_own_answer(client: Client) -> None:
    texts = [uuid.uuid4().hex for _ in range(200)]
    echo = ("TestUtilsService", "echo")
    calls = [partial(client.call, echo, text) for text in texts]
    assert at_once(calls, threads=32) == texts
