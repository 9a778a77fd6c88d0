"""From an endpoint manifest to services: what the declared types mean, and what is refused."""

import math
from collections.abc import Iterable
from typing import Any

import msgspec

from orchestrator.model.limits import NAME_BYTES_MAX
from orchestrator.model.values import (
    OBJECT_EXCLUSIVE,
    OBJECT_SHARED,
    SERVICE,
    THEN_KILL,
    THEN_PAUSE,
    WORKFLOW_RUN,
    WORKFLOW_SHARED,
)
from orchestrator.registry.errors import BAD_MANIFEST, RESERVED_NAME, RegistryError
from orchestrator.registry.manifest import (
    Manifest,
    ManifestHandler,
    ManifestInput,
    ManifestOutput,
    ManifestService,
)
from orchestrator.registry.stored import (
    ServiceType,
    Settings,
    StoredHandler,
    StoredInput,
    StoredOutput,
    StoredPairs,
    StoredService,
)

_TYPES = {
    "SERVICE": ServiceType.SERVICE,
    "VIRTUAL_OBJECT": ServiceType.OBJECT,
    "WORKFLOW": ServiceType.WORKFLOW,
}
# A run handler is declared as one: a handler of a workflow without a kind is shared.
_KINDS = {
    (ServiceType.SERVICE, None): SERVICE,
    (ServiceType.SERVICE, "SHARED"): SERVICE,
    (ServiceType.OBJECT, None): OBJECT_EXCLUSIVE,
    (ServiceType.OBJECT, "EXCLUSIVE"): OBJECT_EXCLUSIVE,
    (ServiceType.OBJECT, "SHARED"): OBJECT_SHARED,
    (ServiceType.WORKFLOW, None): WORKFLOW_SHARED,
    (ServiceType.WORKFLOW, "SHARED"): WORKFLOW_SHARED,
    (ServiceType.WORKFLOW, "WORKFLOW"): WORKFLOW_RUN,
}
_THEN = {None: None, "PAUSE": THEN_PAUSE, "KILL": THEN_KILL}
_SCHEMA_DEPTH_MAX = 100
HANDLERS_MAX = 10_000
"""Services and handlers of a deployment: working them out takes a tenth of a second, and is done
again at every start."""


def interpret(manifest: Manifest) -> tuple[StoredService, ...]:
    """The services of a manifest, their revisions still 0; RegistryError for what is wrong."""
    count = sum(len(service.handlers) for service in manifest.services) + len(manifest.services)
    if count > HANDLERS_MAX:
        raise _refused(
            f"the manifest names {count} services and handlers, more than {HANDLERS_MAX}"
        )
    _unique("service", (service.name for service in manifest.services))
    return tuple(_service(service) for service in manifest.services)


def _refused(message: str) -> RegistryError:
    return RegistryError(BAD_MANIFEST, message, status=400)


def _unique(what: str, names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise _refused(f"the manifest names the {what} {name!r} twice")
        if len(name) > NAME_BYTES_MAX:
            raise _refused(f"the {what} name {name[:64]!r}… is longer than {NAME_BYTES_MAX} bytes")
        seen.add(name)


def _service(given: ManifestService) -> StoredService:
    lower = given.name.lower()
    if lower.startswith("restate") or lower in ("openapi", "kafka"):
        raise RegistryError(
            RESERVED_NAME, f"the service name {given.name!r} is reserved: choose another one"
        )
    _unique(f"handler of {given.name}", (handler.name for handler in given.handlers))
    ty = _TYPES[given.ty]
    handlers = tuple(_handler(given, ty, handler) for handler in given.handlers)
    if sum(handler.kind == WORKFLOW_RUN for handler in handlers) > 1:
        raise _refused(f"the workflow {given.name!r} has more than one handler of type WORKFLOW")
    return StoredService(
        name=given.name,
        ty=ty,
        revision=0,
        handlers=handlers,
        public=not given.ingress_private,
        settings=_settings(given, None),
        documentation=given.documentation or "",
        metadata=_pairs(given.metadata),
    )


def _handler(service: ManifestService, ty: ServiceType, given: ManifestHandler) -> StoredHandler:
    place = f"{service.name}/{given.name}"
    kind = _KINDS.get((ty, given.ty))
    if kind is None:
        raise _refused(f"{place}: a {service.ty} has no handlers of type {given.ty}")
    if service.ingress_private and given.ingress_private is False:
        raise _refused(f"{place} cannot be public: its service is private")
    if kind == WORKFLOW_RUN and given.idempotency_retention is not None:
        raise _refused(f"{place}: a workflow's run has no idempotencyRetention")
    if kind != WORKFLOW_RUN and given.workflow_completion_retention is not None:
        raise _refused(f"{place}: only a workflow's run has a workflowCompletionRetention")
    return StoredHandler(
        name=given.name,
        kind=kind,
        public=None if given.ingress_private is None else not given.ingress_private,
        settings=_settings(given, given.workflow_completion_retention),
        input=_input(place, given.input),
        output=_output(place, given.output),
        documentation=given.documentation or "",
        metadata=_pairs(given.metadata),
    )


def _settings(
    given: ManifestService | ManifestHandler, workflow_retention_ms: int | None
) -> Settings:
    factor = given.retry_policy_exponentiation_factor
    if factor is not None and not (math.isfinite(factor) and factor > 0):
        raise _refused(f"{given.name}: retryPolicyExponentiationFactor must be above 0")
    return Settings(
        inactivity_timeout_ms=given.inactivity_timeout,
        abort_timeout_ms=given.abort_timeout,
        journal_retention_ms=given.journal_retention,
        idempotency_retention_ms=given.idempotency_retention,
        workflow_retention_ms=workflow_retention_ms,
        lazy_state=given.enable_lazy_state,
        retry_initial_interval_ms=given.retry_policy_initial_interval,
        retry_max_interval_ms=given.retry_policy_max_interval,
        retry_max_attempts=given.retry_policy_max_attempts,
        retry_factor=factor,
        retry_on_max_attempts=_THEN[given.retry_policy_on_max_attempts],
    )


def _pairs(given: dict[str, str] | None) -> StoredPairs:
    return tuple((given or {}).items())


def _input(place: str, given: ManifestInput | None) -> StoredInput | None:
    if given is None:
        return None
    return StoredInput(
        required=bool(given.required),
        content_type=_content_type(place, given.content_type),
        json_schema=_schema(f"{place}: the schema of its input", given.json_schema),
    )


def _output(place: str, given: ManifestOutput | None) -> StoredOutput | None:
    if given is None:
        return None
    return StoredOutput(
        content_type=_content_type(place, given.content_type),
        set_content_type_if_empty=bool(given.set_content_type_if_empty),
        json_schema=_schema(f"{place}: the schema of its output", given.json_schema),
    )


def _content_type(place: str, given: str | None) -> str:
    text = given or ""
    # It becomes a header of responses, so it may hold no line ends.
    if not text.isascii() or not text.isprintable() or (text and "/" not in text):
        raise _refused(f"{place}: {text!r} is not a content type")
    return text


def _schema(place: str, given: Any) -> str:
    if given is msgspec.UNSET or given is None:
        return ""
    if not isinstance(given, dict | bool):
        raise _refused(f"{place} is not a JSON schema: an object or a boolean is expected")
    _no_external_references(place, given, 0)
    return msgspec.json.encode(given).decode()


def _no_external_references(place: str, node: Any, depth: int) -> None:
    if depth > _SCHEMA_DEPTH_MAX:
        raise _refused(f"{place} is nested deeper than {_SCHEMA_DEPTH_MAX}")
    if isinstance(node, dict):
        reference = node.get("$ref")
        if isinstance(reference, str) and not reference.startswith("#"):
            raise _refused(f"{place} refers to another document, {reference!r}: bundle it")
    if isinstance(node, dict | list):
        for child in node.values() if isinstance(node, dict) else node:
            _no_external_references(place, child, depth + 1)
