"""Manifests, discoveries and plans that several tests start from."""

from typing import Any

import msgspec

from orchestrator.registry.apply_metadata import MetadataState, apply_metadata
from orchestrator.registry.discovery import Discovered, DiscoveryTarget
from orchestrator.registry.manifest import decode_manifest
from orchestrator.registry.register import Plan, Registration, plan_registration
from orchestrator.registry.schema import Handler, Registry
from orchestrator.registry.snapshot import Defaults, build_registry

URI = "http://127.0.0.1:9080/"


def manifest(*services: dict[str, Any], **root: Any) -> dict[str, Any]:
    return {
        "protocolMode": "BIDI_STREAM",
        "minProtocolVersion": 5,
        "maxProtocolVersion": 7,
        "services": list(services),
    } | root


def service(name: str = "Greeter", ty: str = "SERVICE", **more: Any) -> dict[str, Any]:
    return {"name": name, "ty": ty, "handlers": [{"name": "greet"}]} | more


def discovered(*services: dict[str, Any], http_version: str = "2", **root: Any) -> Discovered:
    body = msgspec.json.encode(manifest(*services, **root))
    return Discovered(decode_manifest(body), "restate-sdk-python/1.3.0", http_version)


def plan(
    state: MetadataState,
    *services: dict[str, Any],
    uri: str = URI,
    new_id: str = "dp_1",
    routing_headers: frozenset[str] = frozenset(),
    headers: tuple[tuple[str, str], ...] = (),
    **flags: Any,
) -> Plan:
    request = Registration(DiscoveryTarget(uri, additional_headers=headers), **flags)
    found = discovered(*services)
    return plan_registration(state, request, found, routing_headers, lambda: new_id, 1000)


def registered(state: MetadataState, *services: dict[str, Any], **more: Any) -> Plan:
    """Plan a registration and apply it."""
    made = plan(state, *services, **more)
    assert made.record is not None and apply_metadata(state, made.record)
    return made


def built(*services: dict[str, Any], defaults: Defaults | None = None) -> Registry:
    state = MetadataState()
    registered(state, *services)
    return build_registry(state, defaults or Defaults())


def handler_of(registry: Registry, service_name: str = "Greeter", name: str = "greet") -> Handler:
    found = registry.handler(service_name, name)
    assert found is not None
    return found
