"""How deployments, services and handlers are shown: the JSON of the admin API."""

from datetime import UTC, datetime
from typing import Any

import msgspec

from orchestrator.model.durations import format_duration
from orchestrator.model.values import (
    OBJECT_EXCLUSIVE,
    OBJECT_SHARED,
    SERVICE,
    THEN_KILL,
    WORKFLOW_RUN,
    WORKFLOW_SHARED,
)
from orchestrator.registry.schema import (
    Deployment,
    Handler,
    RetryPolicy,
    Service,
    ServiceType,
)
from orchestrator.registry.stored import SERVICE_TYPES, Settings
from orchestrator.runtime.kinds import HIDDEN

JsonView = dict[str, Any]

_HANDLER_TYPES = {
    SERVICE: None,
    OBJECT_EXCLUSIVE: "Exclusive",
    OBJECT_SHARED: "Shared",
    WORKFLOW_RUN: "Workflow",
    WORKFLOW_SHARED: "Shared",
}


def timestamp(at_ms: int) -> str:
    """RFC 3339 in UTC, with milliseconds."""
    moment = datetime.fromtimestamp(at_ms / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def deployment_view(deployment: Deployment, services: list[JsonView]) -> JsonView:
    """A deployment; `services` are short in a listing, whole in the detail."""
    view: JsonView = {"id": deployment.id, **_address(deployment)}
    if deployment.additional_headers:
        # Any of them may let in whoever knows it.
        view["additional_headers"] = {name: HIDDEN for name, _ in deployment.additional_headers}
    if deployment.metadata:
        view["metadata"] = dict(deployment.metadata)
    view |= {
        "created_at": timestamp(deployment.created_at_ms),
        "min_protocol_version": deployment.min_protocol,
        "max_protocol_version": deployment.max_protocol,
    }
    if deployment.sdk_version:
        view["sdk_version"] = deployment.sdk_version
    return view | {"services": services}


def _address(deployment: Deployment) -> JsonView:
    """Of a function of AWS Lambda, or of an endpoint that speaks HTTP."""
    if deployment.uri.startswith("arn:"):
        stored = deployment.stored
        said = {"assume_role_arn": stored.assume_role, "compression": stored.compression}
        return {"arn": stored.uri, **{name: value for name, value in said.items() if value}}
    return {
        "uri": deployment.uri,
        "protocol_type": "BidiStream" if deployment.bidi else "RequestResponse",
        "http_version": "HTTP/1.1" if deployment.http1 else "HTTP/2.0",
    }


def short_services(deployment: Deployment) -> list[JsonView]:
    return [
        {"name": service.name, "revision": service.revision}
        for service in deployment.services.values()
    ]


def service_views(deployment: Deployment) -> list[JsonView]:
    return [service_view(service) for service in deployment.services.values()]


def service_view(service: Service) -> JsonView:
    """ServiceMetadata: options with every default resolved."""
    view: JsonView = {
        "name": service.name,
        "ty": SERVICE_TYPES[service.ty],
        "handlers": [handler_view(one) for one in service.handlers.values()],
        **_described(service.stored.documentation, service.stored.metadata),
        "deployment_id": service.deployment_id,
        "revision": service.revision,
        "public": service.public,
        "idempotency_retention": format_duration(service.idempotency_retention_ms),
    }
    if service.ty == ServiceType.WORKFLOW:
        view["workflow_completion_retention"] = format_duration(_workflow_retention_ms(service))
    return view | {
        "journal_retention": format_duration(service.journal_retention_ms),
        "inactivity_timeout": format_duration(service.inactivity_timeout_ms),
        "abort_timeout": format_duration(service.abort_timeout_ms),
        "enable_lazy_state": service.lazy_state,
        "retry_policy": _retry_view(service.retry),
    }


def _workflow_retention_ms(service: Service) -> int:
    runs = [one for one in service.handlers.values() if one.kind == WORKFLOW_RUN]
    return runs[0].workflow_retention_ms if runs else service.workflow_retention_ms


def handler_view(handler: Handler) -> JsonView:
    """HandlerMetadata: options only where the handler sets them itself."""
    stored = handler.stored
    view: JsonView = {"name": handler.name}
    ty = _HANDLER_TYPES[handler.kind]
    if ty is not None:
        view["ty"] = ty
    view |= _described(stored.documentation, stored.metadata)
    view |= _own_settings(stored.settings)
    view |= {
        "public": handler.public,
        "input_description": describe_input(handler),
        "output_description": describe_output(handler),
    }
    if stored.input is not None and stored.input.json_schema:
        view["input_json_schema"] = json_of(stored.input.json_schema)
    if stored.output is not None and stored.output.json_schema:
        view["output_json_schema"] = json_of(stored.output.json_schema)
    return view | {"retry_policy": _own_retry(stored.settings)}


def json_of(text: str) -> Any:
    """A schema as it was declared."""
    return msgspec.json.decode(text)


def _described(documentation: str, metadata: tuple[tuple[str, str], ...]) -> JsonView:
    view: JsonView = {}
    if documentation:
        view["documentation"] = documentation
    if metadata:
        view["metadata"] = dict(metadata)
    return view


def _own_settings(settings: Settings) -> JsonView:
    view: JsonView = {
        "idempotency_retention": settings.idempotency_retention_ms,
        "workflow_completion_retention": settings.workflow_retention_ms,
        "journal_retention": settings.journal_retention_ms,
        "inactivity_timeout": settings.inactivity_timeout_ms,
        "abort_timeout": settings.abort_timeout_ms,
    }
    view = {name: format_duration(value) for name, value in view.items() if value is not None}
    if settings.lazy_state is not None:
        view["enable_lazy_state"] = settings.lazy_state
    return view


def _own_retry(settings: Settings) -> JsonView:
    view: JsonView = {}
    if settings.retry_initial_interval_ms is not None:
        view["initial_interval"] = format_duration(settings.retry_initial_interval_ms)
    if settings.retry_factor is not None:
        view["exponentiation_factor"] = settings.retry_factor
    if settings.retry_max_attempts is not None:
        view["max_attempts"] = settings.retry_max_attempts
    if settings.retry_max_interval_ms is not None:
        view["max_interval"] = format_duration(settings.retry_max_interval_ms)
    if settings.retry_on_max_attempts is not None:
        view["on_max_attempts"] = _then(settings.retry_on_max_attempts)
    return view


def _retry_view(retry: RetryPolicy) -> JsonView:
    view: JsonView = {
        "initial_interval": format_duration(retry.initial_interval_ms),
        "exponentiation_factor": retry.factor,
    }
    if retry.max_attempts is not None:
        view["max_attempts"] = retry.max_attempts
    return view | {
        "max_interval": format_duration(retry.max_interval_ms),
        "on_max_attempts": _then(retry.on_max_attempts),
    }


def _then(number: int) -> str:
    return "Kill" if number == THEN_KILL else "Pause"


def describe_input(handler: Handler) -> str:
    """What a handler takes, for people."""
    declared = handler.stored.input
    if handler.input.anything:
        return "*/*"
    schema = "" if declared is None else declared.json_schema
    return _described_schema(schema) or handler.input.content_type or "none"


def describe_output(handler: Handler) -> str:
    """What a handler returns, for people."""
    declared, rules = handler.stored.output, handler.output
    if not rules.content_type:
        return "none"
    schema = "" if declared is None else declared.json_schema
    optional = "optional " if rules.set_content_type_if_empty else ""
    return _described_schema(schema) or optional + rules.content_type


def _described_schema(text: str) -> str:
    """The title of a schema, else its type; "" if it has neither."""
    schema = json_of(text) if text else None
    if not isinstance(schema, dict):
        return ""
    if isinstance(title := schema.get("title"), str):
        return f"JSON '{title}'"
    return f"JSON {kind}" if isinstance(kind := schema.get("type"), str) else ""
