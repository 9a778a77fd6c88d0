"""Decide what a registration changes: pure, from the state seen, a request and a discovery.

A deployment is known by its URI and by those of its headers that route (`routing_headers`).
"""

import enum
from collections.abc import Callable
from typing import Final

import msgspec

from orchestrator.registry.addresses import routing_key
from orchestrator.registry.apply_metadata import MetadataState
from orchestrator.registry.discovery import Discovered, DiscoveryTarget
from orchestrator.registry.errors import (
    BREAKING_CHANGE,
    DUPLICATE_URI,
    INCOMPATIBLE_PROTOCOL,
    NO_BIDI,
    TOO_DIFFERENT,
    RegistryError,
)
from orchestrator.registry.interpret import interpret
from orchestrator.registry.records import (
    AnyMetadataRecord,
    DeploymentMoved,
    DeploymentOverwritten,
    DeploymentRegistered,
)
from orchestrator.registry.stored import (
    SERVICE_TYPES,
    ServiceType,
    StoredDeployment,
    StoredHandler,
    StoredPairs,
    StoredService,
)
from perdure.wire import versions

PROTOCOL_MIN: Final = versions.VERSION_MIN
PROTOCOL_MAX: Final = versions.VERSION_MAX


class RegistrationOutcome(enum.Enum):
    """What became of a registration."""

    CREATED = "created"
    UNCHANGED = "unchanged"
    OVERWRITTEN = "overwritten"


class Registration(msgspec.Struct, frozen=True):
    """What was asked for."""

    target: DiscoveryTarget
    metadata: StoredPairs = ()
    force: bool = False
    breaking: bool = False


class Plan(msgspec.Struct, frozen=True):
    """What would change; without a record nothing."""

    outcome: RegistrationOutcome
    deployment: StoredDeployment
    record: AnyMetadataRecord | None


def existing(
    state: MetadataState, target: DiscoveryTarget, routing_headers: frozenset[str]
) -> StoredDeployment | None:
    """The deployment registered at this address, if there is one."""
    wanted = routing_key(target.uri, target.additional_headers, routing_headers)
    for one in state.deployments.values():
        if routing_key(one.uri, one.additional_headers, routing_headers) == wanted:
            return one
    return None


def plan_registration(
    state: MetadataState,
    request: Registration,
    discovered: Discovered,
    routing_headers: frozenset[str],
    new_id: Callable[[], str],
    now_ms: int,
) -> Plan:
    """Register, overwrite (with force), or leave alone what is registered at that address."""
    known = existing(state, request.target, routing_headers)
    if known is not None and not request.force:
        return Plan(RegistrationOutcome.UNCHANGED, known, None)
    check_protocol(discovered)
    services = _numbered(state, interpret(discovered.manifest))
    if not (request.breaking or request.force):
        _check_types(state, services)
    deployment = _deployment(
        new_id() if known is None else known.id,
        request.target,
        request.metadata,
        discovered,
        services,
        now_ms if known is None else known.created_at_ms,
    )
    if known is None:
        return Plan(
            RegistrationOutcome.CREATED, deployment, DeploymentRegistered(state.version, deployment)
        )
    return Plan(
        RegistrationOutcome.OVERWRITTEN,
        deployment,
        DeploymentOverwritten(state.version, deployment),
    )


def plan_move(
    state: MetadataState,
    known: StoredDeployment,
    target: DiscoveryTarget,
    overwrite: bool,
    discovered: Discovered,
    routing_headers: frozenset[str],
) -> Plan:
    """Give a deployment another address; with `overwrite` the services found there, too."""
    other = existing(state, target, routing_headers)
    if other is not None and other.id != known.id:
        raise RegistryError(
            DUPLICATE_URI, f"{target.uri} is the address of deployment {other.id} already"
        )
    check_protocol(discovered)
    found = interpret(discovered.manifest)
    _check_same(known, found, overwrite)
    services = _numbered(state, found) if overwrite else known.services
    deployment = _deployment(
        known.id, target, known.metadata, discovered, services, known.created_at_ms
    )
    record = DeploymentOverwritten if overwrite else DeploymentMoved
    return Plan(RegistrationOutcome.OVERWRITTEN, deployment, record(state.version, deployment))


def check_protocol(discovered: Discovered) -> None:
    """Refuse an endpoint that this server cannot speak to."""
    manifest = discovered.manifest
    low, high = manifest.min_protocol_version, manifest.max_protocol_version
    if low > high:
        raise RegistryError(
            INCOMPATIBLE_PROTOCOL,
            f"the endpoint says it speaks service protocol {low} to {high}, which is no range",
        )
    if low > PROTOCOL_MAX or high < PROTOCOL_MIN:
        raise RegistryError(
            INCOMPATIBLE_PROTOCOL,
            f"the endpoint speaks service protocol {low} to {high}, this server {PROTOCOL_MIN}"
            f" to {PROTOCOL_MAX}: use another version of the SDK",
        )
    if manifest.protocol_mode == "BIDI_STREAM" and discovered.http_version == "1.0":
        raise RegistryError(
            NO_BIDI,
            "the endpoint wants bidirectional streams but answered over HTTP/1.0, which has none:"
            " serve HTTP/2 or set the SDK's protocol mode to request/response",
            status=400,
        )


def _check_types(state: MetadataState, services: tuple[StoredService, ...]) -> None:
    for service in services:
        latest = _latest(state, service.name)
        if latest is not None and latest.ty != service.ty:
            was, now = SERVICE_TYPES[ServiceType(latest.ty)], SERVICE_TYPES[ServiceType(service.ty)]
            raise RegistryError(
                BREAKING_CHANGE,
                f"service {service.name!r} would change its type from {was} to {now}:"
                " give it another name, or register with breaking or force",
            )


def _latest(state: MetadataState, name: str) -> StoredService | None:
    deployment = state.deployments.get(state.latest.get(name, ""))
    services = () if deployment is None else deployment.services
    return next((one for one in services if one.name == name), None)


def _numbered(
    state: MetadataState, services: tuple[StoredService, ...]
) -> tuple[StoredService, ...]:
    return tuple(
        msgspec.structs.replace(one, revision=state.revisions.get(one.name, 0) + 1)
        for one in services
    )


def _deployment(
    deployment_id: str,
    target: DiscoveryTarget,
    metadata: StoredPairs,
    discovered: Discovered,
    services: tuple[StoredService, ...],
    created_at_ms: int,
) -> StoredDeployment:
    manifest = discovered.manifest
    return StoredDeployment(
        id=deployment_id,
        uri=target.uri,
        http1=target.http1,
        bidi=manifest.protocol_mode == "BIDI_STREAM",
        min_protocol=manifest.min_protocol_version,
        max_protocol=manifest.max_protocol_version,
        additional_headers=target.additional_headers,
        metadata=metadata,
        created_at_ms=created_at_ms,
        sdk_version=discovered.sdk_version,
        services=services,
        assume_role=target.assume_role,
        compression=manifest.lambda_compression or "",
    )


def _check_same(known: StoredDeployment, found: tuple[StoredService, ...], overwrite: bool) -> None:
    """What runs on the deployment must find its handlers at the new address, of the same kind."""
    by_name = {service.name: service for service in found}
    for service in known.services:
        there = by_name.get(service.name)
        if there is None or there.ty != service.ty:
            if there is None and overwrite:
                continue
            raise RegistryError(
                TOO_DIFFERENT, f"there is no service {service.name!r} of the same type there"
            )
        kinds = {handler.name: handler.kind for handler in there.handlers}
        missing = [one.name for one in service.handlers if not _has(kinds, one, overwrite)]
        if missing:
            raise RegistryError(
                TOO_DIFFERENT,
                f"{service.name!r} there has no handler {', '.join(missing)} of the same type",
            )


def _has(kinds: dict[str, int], handler: StoredHandler, overwrite: bool) -> bool:
    kind = kinds.get(handler.name)
    return kind == handler.kind or (kind is None and overwrite)
