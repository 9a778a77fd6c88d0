"""Manifests: what is read, and that a lie is refused with its place."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.model.values import (
    OBJECT_EXCLUSIVE,
    OBJECT_SHARED,
    SERVICE,
    THEN_KILL,
    WORKFLOW_RUN,
    WORKFLOW_SHARED,
)
from orchestrator.registry.errors import RegistryError
from orchestrator.registry.interpret import HANDLERS_MAX, interpret
from orchestrator.registry.manifest import Manifest, decode_manifest
from orchestrator.registry.stored import ServiceType, StoredInput
from tests.unit.registry.samples import manifest, service


def read(value: Any) -> Manifest:
    return decode_manifest(msgspec.json.encode(value))


def test_everything_a_version_4_manifest_may_say() -> None:
    options: dict[str, Any] = {
        "documentation": "d",
        "metadata": {"a": "b"},
        "inactivityTimeout": 1,
        "abortTimeout": 2,
        "journalRetention": 3,
        "idempotencyRetention": 4,
        "enableLazyState": True,
        "ingressPrivate": True,
        "retryPolicyInitialInterval": 5,
        "retryPolicyMaxInterval": 6,
        "retryPolicyMaxAttempts": 7,
        "retryPolicyExponentiationFactor": 1.5,
        "retryPolicyOnMaxAttempts": "KILL",
    }
    handler = {
        "name": "greet",
        "ty": "SHARED",
        "input": {"required": True, "contentType": "text/*", "jsonSchema": {"type": "string"}},
        "output": {"contentType": "text/plain", "setContentTypeIfEmpty": True},
    }
    body = manifest(service(handlers=[handler | options], **options), lambdaCompression="zstd")
    (found,) = interpret(read(body))
    assert found.ty == ServiceType.SERVICE and not found.public and found.documentation == "d"
    (greet,) = found.handlers
    assert greet.settings == found.settings
    assert greet.settings.retry_on_max_attempts == THEN_KILL
    assert greet.settings.retry_factor == 1.5 and greet.settings.lazy_state is True
    assert greet.input == StoredInput(True, "text/*", '{"type":"string"}')
    assert greet.metadata == (("a", "b"),)


@pytest.mark.parametrize(
    ("service_ty", "handler_ty", "kind"),
    [
        ("SERVICE", None, SERVICE),
        ("SERVICE", "SHARED", SERVICE),
        ("VIRTUAL_OBJECT", None, OBJECT_EXCLUSIVE),
        ("VIRTUAL_OBJECT", "EXCLUSIVE", OBJECT_EXCLUSIVE),
        ("VIRTUAL_OBJECT", "SHARED", OBJECT_SHARED),
        ("WORKFLOW", None, WORKFLOW_SHARED),
        ("WORKFLOW", "SHARED", WORKFLOW_SHARED),
        ("WORKFLOW", "WORKFLOW", WORKFLOW_RUN),
    ],
)
def test_kinds(service_ty: str, handler_ty: str | None, kind: int) -> None:
    body = manifest(service(ty=service_ty, handlers=[{"name": "h", "ty": handler_ty}]))
    assert interpret(read(body))[0].handlers[0].kind == kind


@pytest.mark.parametrize(
    ("body", "place"),
    [
        (b"", "not valid"),
        (b"[]", "not valid"),
        (b"\xff", "not valid"),
        (b"[" * 100_000, "not valid"),
        (msgspec.json.encode(manifest(surplus=1)), "surplus"),
        (msgspec.json.encode(manifest(protocolMode=None)), "protocolMode"),
        (msgspec.json.encode(manifest(minProtocolVersion=0)), "minProtocolVersion"),
        (msgspec.json.encode(manifest(maxProtocolVersion=2**31)), "maxProtocolVersion"),
        (msgspec.json.encode(manifest(service(name="9x"))), "services"),
        (msgspec.json.encode(manifest(service(name="x\n"))), "services"),
        (msgspec.json.encode(manifest(service(eagerStateKeysWhitelist=[]))), "eagerState"),
        (msgspec.json.encode(manifest(service(handlers=[{"name": "a.b"}]))), "handlers"),
        (msgspec.json.encode(manifest(service(inactivityTimeout=-1))), "inactivityTimeout"),
    ],
)
def test_a_body_that_is_no_manifest(body: bytes, place: str) -> None:
    with pytest.raises(RegistryError) as caught:
        decode_manifest(body)
    assert caught.value.code == "META0013" and place in caught.value.message


@pytest.mark.parametrize(
    ("given", "code"),
    [
        (service(name="restateThing"), "META0005"),
        (service(name="ReState"), "META0005"),
        (service(name="OpenAPI"), "META0005"),
        (service(name="x" * 600), "META0013"),
        (service(handlers=[{"name": "h"}, {"name": "h"}]), "META0013"),
        (service(handlers=[{"name": "h", "ty": "EXCLUSIVE"}]), "META0013"),
        (service(ty="WORKFLOW", handlers=[{"name": "h", "ty": "EXCLUSIVE"}]), "META0013"),
        (service(ingressPrivate=True, handlers=[{"name": "h", "ingressPrivate": False}]),
         "META0013"),
        (service(ty="WORKFLOW",
                 handlers=[{"name": "h", "ty": "WORKFLOW", "idempotencyRetention": 1}]),
         "META0013"),
        (service(handlers=[{"name": "h", "workflowCompletionRetention": 1}]), "META0013"),
        (service(ty="WORKFLOW",
                 handlers=[{"name": n, "ty": "WORKFLOW"} for n in ("a", "b")]), "META0013"),
        (service(retryPolicyExponentiationFactor=0), "META0013"),
        (service(handlers=[{"name": "h", "input": {"jsonSchema": 1}}]), "META0013"),
        (service(handlers=[{"name": "h", "input": {
            "jsonSchema": {"items": [{"$ref": "http://elsewhere/x"}]}}}]), "META0013"),
        (service(handlers=[{"name": "h", "output": {"contentType": "a/b\r\nx: y"}}]), "META0013"),
        (service(handlers=[{"name": "h", "output": {"contentType": "text"}}]), "META0013"),
    ],
)  # fmt: skip
def test_a_manifest_that_cannot_be_served(given: dict[str, Any], code: str) -> None:
    with pytest.raises(RegistryError) as caught:
        interpret(read(manifest(given)))
    assert caught.value.code == code and caught.value.status == 400


def test_a_manifest_has_a_limit() -> None:
    """What is registered is worked out at every start, too: that must not take for ever."""
    handlers = [{"name": f"h{number}"} for number in range(HANDLERS_MAX - 1)]
    assert interpret(read(manifest(service(handlers=handlers))))
    with pytest.raises(RegistryError, match="10001 services and handlers") as caught:
        interpret(read(manifest(service(handlers=handlers), service("Other", handlers=[]))))
    assert caught.value.code == "META0013" and caught.value.status == 400


def test_two_services_of_one_name() -> None:
    with pytest.raises(RegistryError, match="twice"):
        interpret(read(manifest(service(), service())))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 2**40) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.fixed_dictionaries(
        {"name": st.just("Greeter"), "ty": st.sampled_from(["SERVICE", "WORKFLOW"])},
        optional={"handlers": JSON, "metadata": JSON, "retryPolicyMaxAttempts": JSON},
    ),
    JSON,
)
def test_any_json_is_read_or_refused(first: dict[str, Any], second: Any) -> None:
    try:
        interpret(read(manifest(first, second)))
    except RegistryError as error:
        assert error.message
