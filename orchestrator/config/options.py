"""Collects the options of every room from flags, variables and the file.

A room's new setting is an annotated field of its options and needs nothing here. A room's first
one needs a line in `GROUPS` and a field in `Options`.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from orchestrator.admin.options import AdminOptions
from orchestrator.config.server import ServerOptions
from orchestrator.config.settings import ConfigError, FoundSetting, Group, read_settings
from orchestrator.ingress.options import IngressOptions
from orchestrator.intake.options import IntakeOptions
from orchestrator.invoker.options import InvokerOptions as InvokerOptions
from orchestrator.kafka.settings import KafkaSettings
from orchestrator.log.options import LogOptions
from orchestrator.model.own_topics import is_no_source
from orchestrator.processor.options import ProcessorOptions
from orchestrator.registry.options import HandlerDefaults
from orchestrator.sql.options import SqlOptions

COMMAND: Final = "perdure serve"

GROUPS: Final = (
    Group("server", "The server", ServerOptions),
    Group("ingress", "The ingress", IngressOptions),
    Group("admin", "The admin API", AdminOptions),
    Group("log", "The log", LogOptions),
    Group("kafka", "Kafka", KafkaSettings),
    Group("intake", "Topics in", IntakeOptions),
    Group("handlers", "Handlers that say nothing themselves", HandlerDefaults),
    Group("invoker", "Requests to services", InvokerOptions),
    Group("processor", "Partitions", ProcessorOptions),
    Group("sql", "Queries", SqlOptions),
)


class NodeOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The options of a node, by room."""

    server: ServerOptions
    ingress: IngressOptions
    admin: AdminOptions
    log: LogOptions
    kafka: KafkaSettings
    intake: IntakeOptions
    handlers: HandlerDefaults
    invoker: InvokerOptions
    processor: ProcessorOptions
    sql: SqlOptions


def read_options(argv: Sequence[str], environ: Mapping[str, str]) -> NodeOptions:
    """Options of a command line; ConfigError says what is wrong."""
    return build(read_settings(COMMAND, GROUPS, argv, environ))


def build(found: Mapping[str, FoundSetting]) -> NodeOptions:
    """The options that these settings make; raises ConfigError for what contradicts itself."""
    made = {
        group.name: group.options(**{one.field: found[one.name].value for one in group.settings})
        for group in GROUPS
    }
    options = NodeOptions(**made)  # type: ignore[arg-type]
    _check(options)
    return options


def _check(options: NodeOptions) -> None:
    if options.log.kind == "kafka" and not options.kafka.bootstrap:
        raise ConfigError("--log=kafka needs --kafka-bootstrap (or PERDURE_KAFKA_BOOTSTRAP).")
    handlers = options.handlers
    longest_ms = handlers.retry_max_interval_ms
    if longest_ms is not None and longest_ms < handlers.retry_initial_interval_ms:
        raise ConfigError("--retry-max-interval is shorter than --retry-initial-interval.")
    place = options.intake.ingress_topic
    if place is not None and is_no_source(options.server.cluster, place.partition("/")[2]):
        raise ConfigError(f"--ingress-topic={place}: that topic belongs to the engine itself.")
