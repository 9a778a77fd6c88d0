"""What a node reads users' topics with, and writes to them; librdkafka is loaded at first use."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from orchestrator.brokers.clusters import BrokerClusters
from orchestrator.brokers.facts_port import BAD_OPTIONS, BrokerTrouble, FoundTopics
from orchestrator.brokers.groups_port import GroupOffsets
from orchestrator.brokers.kafka.fetch_budget import FetchBudget
from orchestrator.brokers.memory_broker import (
    KAFKA_ID,
    MemoryBroker,
    MemoryGroups,
    MemoryReader,
    MemoryWriter,
)
from orchestrator.brokers.reader_port import TopicReader
from orchestrator.brokers.writer_port import TopicWriter
from orchestrator.config.options import NodeOptions
from orchestrator.intake.group_commits import OpenGroups
from orchestrator.intake.intake import LOOK_EVERY_S, OpenReader, TopicIntake
from orchestrator.invoker.invoker import Invoker
from orchestrator.log.port import Log
from orchestrator.model.lanes import LOG_CLUSTER
from orchestrator.model.operating import OperatingError
from orchestrator.node.adapters import log_cluster, make_clusters
from orchestrator.outbox.pace import CommitPace
from orchestrator.processor.topics import OpenWriter
from orchestrator.registry.schema import Registry
from orchestrator.registry.stored import StoredPairs
from orchestrator.registry.stored_topics import StoredCluster
from orchestrator.runtime.scheduler import CallSoon, Scheduler
from orchestrator.runtime.telemetry import Telemetry

COMMIT_THREADS: Final = 2
"""Apart from the loop's own pool: brokers that are away hold a thread for seconds."""


@dataclass(frozen=True)
class TopicAdapters:
    """How a node reaches topics of users."""

    clusters: BrokerClusters
    open_reader: OpenReader
    open_groups: OpenGroups
    writers: Callable[[Callable[[], Registry], Log, int], OpenWriter]
    """By registry, log and count of partitions."""
    log_cluster: StoredCluster | None
    """The broker cluster that need not be registered."""
    make_pace: Callable[[], CommitPace] = CommitPace
    look_every_s: float = LOOK_EVERY_S


def kafka_topics(options: NodeOptions, now_ms: int) -> TopicAdapters:
    clusters = make_clusters(options)
    return TopicAdapters(
        clusters=clusters,
        open_reader=_reader_opener(options, clusters),
        open_groups=_groups_opener(options),
        writers=partial(_writers, options),
        log_cluster=log_cluster(options, now_ms),
    )


def memory_topics(
    broker: MemoryBroker, call_soon: CallSoon, now_ms: int, look_every_s: float
) -> TopicAdapters:
    """All broker clusters are this one."""
    return TopicAdapters(
        clusters=BrokerClusters(lambda _: broker.facts()),
        open_reader=lambda _, __: MemoryReader(broker, call_soon),
        open_groups=lambda _, __: MemoryGroups(broker, call_soon),
        writers=lambda *_: lambda _, partition: MemoryWriter(broker, call_soon, partition),
        log_cluster=StoredCluster(LOG_CLUSTER, (), KAFKA_ID, now_ms),
        make_pace=partial(CommitPace, 0.0, 0.0),
        look_every_s=look_every_s,
    )


def make_intake(
    options: NodeOptions,
    registry: Callable[[], Registry],
    topics: TopicAdapters,
    partitions: int,
    scheduler: Scheduler,
    telemetry: Telemetry,
    invoker: Invoker,
) -> TopicIntake:
    return TopicIntake(
        registry,
        topics.clusters.facts,
        topics.open_reader,
        topics.open_groups,
        scheduler,
        partitions,
        options.server.cluster,
        options.server.payload_bytes_max,
        telemetry,
        topics.look_every_s,
        invoker.waiting_of,
    )


def _reader_opener(options: NodeOptions, clusters: BrokerClusters) -> OpenReader:
    budget = FetchBudget()
    return lambda cluster, more: _open_reader(options, clusters, budget, cluster, more)


def _open_reader(
    options: NodeOptions,
    clusters: BrokerClusters,
    budget: FetchBudget,
    cluster: StoredCluster,
    more: StoredPairs,
) -> TopicReader:
    from orchestrator.brokers.kafka.configs import ReaderOptions
    from orchestrator.brokers.kafka.reader import KafkaTopicReader, OnTopicIds

    def topic_ids(names: Any, done: OnTopicIds) -> None:
        def found(answer: FoundTopics | BrokerTrouble) -> None:
            if isinstance(answer, BrokerTrouble):
                done(answer.message)
            else:
                ids: dict[str, bytes | str] = {n: t.topic_id for n, t in answer.topics.items()}
                done(ids | {name: no.message for name, no in answer.refused.items()})

        clusters.facts(cluster).topics(names, found)

    client = partial(broker_client_config, (*cluster.options, *more), options.server.node)
    reading = ReaderOptions(client, f"{options.server.cluster}.intake", budget)
    return KafkaTopicReader(reading, topic_ids)


def _groups_opener(options: NodeOptions) -> OpenGroups:
    threads = ThreadPoolExecutor(COMMIT_THREADS, "group commit")

    def open_groups(cluster: StoredCluster, more: StoredPairs) -> GroupOffsets:
        from orchestrator.brokers.kafka.group_offsets import KafkaGroupOffsets

        client = partial(broker_client_config, (*cluster.options, *more), options.server.node)
        return KafkaGroupOffsets(client, threads)

    return open_groups


def _writers(
    options: NodeOptions, registry: Callable[[], Registry], log: Log, partitions: int
) -> OpenWriter:
    def open_writer(name: str, partition: int) -> TopicWriter | None:
        from orchestrator.brokers.kafka.configs import WriterOptions
        from orchestrator.brokers.kafka.writer import KafkaTopicWriter

        cluster = registry().topics.clusters.get(name)
        if cluster is None:
            return None
        return KafkaTopicWriter(
            WriterOptions(
                partial(broker_client_config, cluster.options, options.server.node),
                options.server.cluster,
                log.identity,
                partition,
                partitions,
                options.log.replication_factor or -1,
                registry().topics.taken_over.get(name, ()),
            )
        )

    return open_writer


def broker_client_config(options: StoredPairs, client_id: str) -> dict[str, Any]:
    """Reads the files that options refer to: for threads."""
    from orchestrator.kafka.broker_options import broker_config, client_options
    from orchestrator.kafka.secrets import UnresolvedReference

    try:
        return broker_config(client_options(options), client_id)
    except UnresolvedReference as error:
        raise OperatingError(BAD_OPTIONS, str(error)) from None
