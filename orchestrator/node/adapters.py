"""Which adapters stand behind the ports, by option: the only place that names them."""

import importlib.util
from collections.abc import Callable, Iterable

import msgspec

from orchestrator.brokers.clusters import BrokerClusters
from orchestrator.brokers.facts_port import TopicFacts
from orchestrator.config.options import NodeOptions
from orchestrator.intake.intake import TopicIntake
from orchestrator.invoker.invoker import Invoker
from orchestrator.kafka.options import KafkaConnection
from orchestrator.log.embedded.log import EmbeddedLog, EmbeddedOptions
from orchestrator.log.known import known_unless_given_up
from orchestrator.log.port import Log
from orchestrator.model.lanes import LOG_CLUSTER
from orchestrator.model.limits import MESSAGE_HEADROOM_BYTES
from orchestrator.node.data_directory import DataDirectory
from orchestrator.processor.loop import Processor
from orchestrator.registry.schema import Registry
from orchestrator.registry.stored import StoredPairs
from orchestrator.registry.stored_topics import StoredCluster
from orchestrator.runtime.telemetry import Telemetry
from orchestrator.sql.feeds import LiveViews
from orchestrator.sql.options import SqlOptions
from orchestrator.sql.query import SqlQuery
from orchestrator.store.port import StoreHome
from orchestrator.store.rocks import RocksMemory
from orchestrator.store.rocks_home import RocksHome


def make_log(options: NodeOptions, directory: DataDirectory, partitions: int) -> Log:
    """The log that was asked for; librdkafka is loaded only where it is needed."""
    # One flush of a service may carry its output beside the largest value of a step.
    message_bytes_max = 2 * options.server.payload_bytes_max + MESSAGE_HEADROOM_BYTES
    known = known_unless_given_up(directory.known_log(), options.log.new_log)
    if options.log.kind == "embedded":
        return EmbeddedLog(
            EmbeddedOptions(
                directory.log,
                partitions,
                message_bytes_max=message_bytes_max,
                mark_directory=directory.path,
                known=known,
            )
        )
    from orchestrator.log.kafka.log import KafkaLog
    from orchestrator.log.kafka.options import KafkaOptions

    assert options.kafka.bootstrap is not None
    return KafkaLog(
        KafkaOptions(
            options.kafka.bootstrap,
            directory.log,
            cluster=options.server.cluster,
            node_name=options.server.node,
            partitions=partitions,
            replication_factor=options.log.replication_factor or -1,
            message_bytes_max=message_bytes_max,
            known=known,
            one_node=True,  # until nodes forward calls to each other
            librdkafka=options.kafka.librdkafka,
            ca_file=options.kafka.ca_file,
        )
    )


def log_cluster(options: NodeOptions, now_ms: int) -> StoredCluster | None:
    """The broker cluster that need not be registered: the one that a log on Kafka is on."""
    kafka = options.kafka
    if options.log.kind != "kafka" or kafka.bootstrap is None:
        return None
    connection = KafkaConnection(kafka.bootstrap, kafka.librdkafka, kafka.ca_file)
    known = connection.security() | dict(kafka.librdkafka) | {"bootstrap.servers": kafka.bootstrap}
    literal = {name: value.replace("${", "$${") for name, value in known.items()}
    return StoredCluster(LOG_CLUSTER, tuple(sorted(literal.items())), "", now_ms)


def make_clusters(options: NodeOptions) -> BrokerClusters:
    """Users' broker clusters; librdkafka is loaded at the first question to one."""

    def make(of: StoredPairs) -> TopicFacts:
        from orchestrator.brokers.kafka.facts import KafkaFacts

        return KafkaFacts(of, options.server.node, options.log.replication_factor or -1)

    return BrokerClusters(make)


def make_homes(directory: DataDirectory) -> Callable[[int], StoreHome]:
    """Where the stores of each partition live; they share memory."""
    memory = RocksMemory()
    return lambda partition: RocksHome(directory.store(partition), memory)


def make_query(
    processor: Processor,
    registry: Callable[[], Registry],
    invoker: Invoker,
    intake: TopicIntake,
    options: SqlOptions,
    telemetry: Telemetry,
) -> SqlQuery | None:
    """SQL, if the extra for it is installed."""
    if importlib.util.find_spec("datafusion") is None:
        return None

    def attempts() -> Iterable[dict[str, object]]:
        return [msgspec.structs.asdict(view) for view in invoker.views()]

    views = LiveViews(attempts, intake.look_at_subscriptions, processor.lane_views)
    return SqlQuery(processor.engine, registry, views, options, telemetry)
