"""What an endpoint answers before a handler runs: manifests, refusals, identity."""

import base64
import json
import time
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

import perdure
from orchestrator.registry.manifest import decode_manifest
from perdure.endpoint import Accepted, Answer, Endpoint
from perdure.errors import BadDefinition, Misuse
from perdure.identity import BadIdentity, Identity
from perdure.retry import Retry
from perdure.service import Object, Service, Workflow
from perdure.wire import media_type

KEY = "publickeyv1_AfQwmwfgEZhrWpvv8N52SHpRtZqGGaFr4AZN6qtYWSiY"
SECRET = base64.b64decode("MC4CAQAwBQYDK2VwBCIEIPe++4ZTPQDF81otpoU/mOGHC2vOAVp9WbiCblvn3nXO")[-32:]
INVOKE = {"content-type": media_type(7)}


def _endpoint(**options: Any) -> Endpoint:
    counter = Object("Counter", description="Counts.", metadata={"team": "a"}, lazy_state=True)

    @counter.handler(retry=Retry(timedelta(seconds=1), 2.0, max_attempts=4, on_exhausted="kill"))
    async def add(ctx: Any, delta: int) -> int:
        """Adds."""
        return delta

    @counter.shared(private=True)
    async def get(ctx: Any) -> bytes:
        return b""

    flow = Workflow("Flow", workflow_retention=timedelta(days=1))

    @flow.run(journal_retention=timedelta(seconds=2))
    async def go(ctx: Any, maybe: str | None) -> None: ...

    return Endpoint([counter, flow], **options)


def _discover(endpoint: Endpoint, accept: str) -> Answer:
    found = endpoint.answer("GET", "/a/prefix/discover", {"accept": accept}, "BIDI_STREAM")
    assert isinstance(found, Answer)
    return found


def test_the_manifest_is_one_that_the_server_reads() -> None:
    answer = _discover(_endpoint(), "application/vnd.restate.endpointmanifest.v4+json")
    assert answer.content_type == "application/vnd.restate.endpointmanifest.v4+json"
    read = decode_manifest(answer.body)
    assert (read.min_protocol_version, read.max_protocol_version) == (5, 7)
    counter, flow = read.services
    assert (counter.name, counter.ty, counter.documentation) == (
        "Counter",
        "VIRTUAL_OBJECT",
        "Counts.",
    )
    assert counter.enable_lazy_state and counter.metadata == {"team": "a"}
    add, get = counter.handlers
    assert (add.ty, get.ty) == ("EXCLUSIVE", "SHARED")
    assert add.documentation == "Adds."
    assert add.retry_policy_initial_interval == 1000 and add.retry_policy_max_attempts == 4
    assert add.retry_policy_on_max_attempts == "KILL"
    assert add.input is not None and add.input.required
    assert add.input.content_type == "application/json"
    assert add.input.json_schema == {"type": "integer"}
    assert get.ingress_private and get.input is not None and get.input.content_type is None
    assert get.output is not None and get.output.content_type == "application/octet-stream"
    (go,) = flow.handlers
    assert go.ty == "WORKFLOW" and go.workflow_completion_retention == 86_400_000
    assert go.journal_retention == 2000
    assert go.input is not None and not go.input.required


def test_an_app_says_what_its_services_do_not() -> None:
    greeter = Service("Greeter", inactivity_timeout=timedelta(seconds=7))
    counter, flow = Object("Counter"), Workflow("Flow", retry=Retry(max_attempts=9))
    brief = Workflow("Brief")
    for one in (greeter, counter, flow):
        one.handler(name="h")(lambda ctx: None)
    flow.run(name="go")(lambda ctx: None)
    brief.run(name="go", workflow_retention=timedelta(0))(lambda ctx: None)
    app = perdure.app(
        *(greeter, counter, flow, brief),
        inactivity_timeout=timedelta(seconds=5),
        retry=Retry(max_attempts=3),
        workflow_retention=timedelta(seconds=2),
        lazy_state=True,
    )
    accept = "application/vnd.restate.endpointmanifest.v4+json"
    read = decode_manifest(_discover(app.endpoint, accept).body).services
    assert [one.inactivity_timeout for one in read] == [7_000, 5_000, 5_000, 5_000]
    assert [one.retry_policy_max_attempts for one in read] == [3, 3, 9, 3]
    assert [bool(one.enable_lazy_state) for one in read] == [False, True, True, True]
    runs = [one for each in read for one in each.handlers if one.ty == "WORKFLOW"]
    assert [one.workflow_completion_retention for one in runs] == [2_000, 0]
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"private": True}, "private is for services"),
        ({"retries": 1}, "no option 'retries': did you mean 'retry'"),
        ({"retry": Retry(max_duration=timedelta(1))}, "app: max_duration is for steps"),
        ({"abort_timeout": 5}, r"app: abort_timeout is a timedelta, not 5 .*test_endpoint\.py"),
    ]
    for options, said in wrong:
        with pytest.raises(BadDefinition, match=said):
            perdure.app(greeter, **options)


def test_older_manifests_leave_out_what_they_cannot_say() -> None:
    for version, absent in ((3, "retryPolicy"), (2, "Retention"), (1, "documentation")):
        answer = _discover(_endpoint(), f"application/vnd.restate.endpointmanifest.v{version}+json")
        assert answer.content_type.endswith(f".v{version}+json")
        assert absent not in answer.body.decode()
        decode_manifest(answer.body)


def test_a_manifest_is_negotiated() -> None:
    many = ", ".join(f"application/vnd.restate.endpointmanifest.v{v}+json" for v in (1, 2, 3, 4))
    assert _discover(_endpoint(), many).content_type.endswith(".v4+json")
    assert _discover(_endpoint(), "").content_type.endswith(".v2+json")
    assert _discover(_endpoint(), "text/html").status == 415


@pytest.mark.parametrize(
    ("method", "path", "content_type", "status"),
    [
        ("POST", "/invoke/Nobody/add", media_type(6), 404),
        ("POST", "/invoke/Counter/nothing", media_type(6), 404),
        ("POST", "/somewhere", media_type(6), 404),
        ("POST", "/Counter/add", media_type(6), 404),
        ("GET", "/invoke/Counter/add", media_type(6), 405),
        ("POST", "/invoke/Counter/add", media_type(4), 415),
        ("POST", "/invoke/Counter/add", media_type(8), 415),
        ("POST", "/invoke/Counter/add", "", 415),
        ("POST", "/discover", "", 405),
        ("GET", "/health", "", 200),
    ],
)
def test_what_cannot_be_run_has_its_status(
    method: str, path: str, content_type: str, status: int
) -> None:
    found = _endpoint().answer(method, path, {"content-type": content_type}, "BIDI_STREAM")
    assert isinstance(found, Answer) and found.status == status


def test_a_handler_is_found_under_any_prefix() -> None:
    endpoint = _endpoint()
    for path in ("/invoke/Counter/add", "/x/y/invoke/Counter/add", "/invoke/Counter/%61dd"):
        found = endpoint.answer("POST", path, {"content-type": media_type(5)}, "BIDI_STREAM")
        assert isinstance(found, Accepted)
        assert (found.handler.name, found.version) == ("add", 5)


def test_two_services_of_one_name_are_refused() -> None:
    services = []
    for _ in range(2):
        service = Service("Same")
        service.handler(name="h")(lambda ctx: None)
        services.append(service)
    with pytest.raises(BadDefinition, match=r"two services are called 'Same'; the other is at .*:"):
        Endpoint(services)
    assert list(Endpoint([services[0], services[0]]).services) == ["Same"]
    with pytest.raises(BadDefinition, match="serves nothing"):
        perdure.app()


def _token(path: str, now_s: float, key: Ed25519PrivateKey, kid: str = KEY) -> dict[str, str]:
    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    claims = {"aud": path, "iat": now_s, "nbf": now_s - 60, "exp": now_s + 60}
    signed = part({"alg": "EdDSA", "typ": "JWT", "kid": kid}) + "." + part(claims)
    signature = base64.urlsafe_b64encode(key.sign(signed.encode())).decode().rstrip("=")
    return {"x-restate-signature-scheme": "v1", "x-restate-jwt-v1": f"{signed}.{signature}"}


def test_requests_are_signed_for_their_path_and_time() -> None:
    key = Ed25519PrivateKey.from_private_bytes(SECRET)
    now_s = 1000.0
    identity = Identity([KEY], lambda: now_s)
    good = _token("/discover", now_s, key)
    identity.check(good, "/discover")
    identity.check(good, "/discover")
    other = Ed25519PrivateKey.generate()
    for headers, path in (
        ({}, "/discover"),
        ({"x-restate-signature-scheme": "unsigned"}, "/discover"),
        ({"x-restate-signature-scheme": "v1"}, "/discover"),
        ({**good, "x-restate-jwt-v1": "a.b.c"}, "/discover"),
        ({**good, "x-restate-jwt-v1": "é"}, "/discover"),
        (good, "/invoke/a/b"),
        (_token("/discover", now_s, other), "/discover"),
        (_token("/discover", now_s, key, kid="other"), "/discover"),
        (_token("/discover", now_s + 100, key), "/discover"),
        (_token("/discover", now_s - 100, key), "/discover"),
    ):
        with pytest.raises(BadIdentity):
            identity.check(headers, path)
    now_s = 1060.0  # a token that was good expires
    with pytest.raises(BadIdentity, match="expired"):
        identity.check(good, "/discover")
    for bad in ("publickeyv1_abc", "abc", KEY.replace("A", "0")):
        with pytest.raises(Misuse, match="is no public key"):
            Identity([bad])


def test_an_endpoint_with_keys_refuses_strangers() -> None:
    endpoint = _endpoint(identity_keys=[KEY])
    key = Ed25519PrivateKey.from_private_bytes(SECRET)
    for path, method in (("/discover", "GET"), ("/invoke/Counter/add", "POST")):
        found = endpoint.answer(method, "/p" + path, INVOKE, "BIDI_STREAM")
        assert isinstance(found, Answer) and found.status == 401
        signed = {**INVOKE, **_token(path, time.time(), key)}
        found = endpoint.answer(method, "/p" + path, signed, "BIDI_STREAM")
        assert not isinstance(found, Answer) or found.status == 200
    health = endpoint.answer("GET", "/health", {}, "BIDI_STREAM")
    assert isinstance(health, Answer) and msgspec.json.decode(health.body) == {"status": "ok"}
