"""Routes that change a subscription: settings, pause, resume, seek, replay."""

from collections.abc import Callable
from typing import Annotated

from msgspec import Meta

from orchestrator.admin.broker_views import subscription_view
from orchestrator.admin.errors import AdminError
from orchestrator.admin.kafka_clusters import check_more_options, no_facts
from orchestrator.admin.ports import Ports
from orchestrator.admin.routing import AdminRoutes, StrictBody
from orchestrator.admin.subscriptions import OURS, gone, known_subscription
from orchestrator.admin.topic_answers import PerdureSubscription
from orchestrator.admin.views import JsonView
from orchestrator.brokers.asking import NoFacts
from orchestrator.brokers.facts_port import BAD_OPTIONS
from orchestrator.brokers.starting import Decided, decide_starts
from orchestrator.kafka.broker_options import BadOption, merged
from orchestrator.registry.apply_metadata import MetadataState
from orchestrator.registry.apply_topics import AnySubscriptionChange, changed_subscription
from orchestrator.registry.points import parse_point
from orchestrator.registry.records import (
    AnyMetadataRecord,
    SubscriptionPatched,
    SubscriptionPaused,
    SubscriptionResumed,
    SubscriptionSought,
)
from orchestrator.registry.stored_topics import StoredSubscription
from orchestrator.registry.subscribe import (
    check_clients,
    check_free,
    check_group,
    check_name,
    check_settings,
    find_cluster,
)

REASON_CHARS_MAX = 1000

Change = Callable[[int, StoredSubscription], AnySubscriptionChange]


class PatchSubscription(StrictBody):
    """What is not given stays. Options are replaced as a whole; `***` stands for what there is."""

    name: str | None = None
    options: dict[str, str] | None = None
    max_in_flight: int | None = None
    dead_letter_failures: bool | None = None


class PauseSubscription(StrictBody):
    reason: Annotated[str, Meta(max_length=REASON_CHARS_MAX)] = "paused by an operator"


class ResumeSubscription(StrictBody):
    past_gap: Annotated[bool, Meta(description="go past records that are gone")] = False


class MoveSubscription(StrictBody):
    """A new generation of a subscription starts at `to`."""

    to: Annotated[str, Meta(description="earliest, latest, a time, or offsets")]
    force: Annotated[bool, Meta(description="also if a topic is missing")] = False


def router(ports: Ports) -> AdminRoutes:
    routes = AdminRoutes("subscription")

    @routes.patch(
        OURS + "/{subscription}", id="update_perdure_subscription", answer=PerdureSubscription
    )
    async def patch(subscription: str, asked: PatchSubscription) -> JsonView:
        """Change settings that leave its sources where they are."""
        return await _patch(ports, known_subscription(ports, subscription), asked)

    @routes.post(
        OURS + "/{subscription}/pause", id="pause_subscription", answer=PerdureSubscription
    )
    async def pause(subscription: str, asked: PauseSubscription) -> JsonView:
        """Read nothing more until it is resumed."""
        reason = asked.reason or "paused by an operator"
        return await _change(
            ports,
            known_subscription(ports, subscription),
            lambda seen, one: SubscriptionPaused(seen, one.id, reason),
        )

    @routes.post(
        OURS + "/{subscription}/resume", id="resume_subscription", answer=PerdureSubscription
    )
    async def resume(subscription: str, asked: ResumeSubscription) -> JsonView:
        """Read on, from where each of its sources stands."""
        return await _change(
            ports,
            known_subscription(ports, subscription),
            lambda seen, one: SubscriptionResumed(seen, one.id, asked.past_gap),
        )

    @routes.post(OURS + "/{subscription}/seek", id="seek_subscription", answer=PerdureSubscription)
    async def seek(subscription: str, asked: MoveSubscription) -> JsonView:
        """Go to a point; partitions that it does not name go on where they are."""
        return await _move(ports, known_subscription(ports, subscription), asked, goes_on=True)

    @routes.post(
        OURS + "/{subscription}/replay", id="replay_subscription", answer=PerdureSubscription
    )
    async def replay(subscription: str, asked: MoveSubscription) -> JsonView:
        """Begin again at a point in all partitions."""
        return await _move(ports, known_subscription(ports, subscription), asked, goes_on=False)

    return routes


async def _change(ports: Ports, known: StoredSubscription, change: Change) -> JsonView:
    def decide(state: MetadataState) -> tuple[AnyMetadataRecord | None, None]:
        now = state.topics.subscriptions.get(known.id)
        if now is None:
            raise gone(known.id)
        record = change(state.version, now)
        return (None if changed_subscription(now, record) == now else record), None

    await ports.metadata.change(decide)
    return subscription_view(known_subscription(ports, known.id))


async def _patch(ports: Ports, known: StoredSubscription, asked: PatchSubscription) -> JsonView:
    if asked.options is not None:
        cluster = find_cluster(ports.metadata.known().topics, known.cluster)
        await check_more_options(ports, cluster, _options(known, asked.options), force=True)

    def change(seen: int, now: StoredSubscription) -> AnySubscriptionChange:
        name = now.name if asked.name is None else asked.name
        if name and name != now.name:
            check_name("subscription", name)
        check_free(ports.metadata.registry.topics, name, now.id)
        options = _options(now, asked.options)
        limit = now.max_in_flight if asked.max_in_flight is None else asked.max_in_flight
        check_settings(options, limit)
        letters = asked.dead_letter_failures
        patched = SubscriptionPatched(
            seen,
            now.id,
            name,
            tuple(sorted(options.items())),
            limit,
            now.dead_letter_failures if letters is None else letters,
        )
        made = changed_subscription(now, patched)
        check_group(ports.metadata.registry.topics, made, ports.options.cluster_name)
        check_clients(ports.metadata.registry.topics, made, ports.options.topic_clients_max)
        return patched

    return await _change(ports, known, change)


def _options(now: StoredSubscription, asked: dict[str, str] | None) -> dict[str, str]:
    known = dict(now.options)
    try:
        return known if asked is None else merged(asked, known)
    except BadOption as error:
        raise AdminError(400, str(error), BAD_OPTIONS) from None


async def _move(
    ports: Ports, known: StoredSubscription, asked: MoveSubscription, goes_on: bool
) -> JsonView:
    decided = await _decided(ports, known, asked, goes_on)

    def change(seen: int, now: StoredSubscription) -> AnySubscriptionChange:
        return SubscriptionSought(seen, now.id, decided.starts, decided.undecided, decided.kafka_id)

    return await _change(ports, known, change)


async def _decided(
    ports: Ports, known: StoredSubscription, asked: MoveSubscription, goes_on: bool
) -> Decided:
    parse_point(asked.to)
    cluster = find_cluster(ports.metadata.known().topics, known.cluster)
    facts = ports.brokers.facts(cluster)
    try:
        return await decide_starts(
            facts, known.topics, asked.to, may_miss=asked.force, goes_on=goes_on
        )
    except NoFacts as no:
        # Unlike a new subscription this one reads already: nothing is left open for it.
        raise no_facts(cluster.name, no) from None
