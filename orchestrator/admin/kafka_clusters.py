"""Routes of broker clusters: make one known, list, describe, change, delete."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Annotated, Final

from msgspec import Meta
from msgspec.structs import replace
from starlette.responses import JSONResponse, Response

from orchestrator.admin import topic_answers as answers
from orchestrator.admin.broker_views import cluster_view, short_subscription
from orchestrator.admin.errors import AdminError, some_of
from orchestrator.admin.operate import read
from orchestrator.admin.ports import Ports
from orchestrator.admin.routing import AdminRoutes, Body, StrictBody
from orchestrator.admin.views import JsonView
from orchestrator.brokers.asking import NoFacts, topics_of
from orchestrator.brokers.facts_port import BAD_OPTIONS
from orchestrator.codec import keys
from orchestrator.codec.rows import row_decoder
from orchestrator.kafka.broker_options import (
    GROUP,
    STARTING,
    BadOption,
    check_bootstrap,
    check_options,
    merged,
)
from orchestrator.model.lanes import LOG_CLUSTER, ToTopic
from orchestrator.model.rows import PartitionRow
from orchestrator.processor import asking
from orchestrator.registry.apply_metadata import MetadataState
from orchestrator.registry.apply_topics import has_feeds
from orchestrator.registry.errors import (
    CLUSTER_IN_USE,
    NAME_TAKEN,
    NO_CLUSTER,
    NO_LOG,
    RegistryError,
)
from orchestrator.registry.records import (
    AnyMetadataRecord,
    KafkaClusterCreated,
    KafkaClusterDeleted,
    KafkaClusterPatched,
    LedgerTakenOver,
)
from orchestrator.registry.stored_topics import StoredCluster, StoredSubscription, TopicsState
from orchestrator.registry.subscribe import check_group, check_name, find_cluster

_CLOSED_MS: Final = 60_000  # how long a deletion waits for lanes to be closed
_LOOK_S: Final = 0.2
_IDENTITY_MAX: Final = 64  # bytes
_partition = row_decoder(PartitionRow)


class CreateKafkaCluster(Body):
    """A broker cluster to be known by a name."""

    name: str
    properties: Annotated[dict[str, str], Meta(description="options of librdkafka")]
    force: Annotated[bool, Meta(description="also if no broker answers")] = False


class UpdateKafkaCluster(Body):
    """All options it has from now on; `***` stands for the value there is."""

    properties: dict[str, str]
    force: bool = False


class TakeOver(StrictBody):
    """Whose ledger is taken over: `sys_lane` and the log of the server name it."""

    log: str


def router(ports: Ports) -> AdminRoutes:
    routes = AdminRoutes("kafka_cluster")

    @routes.post(
        "/kafka-clusters",
        status_code=201,
        id="create_kafka_cluster",
        answer=answers.SimpleKafkaClusterResponse,
    )
    async def create(asked: CreateKafkaCluster, force: bool = False) -> Response:
        """Make a broker cluster known; its brokers are asked who they are."""
        cluster = await _create(ports, asked, force or asked.force)
        where = {"location": f"kafka-clusters/{cluster.name}"}
        return JSONResponse(cluster_view(cluster), 201, where)

    @routes.get(
        "/kafka-clusters", id="list_kafka_clusters", answer=answers.ListKafkaClustersResponse
    )
    async def list_all() -> JsonView:
        """All broker clusters; that of a log on Kafka is one of them."""
        found = ports.metadata.known().topics.clusters
        troubles = ports.broker_troubles()
        return {
            "clusters": [
                cluster_view(found[name], troubles.get(name, "")) for name in sorted(found)
            ]
        }

    @routes.get(
        "/kafka-clusters/{name}", id="get_kafka_cluster", answer=answers.KafkaClusterResponse
    )
    async def describe(name: str) -> JsonView:
        """One broker cluster with its subscriptions."""
        return _whole(ports, _find(ports, name))

    @routes.patch(
        "/kafka-clusters/{name}",
        id="update_kafka_cluster",
        answer=answers.SimpleKafkaClusterResponse,
    )
    async def update(name: str, asked: UpdateKafkaCluster, force: bool = False) -> JsonView:
        """Reach a broker cluster by other options."""
        return cluster_view(await _update(ports, name, asked, force or asked.force))

    @routes.delete("/kafka-clusters/{name}", status_code=202, id="delete_kafka_cluster")
    async def delete(name: str, force: bool = False) -> Response:
        """Forget a broker cluster that no subscription uses. What was still to be sent to it
        becomes dead letters: they are waited for, unless with force."""
        await _delete(ports, name)
        if not force:
            await _all_closed(ports, name)
        return Response(status_code=202)

    @routes.post(
        "/perdure/v1/kafka-clusters/{name}/take-over",
        status_code=202,
        id="take_over_kafka_cluster",
    )
    async def take_over(name: str, asked: TakeOver) -> Response:
        """Go on with the ledger of a log that is gone for ever."""
        _find(ports, name)
        await _take_over(ports, name, asked.log)
        return Response(status_code=202)

    return routes


def _find(ports: Ports, name: str) -> StoredCluster:
    return find_cluster(ports.metadata.known().topics, name)


def _whole(ports: Ports, cluster: StoredCluster) -> JsonView:
    users = ports.metadata.known().topics.subscriptions.values()
    own = [short_subscription(one) for one in users if one.cluster == cluster.name]
    reason = ports.broker_troubles().get(cluster.name, "")
    return cluster_view(cluster, reason) | {"subscriptions": own}


def _check(options: Mapping[str, str]) -> None:
    try:
        check_options(options)
        check_bootstrap(options)
    except BadOption as error:
        raise AdminError(400, str(error), BAD_OPTIONS) from None


async def _create(ports: Ports, asked: CreateKafkaCluster, force: bool) -> StoredCluster:
    check_name("Kafka cluster", asked.name)
    _check(asked.properties)
    _check_new(ports.metadata.known().topics.clusters, asked.name)
    made = StoredCluster(
        asked.name, tuple(sorted(asked.properties.items())), "", ports.clock.now_ms()
    )
    cluster = await _reached(ports, made, force)

    def decide(state: MetadataState) -> tuple[AnyMetadataRecord | None, None]:
        _check_new(state.topics.clusters, cluster.name)
        return KafkaClusterCreated(state.version, cluster), None

    await ports.metadata.change(decide)
    return cluster


def _check_new(known: Mapping[str, StoredCluster], name: str) -> None:
    if name in known:
        raise RegistryError(NAME_TAKEN, f"there is a Kafka cluster {name!r} already")
    if name == LOG_CLUSTER:
        raise RegistryError(NAME_TAKEN, f"{name!r} is kept for the brokers of a log on Kafka")


async def _reached(ports: Ports, cluster: StoredCluster, force: bool) -> StoredCluster:
    """With the id that its brokers give; with force also without."""
    facts = ports.brokers.probe(cluster.options)
    try:
        found = await topics_of(facts, [])
    except NoFacts as no:
        if force and no.trouble.code != BAD_OPTIONS:
            return cluster
        raise no_facts(cluster.name, no) from None
    finally:
        facts.close()
    return StoredCluster(cluster.name, cluster.options, found.kafka_id, cluster.created_at_ms)


async def check_more_options(
    ports: Ports, cluster: StoredCluster, more: Mapping[str, str], force: bool
) -> None:
    """Options that a subscription has beside those of its broker cluster: a client takes them, and
    the brokers let it in. With force they need not answer."""
    given = {name: value for name, value in more.items() if name not in STARTING}
    if given:
        whole = dict(cluster.options) | given
        asked = StoredCluster(cluster.name, tuple(sorted(whole.items())), "", cluster.created_at_ms)
        await _reached(ports, asked, force)


def no_facts(cluster: str, no: NoFacts) -> AdminError:
    """The refusal of what needs brokers that give no answer."""
    trouble = no.trouble
    advice = ": say force (--force) to go on all the same" if trouble.passes else ""
    return AdminError(
        503 if trouble.passes else 400,
        f"Kafka cluster {cluster!r}: {trouble.message}{advice}",
        trouble.code,
    )


async def _update(ports: Ports, name: str, asked: UpdateKafkaCluster, force: bool) -> StoredCluster:
    known = _find(ports, name)
    _refuse_log(name)
    try:
        options = merged(asked.properties, dict(known.options))
    except BadOption as error:
        raise AdminError(400, str(error), BAD_OPTIONS) from None
    _check(options)
    wanted = StoredCluster(name, tuple(sorted(options.items())), "", known.created_at_ms)
    reached = await _reached(ports, wanted, force)
    users = _users(ports.metadata.known().topics.subscriptions.values(), name)
    if users and known.kafka_id and reached.kafka_id not in ("", known.kafka_id) and not force:
        raise RegistryError(
            CLUSTER_IN_USE,
            f"these are the brokers of another cluster ({reached.kafka_id}, not {known.kafka_id}),"
            f" and {users} read topics of {name!r}: their sources would stop",
        )

    def decide(state: MetadataState) -> tuple[AnyMetadataRecord | None, None]:
        if name not in state.topics.clusters:
            raise RegistryError(NO_CLUSTER, f"Kafka cluster {name!r} has just been deleted")
        _check_groups(state.topics, reached, ports.options.cluster_name)
        return KafkaClusterPatched(state.version, reached), None

    await ports.metadata.change(decide)
    return reached


def _check_groups(topics: TopicsState, reached: StoredCluster, engine: str) -> None:
    """Refuse a group that several subscriptions of one topic would commit to from now on."""
    if dict(reached.options).get(GROUP) != dict(topics.clusters[reached.name].options).get(GROUP):
        changed = replace(topics, clusters=topics.clusters | {reached.name: reached})
        for one in changed.subscriptions.values():
            if one.cluster == reached.name:
                check_group(changed, one, engine)


async def _take_over(ports: Ports, name: str, log: str) -> None:
    try:
        identity = bytes.fromhex(log)
    except ValueError:
        identity = b""
    if not 0 < len(identity) <= _IDENTITY_MAX:
        raise AdminError(400, f"{log[:100]!r} is no identity of a log: sys_lane has it", NO_LOG)

    def decide(state: MetadataState) -> tuple[AnyMetadataRecord | None, None]:
        if identity in state.topics.taken_over.get(name, ()):
            return None, None
        return LedgerTakenOver(state.version, name, identity), None

    await ports.metadata.change(decide)


async def _delete(ports: Ports, name: str) -> None:
    _find(ports, name)
    _refuse_log(name)

    def decide(state: MetadataState) -> tuple[AnyMetadataRecord | None, None]:
        users = _users(state.topics.subscriptions.values(), name)
        if users:
            raise RegistryError(
                CLUSTER_IN_USE, f"Kafka cluster {name!r} is in use: delete {users} first"
            )
        if has_feeds(ports.metadata.registry.topics, name):
            raise RegistryError(
                CLUSTER_IN_USE,
                f"feeds are published to Kafka cluster {name!r}: perdure feeds disable them first",
            )
        if name not in state.topics.clusters:
            return None, None
        return KafkaClusterDeleted(state.version, name), None

    await ports.metadata.change(decide)
    ports.brokers.forget(name)


async def _all_closed(ports: Ports, name: str) -> None:
    """Wait until no row for the cluster is left. If this wait ends early, the leaders go on
    closing its lanes."""
    give_up = ports.clock.monotonic_ms() + _CLOSED_MS
    while await _has_rows(ports, name):
        if ports.clock.monotonic_ms() >= give_up:
            raise AdminError(
                500,
                f"Kafka cluster {name!r} is forgotten, but some of what was to be sent to it is no"
                " dead letter yet: sys_lane has it",
            )
        await asyncio.sleep(_LOOK_S)


async def _has_rows(ports: Ports, cluster: str) -> bool:
    for number in range(ports.engine.partition_count):
        stream = ports.engine.export(number, [keys.PARTITION], [b""])
        for _, value in await read(ports, asking.collect(stream)):
            for lane in _partition(value).lanes.values():
                to = lane.destination
                if isinstance(to, ToTopic) and to.cluster == cluster and lane.given > lane.trimmed:
                    return True
    return False


def _users(subscriptions: Iterable[StoredSubscription], cluster: str) -> str:
    """The subscriptions that use a cluster, for people; "" if none does."""
    users = [one.name or one.id for one in subscriptions if one.cluster == cluster]
    return some_of(users)


def _refuse_log(name: str) -> None:
    if name == LOG_CLUSTER:
        message = f"{name!r} is the cluster of the log: the settings of the server decide"
        raise AdminError(400, message, CLUSTER_IN_USE)
