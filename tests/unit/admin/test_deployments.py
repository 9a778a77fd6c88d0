"""Deployments over HTTP: status codes by version, dry runs, moves, deletion, refusals."""

from collections.abc import Iterator

import pytest

from orchestrator.admin.ports import AdminOptions
from tests.unit.admin.world import COUNTER, GREETER, SIGNUP, URI, World, world
from tests.unit.registry.samples import discovered

OTHER = "http://127.0.0.1:9081/"


@pytest.fixture
def it() -> Iterator[World]:
    with world() as made:
        made.endpoints[OTHER] = discovered(GREETER)
        yield made


def test_a_new_deployment(it: World) -> None:
    answer = it.ask("POST", "/deployments", {"uri": "http://127.0.0.1:9080"})
    assert answer.status == 201
    found = answer.json
    assert answer.headers["location"] == f"deployments/{found['id']}"
    assert found["id"].startswith("dp_1") and len(found["id"]) == 26
    assert [one["name"] for one in found["services"]] == ["Greeter", "Counter", "Signup"]
    assert (found["min_protocol_version"], found["max_protocol_version"]) == (5, 7)
    assert found["sdk_version"] == "restate-sdk-python/1.3.0"


def test_listing_and_detail(it: World) -> None:
    made = it.register(additional_headers={"X-Team": "a"}, metadata={"git": "1"})
    (listed,) = it.ask("GET", "/v4/deployments").json["deployments"]
    assert listed == {
        "id": made["id"],
        "uri": URI,
        "protocol_type": "BidiStream",
        "http_version": "HTTP/2.0",
        "additional_headers": {"x-team": "***"},
        "metadata": {"git": "1"},
        "created_at": "1970-01-01T00:16:40.000Z",
        "min_protocol_version": 5,
        "max_protocol_version": 7,
        "sdk_version": "restate-sdk-python/1.3.0",
        "services": [
            {"name": "Greeter", "revision": 1},
            {"name": "Counter", "revision": 1},
            {"name": "Signup", "revision": 1},
        ],
    }
    detail = it.ask("GET", f"/deployments/{made['id']}").json
    assert detail["services"] == made["services"]
    assert it.ask("GET", "/deployments/dp_none").status == 404


@pytest.mark.parametrize(
    ("prefix", "force", "status"),
    [("", None, 200), ("/v3", None, 200), ("/v4", False, 200), ("/v4", True, 200),
     ("/v2", False, 409), ("/v2", None, 201), ("/v2", True, 201)],
)  # fmt: skip
def test_the_same_address_again(it: World, prefix: str, force: bool | None, status: int) -> None:
    first = it.register()
    it.endpoints[URI] = discovered(GREETER)
    body = {"uri": URI} | ({} if force is None else {"force": force})
    answer = it.ask("POST", f"{prefix}/deployments", body)
    assert answer.status == status
    if status == 409:
        assert answer.json["restate_code"] == "META0004"
        return
    assert answer.json["id"] == first["id"]
    forced = force or (force is None and prefix == "/v2")
    assert len(answer.json["services"]) == (1 if forced else 3)


def test_a_dry_run_changes_nothing(it: World) -> None:
    answer = it.ask("POST", "/deployments", {"uri": URI, "dry_run": True})
    assert answer.status == 201 and len(answer.json["services"]) == 3
    assert it.ask("GET", "/deployments").json == {"deployments": []}


def test_a_breaking_change(it: World) -> None:
    it.register()
    it.endpoints[OTHER] = discovered(GREETER | {"ty": "VIRTUAL_OBJECT"})
    answer = it.ask("POST", "/deployments", {"uri": OTHER})
    assert answer.status == 409 and answer.json["restate_code"] == "META0006"
    assert it.ask("POST", "/deployments", {"uri": OTHER, "breaking": True}).status == 201


def test_an_endpoint_that_does_not_answer(it: World) -> None:
    answer = it.ask("POST", "/deployments", {"uri": "http://127.0.0.1:1/"})
    assert answer.status == 500 and answer.json["restate_code"] == "META0003"


def test_what_is_asked_of_discovery(it: World) -> None:
    it.register(use_http_11=True, additional_headers={"Authorization": "Bearer x"})
    (target,) = it.targets
    assert target.http1 and target.additional_headers == (("authorization", "Bearer x"),)


def test_headers_are_secrets_that_nobody_is_shown_and_that_can_be_kept(it: World) -> None:
    made = it.register(additional_headers={"Authorization": "Bearer x", "X-Team": "a"})
    path = f"/deployments/{made['id']}"
    for answer in (it.ask("GET", "/deployments"), it.ask("GET", path)):
        assert b"Bearer" not in answer.body and b'"authorization":"***"' in answer.body
    kept = {"additional_headers": {"Authorization": "***", "X-Team": "b"}}
    assert b"Bearer" not in it.ask("PATCH", path, kept).body
    assert it.targets[-1].additional_headers == (("authorization", "Bearer x"), ("x-team", "b"))
    unknown = {"uri": "http://other/", "additional_headers": {"authorization": "***"}}
    refused = it.ask("POST", "/deployments", unknown)
    assert refused.status == 400 and "stands for" in refused.json["message"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ({"uri": "localhost:9080"}, 400),
        ({"uri": "/relative"}, 400),
        ({"uri": URI, "additional_headers": {"a b": "c"}}, 400),
        ({"uri": URI, "additional_headers": {"a": "c\r\nd: e"}}, 400),
        ({"uri": URI, "force": "perhaps"}, 400),
        ({"uri": 7}, 400),
        ({"arn": "arn:aws:lambda:eu:1:function:f"}, 400),
        ({"arn": "arn:aws:lambda:eu:1:function:f:1", "uri": URI}, 400),
        ({"uri": URI, "assume_role_arn": "arn:aws:iam::1:role/r"}, 400),
        ({"uri": URI, "auth": {"GoogleIdToken": {}}}, 501),
        (b"{", 400),
        (b"\xff\xfe", 400),
        (b"[" * 100_000, 400),
        (b"", 400),
    ],
)
def test_a_registration_that_makes_no_sense(it: World, body: object, status: int) -> None:
    answer = it.ask("POST", "/deployments", body, {"content-type": "application/json"})
    assert answer.status == status and answer.json["message"]


def test_a_bad_manifest(it: World) -> None:
    it.endpoints[OTHER] = discovered({**GREETER, "name": "restate.x"})
    answer = it.ask("POST", "/deployments", {"uri": OTHER})
    assert answer.status == 400 and answer.json["restate_code"] == "META0005"


def test_deletion(it: World) -> None:
    first = it.register()["id"]
    assert it.ask("DELETE", f"/deployments/{first}").status == 501
    assert it.ask("DELETE", f"/deployments/{first}?force=true").status == 202
    assert it.ask("DELETE", f"/deployments/{first}?force=true").status == 404
    assert it.ask("GET", "/services").json == {"services": []}


def test_a_move(it: World) -> None:
    first = it.register()["id"]
    it.endpoints[OTHER] = discovered(GREETER, COUNTER, SIGNUP)
    dry = it.ask("PATCH", f"/deployments/{first}", {"uri": OTHER, "dry_run": True})
    assert dry.status == 200 and dry.json["uri"] == OTHER
    assert it.ask("GET", f"/deployments/{first}").json["uri"] == URI
    moved = it.ask("PATCH", f"/deployments/{first}", {"uri": OTHER, "use_http_11": True})
    assert moved.json["uri"] == OTHER and moved.json["http_version"] == "HTTP/1.1"
    assert [one["revision"] for one in moved.json["services"]] == [1, 1, 1]
    it.endpoints[OTHER] = discovered(COUNTER)
    less = it.ask("PATCH", f"/deployments/{first}", {})
    assert less.status == 409 and less.json["restate_code"] == "META0016"
    over = it.ask("PATCH", f"/deployments/{first}", {"overwrite": True})
    assert [one["name"] for one in over.json["services"]] == ["Counter"]
    assert it.ask("PUT", f"/deployments/{first}", {}).status == 405
    assert it.ask("PUT", f"/v2/deployments/{first}", {}).status == 200
    assert it.ask("PATCH", "/deployments/dp_none", {}).status == 404


def test_a_body_over_the_limit() -> None:
    with world(AdminOptions(body_bytes_max=1000)) as made:
        large = b'{"uri": "' + b"x" * 2000 + b'"}'
        assert made.ask("POST", "/deployments", large).status == 413
        chunked = made.ask("POST", "/deployments", iter([large]))
        assert chunked.status == 413 and "1000 bytes" in chunked.json["message"]
