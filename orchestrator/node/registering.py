"""What an embedded engine registers by itself: apps of its process, subscriptions of topics in
memory."""

from msgspec.structs import replace

from orchestrator.brokers.memory_broker import MemoryBroker
from orchestrator.brokers.starting import decide_starts
from orchestrator.exchanges.apps import SCHEME
from orchestrator.model.lanes import LOG_CLUSTER
from orchestrator.node.parts import Parts
from orchestrator.registry.apply_metadata import MetadataState
from orchestrator.registry.discovery import DiscoveryTarget
from orchestrator.registry.records import AnyMetadataRecord, SubscriptionCreated
from orchestrator.registry.register import Registration, plan_registration
from orchestrator.registry.stored import StoredDeployment
from orchestrator.registry.stored_topics import StoredSubscription
from orchestrator.registry.subscribe import (
    MAX_IN_FLIGHT_DEFAULT,
    check_free,
    check_sink,
    find_cluster,
)
from orchestrator.runtime.entropy import new_ulid
from perdure.wire.ids import deployment_id_to_str, subscription_id_to_str


async def register_app(parts: Parts, name: str) -> None:
    """Register the app of this name as it is now; nothing is changed if that is known already.

    Raises RegistryError.
    """
    target = DiscoveryTarget(f"{SCHEME}://{name}")
    discovered = await parts.discovery.discover(target)
    now_ms = parts.clock.now_ms()

    def new_id() -> str:
        return deployment_id_to_str(new_ulid(now_ms, parts.entropy))

    def decide(state: MetadataState) -> tuple[AnyMetadataRecord | None, None]:
        request = Registration(target, force=True)
        plan = plan_registration(state, request, discovered, frozenset(), new_id, now_ms)
        known = state.deployments.get(plan.deployment.id)
        is_same = known is not None and _unnumbered(known) == _unnumbered(plan.deployment)
        return None if is_same else plan.record, None

    await parts.metadata.change(decide)


def _unnumbered(deployment: StoredDeployment) -> StoredDeployment:
    services = tuple(replace(one, revision=0) for one in deployment.services)
    return replace(deployment, services=services)


async def subscribe(
    parts: Parts, broker: MemoryBroker, topic: str, service: str, handler: str
) -> None:
    """Have the records of a topic, from its beginning, invoke a handler; RegistryError for what
    is no handler."""
    check_sink(parts.metadata.registry, service, handler)
    broker.make(topic)
    cluster = find_cluster(parts.metadata.registry.topics, LOG_CLUSTER)
    decided = await decide_starts(parts.brokers.facts(cluster), [topic], "earliest")
    now_ms = parts.clock.now_ms()
    made = StoredSubscription(
        id=subscription_id_to_str(new_ulid(now_ms, parts.entropy)),
        name=f"{topic}-{service}-{handler}"[:100],
        cluster=LOG_CLUSTER,
        topics=(topic,),
        service=service,
        handler=handler,
        max_in_flight=MAX_IN_FLIGHT_DEFAULT,
        starts=decided.starts,
        kafka_id=decided.kafka_id,
        created_at_ms=now_ms,
    )

    def decide(state: MetadataState) -> tuple[AnyMetadataRecord | None, None]:
        check_free(state.topics, made.name)
        return SubscriptionCreated(state.version, made), None

    await parts.metadata.change(decide)
