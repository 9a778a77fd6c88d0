"""Routes of the public feeds: which are on, and their switches."""

from orchestrator.admin.broker_views import feeds_view
from orchestrator.admin.errors import AdminError, some_of
from orchestrator.admin.kafka_clusters import no_facts
from orchestrator.admin.ports import Ports
from orchestrator.admin.routing import AdminRoutes
from orchestrator.admin.topic_answers import FeedsResponse
from orchestrator.admin.views import JsonView
from orchestrator.brokers.asking import NoFacts, made_topic, topics_of
from orchestrator.brokers.facts_port import NOT_MADE, RIGHTS
from orchestrator.intake.feeds import feed_cluster
from orchestrator.model.own_topics import (
    PUBLIC_PARTITIONS,
    events_topic,
    public_config,
    state_topic,
)
from orchestrator.registry.apply_metadata import MetadataState
from orchestrator.registry.errors import NO_CLUSTER, NO_FEED, RegistryError
from orchestrator.registry.records import AnyMetadataRecord, FeedsSwitched
from orchestrator.registry.schema import ServiceType

OURS = "/perdure/v1/feeds"


def router(ports: Ports) -> AdminRoutes:
    routes = AdminRoutes("feed")

    @routes.get(OURS, id="get_feeds", answer=FeedsResponse)
    async def show() -> JsonView:
        """The feeds that are on."""
        return feeds_view(ports.metadata.known().topics)

    @routes.put(OURS + "/events", id="start_event_feed", answer=FeedsResponse)
    async def events_on(force: bool = False) -> JsonView:
        """Publish the life of every invocation."""
        await _ensure_topic(ports, events_topic(ports.options.cluster_name), force)
        return await _switch(ports, events=True)

    @routes.delete(OURS + "/events", id="stop_event_feed", answer=FeedsResponse)
    async def events_off() -> JsonView:
        """Publish no more of it."""
        return await _switch(ports, events=False)

    @routes.put(OURS + "/state/{service}", id="start_state_feed", answer=FeedsResponse)
    async def state_on(service: str, force: bool = False) -> JsonView:
        """Publish every change of the state of a service, and first what there is."""
        _check_has_state(ports, service)
        topic = state_topic(ports.options.cluster_name, service)
        await _ensure_topic(ports, topic, force)
        return await _switch(ports, add=service)

    @routes.delete(OURS + "/state/{service}", id="stop_state_feed", answer=FeedsResponse)
    async def state_off(service: str) -> JsonView:
        """Publish no more of it."""
        if service not in ports.metadata.known().topics.state_feeds:
            raise AdminError(
                404, f"the feed of the state of {service!r} is not on: perdure feeds list", NO_FEED
            )
        return await _switch(ports, drop=service)

    return routes


async def _ensure_topic(ports: Ports, topic: str, force: bool) -> None:
    """Make the topic if it is missing. For other settings, create it before."""
    topics = ports.metadata.known().topics
    name = feed_cluster(topics)
    if not name:
        clusters = sorted(topics.clusters)
        which = f"here are {some_of(clusters)}" if clusters else "perdure kafka-clusters create"
        raise RegistryError(
            NO_CLUSTER,
            "feeds are published to the brokers of the log, or to the only Kafka cluster that is"
            f" known: {which}{'' if clusters else ' makes one known'}",
            400,
        )
    facts = ports.brokers.facts(topics.clusters[name])
    settings = public_config(ports.options.cluster_name, topic)
    assert settings is not None, "feeds have topics of their own"
    try:
        if topic not in (await topics_of(facts, [topic])).topics:
            await made_topic(facts, topic, PUBLIC_PARTITIONS, settings)
    except NoFacts as no:
        trouble = no.trouble
        if force and (trouble.passes or trouble.code in (NOT_MADE, RIGHTS)):
            return  # it is asked for again with each event
        if trouble.code not in (NOT_MADE, RIGHTS):
            raise no_facts(name, no) from None
        config = "".join(f" --config {key}={value}" for key, value in settings.items())
        raise AdminError(
            400,
            f"the Kafka cluster {name!r} has no topic {topic} that can be used"
            f" ({trouble.message}): make it: kafka-topics.sh --bootstrap-server HOST:PORT"
            f" --create --topic {topic}"
            f" --partitions {PUBLIC_PARTITIONS}{config}",
            trouble.code,
        ) from None


def _check_has_state(ports: Ports, name: str) -> None:
    service = ports.metadata.known().service(name)
    if service is None:
        raise AdminError(
            404, f"there is no service {name!r}: register its deployment first", NO_FEED
        )
    if service.ty == ServiceType.SERVICE:
        raise AdminError(400, f"{name!r} is a plain service: it has no state to publish", NO_FEED)


async def _switch(
    ports: Ports, events: bool | None = None, add: str = "", drop: str = ""
) -> JsonView:
    def decide(state: MetadataState) -> tuple[AnyMetadataRecord | None, None]:
        topics = state.topics
        wanted = topics.events_feed if events is None else events
        states = ({*topics.state_feeds} | {add}) - {drop, ""}
        if wanted == topics.events_feed and states == set(topics.state_feeds):
            return None, None
        return FeedsSwitched(state.version, wanted, tuple(sorted(states))), None

    await ports.metadata.change(decide)
    return feeds_view(ports.metadata.known().topics)
