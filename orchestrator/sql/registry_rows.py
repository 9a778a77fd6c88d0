"""Rows of sys_service, with who can be called, sys_deployment, sys_subscription, and what goes
beside the rows of sys_source, as JSON for the child."""

from collections.abc import Iterator, Mapping

import orjson

from orchestrator.door.invocations import retention_of
from orchestrator.intake.views import SubscriptionViews, plain_view
from orchestrator.kafka.secrets import shown_options
from orchestrator.outbox.port import LaneView
from orchestrator.registry.schema import Handler, Registry, ServiceType
from orchestrator.registry.subscribe import sink_uri, source_uri
from orchestrator.sql.pipe import lane_key
from orchestrator.tables.port import Pair

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


def subscriptions(registry: Registry, views: SubscriptionViews) -> Iterator[bytes]:
    for one in registry.topics.subscriptions.values():
        view = views.get(one.id) or plain_view(one)
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
                "status": view.status,
                "reason": view.reason or None,
                "lag": view.lag,
                "created_at": one.created_at_ms,
            }
        )


def beside_sources(registry: Registry, views: SubscriptionViews) -> Iterator[Pair]:
    """What is in no row of a source, by the key of its row."""
    for known_as, view in views.items():
        subscription = registry.topics.subscriptions.get(known_as)
        name = known_as if subscription is None else subscription.name or known_as
        for one in view.sources:
            beside = {
                "subscription": name,
                "end": one.end,
                "lag": one.lag,
                "status": one.status,
                "reason": one.reason or None,
            }
            yield one.key, orjson.dumps(beside)


def beside_lanes(views: Mapping[tuple[int, int], LaneView]) -> Iterator[Pair]:
    """Since when rows of lanes wait, and why they cannot be sent now, by partition and lane."""
    for (partition, lane), view in views.items():
        beside = {"oldest": view.oldest_ms, "reason": view.reason or None}
        yield lane_key(partition, lane), orjson.dumps(beside)
