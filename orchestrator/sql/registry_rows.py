"""Rows of sys_service, with who can be called, sys_deployment and sys_subscription, as JSON for
the child."""

from collections.abc import Iterator

import orjson

from orchestrator.door.invocations import retention_of
from orchestrator.kafka.secrets import shown_options
from orchestrator.registry.schema import Handler, Registry, ServiceType
from orchestrator.registry.subscribe import sink_uri, source_uri, subscription_status

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


def subscriptions(registry: Registry) -> Iterator[bytes]:
    for one in registry.topics.subscriptions.values():
        yield orjson.dumps(
            {
                "id": one.id,
                "name": one.name or None,
                "cluster": one.cluster,
                "topics": one.topics,
                "source": source_uri(one),
                "sink": sink_uri(one),
                "target_service_name": one.service or None,
                "target_handler_name": one.handler or None,
                "options": orjson.dumps(shown_options(one.options)).decode(),
                "max_in_flight": one.max_in_flight,
                "dead_letter_failures": one.dead_letter_failures,
                "generation": one.generation,
                "status": subscription_status(one),
                "reason": one.reason or None,
                "created_at": one.created_at_ms,
            }
        )
