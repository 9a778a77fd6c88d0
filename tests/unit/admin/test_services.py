"""Services, handlers, their OpenAPI, and the modification of state."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from orchestrator.admin.ports import AdminOptions
from orchestrator.codec.keys import object_key
from orchestrator.machine import kv
from orchestrator.machine.state_patch import state_version
from orchestrator.model.limits import STATE_KEYS_MAX
from orchestrator.model.records import PatchState
from tests.unit.admin.world import URI, World, world
from tests.unit.registry.samples import discovered

TYPED = {
    "name": "Typed",
    "ty": "SERVICE",
    "documentation": "All of it",
    "metadata": {"team": "a"},
    "inactivityTimeout": 5000,
    "retryPolicyMaxAttempts": 3,
    "handlers": [
        {
            "name": "make",
            "documentation": "Makes",
            "idempotencyRetention": 90_000,
            "enableLazyState": True,
            "retryPolicyOnMaxAttempts": "KILL",
            "input": {
                "required": True,
                "contentType": "application/json",
                "jsonSchema": {
                    "$defs": {"Item": {"type": "string"}, "Tree": {"$ref": "#/$defs/Tree"}},
                    "type": "object",
                    "properties": {"items": {"type": "array", "items": {"$ref": "#/$defs/Item"}}},
                },
            },
            "output": {"contentType": "application/json", "jsonSchema": True},
        },
        {"name": "hidden", "ingressPrivate": True, "input": {}, "output": {}},
    ],
}


@pytest.fixture
def it() -> Iterator[World]:
    with world() as made:
        made.register()
        made.endpoints["http://typed/"] = discovered(TYPED)
        made.register("http://typed/")
        yield made


def test_a_service_with_defaults_resolved(it: World) -> None:
    found = it.ask("GET", "/services/Greeter").json
    deployment_id = found.pop("deployment_id")
    assert deployment_id == it.ask("GET", "/deployments").json["deployments"][0]["id"]
    assert found == {
        "name": "Greeter",
        "ty": "Service",
        "handlers": [
            {
                "name": "greet",
                "public": True,
                "input_description": "*/*",
                "output_description": "application/json",
                "retry_policy": {},
            }
        ],
        "revision": 1,
        "public": True,
        "idempotency_retention": "1d",
        "journal_retention": "1d",
        "inactivity_timeout": "1m",
        "abort_timeout": "10m",
        "enable_lazy_state": False,
        "retry_policy": {
            "initial_interval": "500ms",
            "exponentiation_factor": 2.0,
            "max_attempts": 70,
            "max_interval": "1m",
            "on_max_attempts": "Pause",
        },
    }


def test_what_a_handler_sets_itself(it: World) -> None:
    made = it.ask("GET", "/services/Typed/handlers/make").json
    assert made["idempotency_retention"] == "1m 30s" and made["enable_lazy_state"] is True
    assert made["retry_policy"] == {"on_max_attempts": "Kill"}
    assert made["input_json_schema"]["type"] == "object" and made["output_json_schema"] is True
    assert made["documentation"] == "Makes" and "journal_retention" not in made
    hidden = it.ask("GET", "/services/Typed/handlers/hidden").json
    assert not hidden["public"] and hidden["input_description"] == "none"
    assert it.ask("GET", "/services/Typed/handlers/nope").status == 404
    assert it.ask("GET", "/services/Nope").status == 404


def test_types_of_services_and_handlers(it: World) -> None:
    services = it.ask("GET", "/services").json["services"]
    types = {one["name"]: one["ty"] for one in services}
    assert types == {
        "Greeter": "Service", "Counter": "VirtualObject", "Signup": "Workflow", "Typed": "Service"
    }  # fmt: skip
    handlers = it.ask("GET", "/services/Counter/handlers").json["handlers"]
    assert [one["ty"] for one in handlers] == ["Exclusive", "Shared"]
    handlers = it.ask("GET", "/services/Signup/handlers").json["handlers"]
    assert [one["ty"] for one in handlers] == ["Workflow", "Shared"]
    signup = it.ask("GET", "/services/Signup").json
    assert signup["workflow_completion_retention"] == "1d"


def test_options_are_patched_until_the_next_discovery(it: World) -> None:
    patch = {"public": False, "journal_retention": "PT1H", "inactivity_timeout": "90 sec"}
    answer = it.ask("PATCH", "/services/Greeter", patch)
    assert answer.status == 200
    assert answer.json["journal_retention"] == "1h"
    assert answer.json["inactivity_timeout"] == "1m 30s" and answer.json["public"] is False
    assert answer.json["handlers"][0]["public"] is False
    greet = it.metadata.registry.handler("Greeter", "greet")
    assert greet is not None and greet.journal_retention_ms == 3_600_000 and not greet.public
    it.register(force=True)
    assert it.ask("GET", "/services/Greeter").json["public"] is True


@pytest.mark.parametrize(
    ("name", "patch", "status"),
    [
        ("Greeter", {"journal_retention": "1 year"}, 400),
        ("Greeter", {"journal_retention": 5}, 400),
        ("Greeter", {"workflow_completion_retention": "1h"}, 400),
        ("Signup", {"workflow_completion_retention": "1h"}, 200),
        ("Greeter", {}, 200),
        ("Nope", {"public": True}, 404),
    ],
)
def test_patches(it: World, name: str, patch: Any, status: int) -> None:
    assert it.ask("PATCH", f"/services/{name}", patch).status == status


def test_openapi_of_a_service(it: World) -> None:
    document = it.ask("GET", "/services/Typed/openapi").json
    assert document["info"]["title"] == "Typed"
    of = "/restate/invocation/Typed/make/{idempotencyKey}"
    paths = {"/restate/call/Typed/make", "/restate/send/Typed/make", f"{of}/attach", f"{of}/output"}
    assert set(document["paths"]) == paths
    call = document["paths"]["/restate/call/Typed/make"]["post"]
    assert call["requestBody"]["required"] is True and call["operationId"] == "make"
    schemas = document["components"]["schemas"]
    text = json.dumps(document)
    assert "$defs" not in text
    assert schemas["makeRequest"]["properties"]["items"]["items"] == {
        "$ref": "#/components/schemas/makeRequest.Item"
    }
    for part in text.split('"$ref": "')[1:]:
        name = part.split('"')[0].removeprefix("#/components/schemas/")
        assert name in schemas
    keyed = it.ask("GET", "/services/Signup/openapi").json["paths"]
    assert "/restate/call/Signup/{key}/run" in keyed
    assert "/restate/workflow/Signup/{key}/attach" in keyed
    ids = [one["operationId"] for path in keyed.values() for one in path.values()]
    assert len(ids) == len(set(ids)) == 8


def test_openapi_of_a_service_has_its_metadata(it: World) -> None:
    handlers = [{"name": "greet", "metadata": {"hh": "2"}, "documentation": "Greets."}]
    made = {"name": "Marked", "ty": "SERVICE", "handlers": handlers, "metadata": {"c": "d"}}
    it.endpoints["http://marked/"] = discovered(made)
    it.register("http://marked/")
    document = it.ask("GET", "/services/Marked/openapi").json
    assert document["info"]["x-restate-extensions"] == {"c": "d"}
    for path in document["paths"].values():
        for one in path.values():
            assert one["x-restate-extensions"] == {"hh": "2"} and one["description"] == "Greets."


def state(it: World, service: str, key: str) -> dict[bytes, bytes]:
    owner = it.bench.state.objects.get(object_key(service, key))
    return {} if owner is None else dict(kv.pairs(it.bench.state, owner))


def test_state_too_large_for_one_record_is_refused(it: World) -> None:
    many = {"object_key": "a", "new_state": {f"{n}": [] for n in range(STATE_KEYS_MAX + 1)}}
    refused = it.ask("POST", "/services/Counter/state", many)
    assert refused.status == 413 and f"{STATE_KEYS_MAX} keys" in refused.json["message"]
    assert not it.engine.operations
    some = {"object_key": "a", "new_state": {f"k{n}": [65] * 5_000 for n in range(3)}}
    assert it.ask("POST", "/services/Counter/state", some).status == 202
    owner = it.bench.state.objects.get(object_key("Counter", "a"))
    assert owner is not None and (owner.state_count, owner.state_bytes) == (3, 15_006)
    owner.state_count = STATE_KEYS_MAX + 1
    guarded = {"object_key": "a", "new_state": {}, "version": "x"}
    refused = it.ask("POST", "/services/Counter/state", guarded)
    assert refused.status == 413 and "leave version out" in refused.json["message"]
    assert it.ask("POST", "/services/Counter/state", guarded | {"version": None}).status == 202
    assert state(it, "Counter", "a") == {}


def test_state_is_replaced_if_its_version_matches(it: World) -> None:
    first = {"object_key": "a", "new_state": {"name": list(b'"bob"'), "empty": []}}
    assert it.ask("POST", "/services/Counter/state", first).status == 202
    assert state(it, "Counter", "a") == {b"name": b'"bob"', b"empty": b""}
    token = state_version(state(it, "Counter", "a").items())
    wrong = {"object_key": "a", "new_state": {}, "version": "x"}
    assert it.ask("POST", "/services/Counter/state", wrong).status == 202
    assert len(state(it, "Counter", "a")) == 2  # dropped, silently
    number = it.ask("POST", "/services/Counter/state", {"object_key": "a", "new_state": {"n": 1}})
    assert number.status == 400 and '"1" or [49], not 1' in number.json["message"]
    right = {"object_key": "a", "new_state": {"n": [49]}, "version": token}
    assert it.ask("POST", "/services/Counter/state", right).status == 202
    assert state(it, "Counter", "a") == {b"n": b"1"}
    assert all(isinstance(one, PatchState) for one in it.engine.operations)


def test_state_may_be_given_as_text(it: World) -> None:
    body = {"object_key": "a", "new_state": {"name": '"bób"', "n": [49], "": ""}}
    assert it.ask("POST", "/services/Counter/state", body).status == 202
    assert state(it, "Counter", "a") == {b"name": '"bób"'.encode(), b"n": b"1", b"": b""}
    large = {"object_key": "b", "new_state": {"k": "x" * 200_000}}  # parsed in a process
    assert it.ask("POST", "/services/Counter/state", large).status == 202
    assert state(it, "Counter", "b") == {b"k": b"x" * 200_000}


@pytest.mark.parametrize(
    ("service", "body", "status"),
    [
        ("Greeter", {"object_key": "a", "new_state": {}}, 400),
        ("Nope", {"object_key": "a", "new_state": {}}, 404),
        ("Counter", {"new_state": {}}, 400),
        ("Counter", {"object_key": "a", "new_state": {"k": [256]}}, 400),
        ("Counter", {"object_key": "a", "new_state": {"k": ["text"]}}, 400),
        ("Counter", {"object_key": "a", "new_state": {"k": {"a": 1}}}, 400),
        ("Counter", {"object_key": "", "new_state": {"k": [1]}}, 400),
        ("Counter", {"object_key": "a" * 5000, "new_state": {}}, 400),
        ("Counter", {"object_key": "a", "new_state": {"k" * 5000: []}}, 400),
        ("Counter", {"object_key": "a", "new_state": {}, "scope": "s"}, 400),
        ("Counter", b'{"object_key":"a","new_state":{"k":"%b","k":""}}' % (b"x" * 200_000), 400),
        ("Counter", b"{", 400),
        ("Counter", b"[" * 100_000, 400),
    ],
)
def test_modifications_that_make_no_sense(
    it: World, service: str, body: object, status: int
) -> None:
    answer = it.ask("POST", f"/services/{service}/state", body)
    assert answer.status == status and answer.json["message"]
    assert not it.engine.operations


def test_a_state_over_the_limit() -> None:
    with world(AdminOptions(payload_bytes_max=10)) as made:
        made.register(URI)
        body = {"object_key": "a", "new_state": {"k": [0] * 10}}
        assert made.ask("POST", "/services/Counter/state", body).status == 413
