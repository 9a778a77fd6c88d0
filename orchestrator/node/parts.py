"""The rooms of a node, made and wired; nothing runs yet."""

from dataclasses import dataclass
from functools import partial

from msgspec.structs import replace

from orchestrator.brokers.clusters import BrokerClusters
from orchestrator.brokers.deciding import StartDecider
from orchestrator.config.options import NodeOptions
from orchestrator.exchanges.asking import ServiceAsker
from orchestrator.exchanges.aws import AwsLambda
from orchestrator.exchanges.discovery import Discovery
from orchestrator.exchanges.serdes import Serdes
from orchestrator.ingress.face import Ingress
from orchestrator.ingress.server import IngressServer
from orchestrator.intake.intake import TopicIntake
from orchestrator.invoker.invoker import Invoker
from orchestrator.invoker.options import InvokerOptions as InvokerOptions
from orchestrator.log.port import Log
from orchestrator.model.limits import SERVICE_FRAME_BYTES
from orchestrator.node import process_metrics
from orchestrator.node.adapters import make_query
from orchestrator.node.files import Shares
from orchestrator.node.gate import NodeGate
from orchestrator.node.surroundings import NodeSurroundings
from orchestrator.node.topics import make_intake
from orchestrator.processor.loop import Processor
from orchestrator.processor.topics import NodeTopics
from orchestrator.registry.metadata import Metadata
from orchestrator.registry.schema import Registry
from orchestrator.registry.stored_topics import StoredCluster
from orchestrator.runtime.clock import Clock
from orchestrator.runtime.entropy import Entropy
from orchestrator.runtime.loop_lag import LoopLag
from orchestrator.runtime.metrics import CACHE, CACHE_MAX
from orchestrator.runtime.telemetry import Telemetry
from orchestrator.sql.query import SqlQuery
from orchestrator.tables.cache import Cache


@dataclass(frozen=True)
class Parts:
    """What a node starts and ends."""

    cache: Cache
    log: Log
    metadata: Metadata
    brokers: BrokerClusters
    decider: StartDecider
    intake: TopicIntake
    invoker: Invoker
    processor: Processor
    query: SqlQuery | None
    gate: NodeGate
    ingress: IngressServer
    discovery: Discovery
    serdes: Serdes
    clock: Clock
    entropy: Entropy
    telemetry: Telemetry
    loop_lag: LoopLag


def assemble(
    options: NodeOptions, around: NodeSurroundings, partitions: int, shares: Shares
) -> Parts:
    """Make everything, on the event loop; raises BadKey for a key file that is none."""
    clock, entropy, scheduler = around.clock, around.entropy, around.scheduler
    log = around.log
    telemetry = Telemetry()
    if around.is_measured:
        process_metrics.measure_process(telemetry, options.log.kind)
    server = options.server
    key_file = options.invoker.request_identity_key_file
    signer = None
    if key_file is not None:  # its library is not loaded otherwise
        from orchestrator.exchanges.signing import load_signer

        signer = load_signer(key_file)
    metadata = Metadata(
        log,
        options.handlers.defaults(),
        around.metadata_directory,
        trim=around.trims,
        log_cluster=around.topics.log_cluster,
    )
    registry = partial(_registry_of, metadata)
    invoker = Invoker(
        registry,
        partitions,
        clock,
        entropy,
        scheduler,
        _invoker_options(options, shares),
        signer,
        telemetry,
        around.apps,
    )
    cache = Cache(options.processor.cache_bytes_max)
    telemetry.ask(CACHE, lambda: cache.used_bytes)
    telemetry.ask(CACHE_MAX, lambda: cache.bytes_max)
    topics = around.topics
    brokers = topics.clusters
    intake = make_intake(options, registry, topics, partitions, scheduler, telemetry, invoker)
    metadata.on_change(intake.metadata_changed)
    decider = StartDecider(metadata, brokers)
    processor = Processor(
        log,
        around.open_home,
        invoker,
        clock,
        entropy,
        scheduler,
        replace(
            options.processor,
            node=server.node,
            trims=around.trims,
            cache=cache,
        ),
        telemetry,
        NodeTopics(
            topics.writers(registry, log, partitions),
            intake,
            partial(_cluster_of, metadata),
            topics.make_pace,
        ),
    )
    query = make_query(processor, metadata.known, invoker, intake, options.sql, telemetry)
    gate = NodeGate(processor)
    ingress_options = replace(
        options.ingress,
        payload_bytes_max=server.payload_bytes_max,
        cluster=server.cluster,
        connections_max=min(options.ingress.connections_max, shares.connections),
        connections_refused_max=min(options.ingress.connections_refused_max, shares.refused),
    )
    asker = ServiceAsker(
        clock,
        signer,
        server.cluster,
        options.invoker.services_ca_file,
        AwsLambda(options.invoker.lambda_endpoint),
    )
    ingress = Ingress(processor.engine, registry, clock, gate, ingress_options)
    return Parts(
        cache=cache,
        log=log,
        metadata=metadata,
        brokers=brokers,
        decider=decider,
        intake=intake,
        invoker=invoker,
        processor=processor,
        query=query,
        gate=gate,
        ingress=IngressServer(ingress, clock, ingress_options, telemetry),
        discovery=Discovery(asker, around.apps),
        serdes=Serdes(asker),
        clock=clock,
        entropy=entropy,
        telemetry=telemetry,
        loop_lag=LoopLag(scheduler, telemetry),
    )


def _registry_of(metadata: Metadata) -> Registry:
    return metadata.registry


def _cluster_of(metadata: Metadata, name: str) -> StoredCluster | None:
    return metadata.registry.topics.clusters.get(name)


def _invoker_options(options: NodeOptions, shares: Shares) -> InvokerOptions:
    server = options.server
    return replace(
        options.invoker,
        # What the ingress takes fits: as a result, a state, a parameter, with what is around it.
        payload_bytes_max=server.payload_bytes_max + SERVICE_FRAME_BYTES,
        eager_state_bytes_max=server.payload_bytes_max,
        cluster_name=server.cluster,
        attempts_per_http1_deployment_max=min(
            options.invoker.attempts_per_http1_deployment_max, shares.attempts
        ),
    )
