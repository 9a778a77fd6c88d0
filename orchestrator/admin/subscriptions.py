"""Routes of subscriptions as Restate has them, and ours that make them with all there is."""

from collections.abc import Sequence
from typing import Annotated

from msgspec import Meta, field
from starlette.responses import JSONResponse, Response

from orchestrator.admin import topic_answers as answers
from orchestrator.admin.broker_views import short_subscription, subscription_view
from orchestrator.admin.errors import some_of
from orchestrator.admin.kafka_clusters import check_more_options, no_facts
from orchestrator.admin.ports import Ports
from orchestrator.admin.routing import AdminRoutes, Body, StrictBody
from orchestrator.admin.views import JsonView
from orchestrator.brokers.asking import NoFacts, members_of
from orchestrator.brokers.deciding import FROM_GROUP
from orchestrator.brokers.starting import Decided, decide_starts, group_of, point_of
from orchestrator.registry.apply_metadata import MetadataState
from orchestrator.registry.errors import (
    BAD_SUBSCRIPTION,
    GROUP_IN_USE,
    NO_SUBSCRIPTION,
    RegistryError,
)
from orchestrator.registry.points import parse_point
from orchestrator.registry.records import (
    AnyMetadataRecord,
    SubscriptionCreated,
    SubscriptionDeleted,
)
from orchestrator.registry.stored_topics import StoredCluster, StoredSubscription
from orchestrator.registry.subscribe import (
    MAX_IN_FLIGHT_DEFAULT,
    Wanted,
    check_clients,
    check_group,
    check_wanted,
    find_subscription,
    group_of_subscription,
    read_sink,
    read_sources,
)
from orchestrator.runtime.entropy import new_ulid
from perdure.wire.ids import subscription_id_to_str

OURS = "/perdure/v1/subscriptions"


class CreateSubscription(Body):
    """One topic that invokes a handler, as Restate's clients ask for it."""

    source: Annotated[str, Meta(description="kafka://cluster/topic")]
    sink: Annotated[str, Meta(description="service://Service/handler")]
    options: dict[str, str] | None = None
    force: bool = False


class CreatePerdureSubscription(StrictBody):
    """Topics of one broker cluster that invoke a handler; that of the sink, or with `ingress` the
    one that the headers of each record name."""

    sources: Annotated[list[str], Meta(min_length=1)]
    sink: str = ""
    ingress: bool = False
    name: str = ""
    start: Annotated[str | None, Meta(description="earliest, latest, a time, or offsets")] = None
    options: dict[str, str] = field(default_factory=dict)
    max_in_flight: int = MAX_IN_FLIGHT_DEFAULT
    dead_letter_failures: bool = False
    force: Annotated[bool, Meta(description="also if no topic or broker is found")] = False


def router(ports: Ports) -> AdminRoutes:
    routes = AdminRoutes("subscription")

    @routes.post(
        "/subscriptions",
        status_code=201,
        id="create_subscription",
        answer=answers.SubscriptionResponse,
    )
    async def create(asked: CreateSubscription, force: bool = False) -> Response:
        """Let the records of a topic invoke a handler."""
        whole = CreatePerdureSubscription(
            sources=[asked.source],
            sink=asked.sink,
            options=asked.options or {},
            force=force or asked.force,
        )
        return _created(short_subscription(await _create(ports, whole)))

    @routes.get("/subscriptions", id="list_subscriptions", answer=answers.ListSubscriptionsResponse)
    async def list_all(sink: str | None = None, source: str | None = None) -> JsonView:
        """All subscriptions, or those of exactly this source or sink."""
        views = [short_subscription(one) for one in in_order(ports)]
        found = [
            view
            for view in views
            if sink in (None, view["sink"]) and source in (None, view["source"])
        ]
        return {"subscriptions": found}

    @routes.get(
        "/subscriptions/{subscription}", id="get_subscription", answer=answers.SubscriptionResponse
    )
    async def describe(subscription: str) -> JsonView:
        """One subscription, by id or name."""
        return short_subscription(known_subscription(ports, subscription))

    @routes.delete("/subscriptions/{subscription}", status_code=202, id="delete_subscription")
    @routes.delete(OURS + "/{subscription}", status_code=202, id="delete_perdure_subscription")
    async def delete(subscription: str) -> Response:
        """End a subscription: its topics invoke nothing any more."""
        await _delete(ports, known_subscription(ports, subscription).id)
        return Response(status_code=202)

    @routes.post(
        OURS,
        status_code=201,
        id="create_perdure_subscription",
        answer=answers.PerdureSubscription,
    )
    async def create_ours(asked: CreatePerdureSubscription) -> Response:
        """Let the records of several topics invoke a handler."""
        return _created(subscription_view(await _create(ports, asked)))

    @routes.get(OURS, id="list_perdure_subscriptions", answer=answers.ListPerdureSubscriptions)
    async def list_ours() -> JsonView:
        """All subscriptions with all that is known of them, lag and reasons included."""
        looked = await ports.look_at_subscriptions()
        views = [subscription_view(one, looked.get(one.id)) for one in in_order(ports)]
        return {"subscriptions": views}

    @routes.get(
        OURS + "/{subscription}",
        id="get_perdure_subscription",
        answer=answers.PerdureSubscription,
    )
    async def describe_ours(subscription: str) -> JsonView:
        """One subscription, by id or name, with all that is known of it and its sources."""
        looked = await ports.look_at_subscriptions()
        one = known_subscription(ports, subscription)
        return subscription_view(one, looked.get(one.id))

    return routes


def known_subscription(ports: Ports, text: str) -> StoredSubscription:
    return find_subscription(ports.metadata.known().topics, text)


def in_order(ports: Ports) -> list[StoredSubscription]:
    """The oldest first."""
    found = ports.metadata.known().topics.subscriptions.values()
    return sorted(found, key=lambda one: (one.created_at_ms, one.id))


def _created(view: JsonView) -> Response:
    return JSONResponse(view, 201, {"location": f"subscriptions/{view['id']}"})


async def _create(ports: Ports, asked: CreatePerdureSubscription) -> StoredSubscription:
    registry = ports.metadata.known()
    cluster_name, topics = read_sources(asked.sources, sorted(registry.topics.clusters))
    service, handler = _sink(asked)
    wanted = Wanted(
        cluster_name,
        topics,
        service,
        handler,
        asked.name,
        asked.options,
        asked.max_in_flight,
        asked.dead_letter_failures,
    )
    cluster = check_wanted(registry, wanted, ports.options.cluster_name)
    await check_more_options(ports, cluster, asked.options, asked.force)
    options = dict(cluster.options) | asked.options
    point = point_of(asked.start, options)
    group = "" if asked.start is not None else group_of(options)
    decided = await _starts(ports, cluster, wanted.topics, point, group, asked.force)
    made = _made(ports, wanted, decided)
    await _check_group(ports, cluster, made, asked.force)

    def decide(state: MetadataState) -> tuple[AnyMetadataRecord | None, None]:
        registry = ports.metadata.registry
        check_wanted(registry, wanted, ports.options.cluster_name)
        check_group(registry.topics, made, ports.options.cluster_name)
        check_clients(registry.topics, made, ports.options.topic_clients_max)
        return SubscriptionCreated(state.version, made), None

    await ports.metadata.change(decide)
    return made


def _sink(asked: CreatePerdureSubscription) -> tuple[str, str]:
    if not asked.ingress:
        return read_sink(asked.sink)
    if asked.sink:
        message = "give a sink, or ingress: then the headers of each record name its handler"
        raise RegistryError(BAD_SUBSCRIPTION, message)
    return "", ""


async def _starts(
    ports: Ports,
    cluster: StoredCluster,
    topics: Sequence[str],
    point: str,
    group: str,
    force: bool,
) -> Decided:
    """Where it starts; with `force` that is left open while no broker answers."""
    parse_point(point)
    facts = ports.brokers.facts(cluster)
    try:
        return await decide_starts(facts, topics, point, group, may_miss=force)
    except NoFacts as no:
        if force and no.trouble.passes:
            return Decided(undecided=FROM_GROUP + point if group else point)
        raise no_facts(cluster.name, no) from None


async def _check_group(
    ports: Ports, cluster: StoredCluster, made: StoredSubscription, force: bool
) -> None:
    """Refuse a group that has members: the engine commits offsets to it, which would overwrite
    theirs."""
    engine, topics = ports.options.cluster_name, ports.metadata.known().topics
    check_group(topics, made, engine)
    group = group_of_subscription(made, topics, engine)
    try:
        members = await members_of(ports.brokers.facts(cluster), group)
    except NoFacts as no:
        if force and no.trouble.passes:
            return
        raise no_facts(cluster.name, no) from None
    if members:
        raise RegistryError(
            GROUP_IN_USE,
            f"the consumer group {group!r} is used by {some_of(members)}: stop"
            " them, or name another group (--option group.id=…)",
        )


def _made(ports: Ports, wanted: Wanted, decided: Decided) -> StoredSubscription:
    now_ms = ports.clock.now_ms()
    return StoredSubscription(
        id=subscription_id_to_str(new_ulid(now_ms, ports.entropy)),
        name=wanted.name,
        cluster=wanted.cluster,
        topics=wanted.topics,
        service=wanted.service,
        handler=wanted.handler,
        options=tuple(sorted(wanted.options.items())),
        max_in_flight=wanted.max_in_flight,
        dead_letter_failures=wanted.dead_letter_failures,
        starts=decided.starts,
        undecided=decided.undecided,
        kafka_id=decided.kafka_id,
        created_at_ms=now_ms,
    )


async def _delete(ports: Ports, subscription_id: str) -> None:
    def decide(state: MetadataState) -> tuple[AnyMetadataRecord | None, None]:
        if subscription_id not in state.topics.subscriptions:
            raise gone(subscription_id)
        return SubscriptionDeleted(state.version, subscription_id), None

    await ports.metadata.change(decide)


def gone(subscription_id: str) -> RegistryError:
    return RegistryError(NO_SUBSCRIPTION, f"subscription {subscription_id!r} has just been deleted")
