"""Rows of sys_service, with who can be called, and of sys_deployment, as JSON for the child."""

from collections.abc import Iterator

import orjson

from orchestrator.door.invocations import retention_of
from orchestrator.registry.schema import Handler, Registry, ServiceType

_TY = {
    ServiceType.SERVICE: "service",
    ServiceType.OBJECT: "virtual_object",
    ServiceType.WORKFLOW: "workflow",
}


def services(registry: Registry) -> Iterator[bytes]:
    for service in registry.services.values():
        yield orjson.dumps(
            {
                "name": service.name,
                "revision": service.revision,
                "public": service.public,
                "ty": _TY[service.ty],
                "deployment_id": service.deployment_id,
                "handlers": {one.name: _callee(one) for one in service.handlers.values()},
            }
        )


def _callee(handler: Handler) -> list[object]:
    return [handler.kind, retention_of(handler, None), retention_of(handler, "")]


def deployments(registry: Registry) -> Iterator[bytes]:
    for deployment in registry.deployments.values():
        yield orjson.dumps(
            {
                "id": deployment.id,
                "ty": "http",
                "endpoint": deployment.uri,
                "created_at": deployment.created_at_ms,
                "min_service_protocol_version": deployment.min_protocol,
                "max_service_protocol_version": deployment.max_protocol,
                "services": sorted(deployment.services),
            }
        )
