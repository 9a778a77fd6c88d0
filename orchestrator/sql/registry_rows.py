"""Rows of sys_service and sys_deployment, as JSON for the child; services with handlers' kinds."""

from collections.abc import Iterator

import orjson

from orchestrator.registry.schema import Registry, ServiceType

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
                "handlers": {one.name: one.kind for one in service.handlers.values()},
            }
        )


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
