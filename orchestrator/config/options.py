"""Every option of `perdure serve`, its default, and where it goes."""

import re
import socket
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from orchestrator.config import values
from orchestrator.config.settings import ConfigError, Setting, read
from orchestrator.config.values import Address
from orchestrator.model.values import THEN_KILL, THEN_PAUSE
from orchestrator.registry.schema import RetryPolicy
from orchestrator.registry.snapshot import Defaults

COMMAND = "perdure serve"
PARTITIONS_DEFAULT = 4

SETTINGS = (
    Setting("data_dir", Path, ".perdure", "where the node keeps its data"),
    Setting("ingress", values.address, "127.0.0.1:8080", "address for callers"),
    Setting("admin", values.address, "127.0.0.1:9070", "address for operators"),
    Setting(
        "log", partial(values.choice, choices=("embedded", "kafka")), "embedded", "where records go"
    ),
    Setting("kafka_bootstrap", values.bootstrap, None, "brokers, HOST:PORT separated by commas"),
    Setting(
        "kafka_options",
        values.pairs,
        None,
        "an option of librdkafka as k=v, may be repeated",
        flag_name="kafka_option",
        repeatable=True,
    ),
    Setting(
        "partitions",
        partial(values.integer, least=1, most=1024),
        None,
        f"partitions of a new log, {PARTITIONS_DEFAULT} if not given; kept with the data",
    ),
    Setting("cluster", values.name, "perdure", "prefix of the topics"),
    Setting("node_name", values.name, None, "name of this node in the cluster, else the host's"),
    Setting("inactivity_timeout", values.duration_ms, "1m", "a service idle this long may suspend"),
    Setting("abort_timeout", values.duration_ms, "10m", "time to suspend before it is cut off"),
    Setting("cleanup_interval", values.duration_ms, "1h", "how often what expired is removed"),
    Setting(
        "disable_eager_state",
        values.boolean,
        "false",
        "true: services read state key by key",
        boolean=True,
    ),
    Setting(
        "request_identity_key_file",
        values.existing_file,
        None,
        "PEM with an Ed25519 key: requests to services are signed",
    ),
    Setting("retry_initial_interval", values.duration_ms, "500ms", "wait before the first retry"),
    Setting("retry_max_interval", values.duration_ms, None, "longest wait between retries, 60s"),
    Setting("retry_max_attempts", values.attempts, "70", "attempts, or unlimited"),
    Setting(
        "retry_on_max_attempts",
        partial(values.choice, choices=("pause", "kill")),
        "pause",
        "what follows the last attempt",
    ),
    Setting(
        "protocol_max",
        partial(values.integer, least=5, most=7),
        "7",
        "newest version of the service protocol to use",
    ),
    Setting(
        "payload_max",
        partial(values.size_bytes, least=64 * 1024, most=512 * 1024 * 1024),
        "32MiB",
        "largest body and service message",
    ),
    Setting("advertised_ingress", values.http_url, None, "URL of the ingress as others reach it"),
    Setting(
        "replication_factor",
        partial(values.integer, least=1, most=100),
        None,
        "replicas of new topics, else the broker's default",
    ),
    Setting(
        "log_level",
        partial(values.choice, choices=("debug", "info", "warning", "error")),
        "info",
        "how much is logged",
    ),
)


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """The options of a node; times in ms, sizes in bytes. `partitions` None: kept, or 4."""

    data_dir: Path
    ingress: Address
    admin: Address
    log: str
    kafka_bootstrap: str | None
    kafka_options: dict[str, str]
    partitions: int | None
    cluster: str
    node_name: str
    cleanup_interval_ms: int
    request_identity_key_file: Path | None
    protocol_max: int
    payload_bytes_max: int
    advertised_ingress: str
    replication_factor: int | None
    log_level: str
    defaults: Defaults


def read_options(argv: Sequence[str], environ: Mapping[str, str]) -> Options:
    """Options of a command line; ConfigError says what is wrong."""
    given = read(COMMAND, SETTINGS, argv, environ)
    if given["log"] == "kafka" and not given["kafka_bootstrap"]:
        raise ConfigError("--log=kafka needs --kafka-bootstrap (or PERDURE_KAFKA_BOOTSTRAP)")
    longest = given["retry_max_interval"]
    if longest is not None and longest < given["retry_initial_interval"]:
        raise ConfigError("--retry-max-interval is shorter than --retry-initial-interval")
    if given["cleanup_interval"] == 0:
        raise ConfigError("--cleanup-interval must be longer than nothing")
    return Options(
        data_dir=given["data_dir"],
        ingress=given["ingress"],
        admin=given["admin"],
        log=given["log"],
        kafka_bootstrap=given["kafka_bootstrap"],
        kafka_options=given["kafka_options"],
        partitions=given["partitions"],
        cluster=given["cluster"],
        node_name=given["node_name"] or _host_name(),
        cleanup_interval_ms=given["cleanup_interval"],
        request_identity_key_file=given["request_identity_key_file"],
        protocol_max=given["protocol_max"],
        payload_bytes_max=given["payload_max"],
        advertised_ingress=given["advertised_ingress"] or f"http://{given['ingress']}",
        replication_factor=given["replication_factor"],
        log_level=given["log_level"],
        defaults=_defaults(given),
    )


def _defaults(given: dict[str, Any]) -> Defaults:
    """What services and handlers get that say nothing."""
    initial_ms, longest_ms = given["retry_initial_interval"], given["retry_max_interval"]
    retry = RetryPolicy(
        initial_interval_ms=initial_ms,
        max_interval_ms=max(60_000, initial_ms) if longest_ms is None else longest_ms,
        max_attempts=given["retry_max_attempts"],
        on_max_attempts=THEN_PAUSE if given["retry_on_max_attempts"] == "pause" else THEN_KILL,
    )
    return Defaults(
        inactivity_timeout_ms=given["inactivity_timeout"],
        abort_timeout_ms=given["abort_timeout"],
        lazy_state=given["disable_eager_state"],
        retry=retry,
    )


def _host_name() -> str:
    return re.sub(r"[^A-Za-z0-9._-]", "-", socket.gethostname())[:100] or "node"
