"""The ingress topic and its subscription, made when they are missing; brokers are waited for."""

import asyncio
import contextlib
import logging
from typing import Final

from msgspec.structs import replace

from orchestrator.brokers.asking import NoFacts
from orchestrator.brokers.clusters import BrokerClusters
from orchestrator.brokers.starting import Decided, decide_starts
from orchestrator.config.options import NodeOptions
from orchestrator.model.lanes import LOG_CLUSTER
from orchestrator.model.operating import OperatingError
from orchestrator.node.topics import broker_client_config
from orchestrator.registry.apply_metadata import MetadataState
from orchestrator.registry.apply_topics import is_taken
from orchestrator.registry.errors import RegistryError
from orchestrator.registry.metadata import Metadata, MetadataUnavailable
from orchestrator.registry.records import SubscriptionCreated
from orchestrator.registry.stored_topics import StoredCluster, StoredSubscription, TopicsState
from orchestrator.registry.subscribe import MAX_IN_FLIGHT_DEFAULT
from orchestrator.runtime.clock import Clock
from orchestrator.runtime.entropy import Entropy, new_ulid
from perdure.wire.ids import subscription_id_to_str

PARTITIONS: Final = 8
TRY_AGAIN_S: Final = 5.0
_LOG = logging.getLogger("perdure.node")
_DELETED: Final = (
    "the ingress topic %s/%s is not read: its subscription was deleted. To read it again:"
    " perdure subscriptions create --ingress %s/%s"
)


class IngressTopicKeeper:
    """Once; what an operator deleted is made again by an operator only."""

    def __init__(
        self,
        options: NodeOptions,
        metadata: Metadata,
        brokers: BrokerClusters,
        clock: Clock,
        entropy: Entropy,
    ) -> None:
        self._options = options
        self._metadata = metadata
        self._brokers = brokers
        self._clock = clock
        self._entropy = entropy
        self._changed = asyncio.Event()  # the metadata

    async def run(self) -> None:
        place = ingress_place(self._options)
        if place is None:
            return
        if place in self._topics.ended_ingress:
            _LOG.info(_DELETED, *place, *place)
            return
        said = ""
        self._metadata.on_change(lambda registry: self._changed.set())
        while not self._is_settled(place):
            self._changed.clear()
            try:
                await self._make(*place)
                return
            except _TRY_AGAIN as error:
                if str(error) != said:
                    _LOG.warning("the ingress topic %s/%s: %s; trying again", *place, error)
                said = str(error)
            # At once when its broker cluster is registered: who produces first would have the
            # brokers make the topic, with as many partitions as they please.
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), TRY_AGAIN_S)

    @property
    def _topics(self) -> TopicsState:
        return self._metadata.registry.topics

    def _is_settled(self, place: tuple[str, str]) -> bool:
        topics = self._topics
        return topics.has_ingress(*place) or place in topics.ended_ingress

    async def _make(self, name: str, topic: str) -> None:
        cluster = self._topics.clusters.get(name)
        if cluster is None:
            raise _NotMade(f"there is no broker cluster {name}: perdure kafka-clusters create")
        await asyncio.to_thread(_make_topic, self._options, cluster, topic)
        decided = await decide_starts(self._brokers.facts(cluster), [topic], "earliest")
        made = self._subscription(name, topic, decided)

        def decide(state: MetadataState) -> tuple[SubscriptionCreated | None, None]:
            if self._is_settled((name, topic)):
                return None, None
            is_named = is_taken(state.topics, made.name)
            one = replace(made, name="") if is_named else made
            return SubscriptionCreated(state.version, one), None

        await self._metadata.change(decide)

    def _subscription(self, cluster: str, topic: str, decided: Decided) -> StoredSubscription:
        now_ms = self._clock.now_ms()
        return StoredSubscription(
            id=subscription_id_to_str(new_ulid(now_ms, self._entropy)),
            name="ingress",
            cluster=cluster,
            topics=(topic,),
            service="",
            handler="",
            max_in_flight=MAX_IN_FLIGHT_DEFAULT,
            starts=decided.starts,
            kafka_id=decided.kafka_id,
            created_at_ms=now_ms,
        )


class _NotMade(Exception):
    """Why the topic could not be made, for people."""


_TRY_AGAIN: Final = (
    NoFacts,
    OperatingError,
    RegistryError,
    MetadataUnavailable,
    OSError,
    _NotMade,
)


def ingress_place(options: NodeOptions) -> tuple[str, str] | None:
    """Broker cluster and topic, if there is to be one."""
    named = options.intake.ingress_topic
    if named is not None:
        cluster, _, topic = named.partition("/")
        return None if named == "none" else (cluster, topic)
    if options.log.kind == "kafka":
        return LOG_CLUSTER, f"{options.server.cluster}.ingress"
    return None


def _make_topic(options: NodeOptions, cluster: StoredCluster, topic: str) -> None:
    from orchestrator.brokers.kafka.making import make_topic

    config = broker_client_config(cluster.options, options.server.node)
    why_not = make_topic(config, topic, PARTITIONS, options.log.replication_factor or -1)
    if why_not:
        raise _NotMade(why_not)
