"""Options of the log on Kafka, and how each of its clients is configured."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from orchestrator.kafka.options import KafkaConnection, client_config
from orchestrator.kafka.serve import FETCH_WAIT_MS
from orchestrator.log.port import META

BATCH_HEAD_BYTES: Final = 64 << 10
"""What Kafka may add to a message: the head of its batch, and the frames of a compression."""

RETRY_BACKOFF_MS: Final = 400
"""What a broker refuses sooner than this was sent once, and is certainly not in the log."""

IN_FLIGHT_BYTES_MAX: Final = 64 << 20
"""Appends beyond this are refused, before librdkafka would hold them all in memory."""

_READ_AHEAD_KBYTES: Final = 8 << 10
_FETCH_BYTES: Final = 8 << 20


OWN_DIRECTORY: Final = " with a --data-dir of its own"
"""What is in the data directory belongs to the cluster that it was first used with."""


@dataclass(frozen=True, slots=True)
class KafkaOptions:
    """Which cluster and topics, under which name, and the options passed on to librdkafka."""

    bootstrap: str
    directory: Path  # holds the lock and the id of this data directory
    cluster: str = "perdure"
    node_name: str = "node"
    partitions: int = 4
    replication_factor: int = -1  # the broker's default
    message_bytes_max: int = 64 << 20
    known: bytes | None = None  # which log it must be; None: it may be another one, or a new one
    one_node: bool = False  # whether a second node on this cluster is refused
    session_timeout_ms: int = 6000
    librdkafka: Mapping[str, str] = field(default_factory=dict)
    ca_file: Path | None = None

    @property
    def connection(self) -> KafkaConnection:
        return KafkaConnection(self.bootstrap, self.librdkafka, self.ca_file)

    @property
    def log_topic(self) -> str:
        return f"{self.cluster}.log"

    @property
    def meta_topic(self) -> str:
        return f"{self.cluster}.meta"

    @property
    def group(self) -> str:
        return f"{self.cluster}.log"

    @property
    def batch_bytes_max(self) -> int:
        """What the topics and clients must let pass."""
        return self.message_bytes_max + BATCH_HEAD_BYTES

    def place(self, partition: int) -> tuple[str, int]:
        """Topic and partition there."""
        return (self.meta_topic, 0) if partition == META else (self.log_topic, partition)


def producer_config(options: KafkaOptions, client_id: str) -> dict[str, Any]:
    return {
        "linger.ms": "0",
        **client_config(options.connection, client_id),
        "acks": "all",
        "enable.idempotence": "true",
        "enable.gapless.guarantee": "true",
        "retry.backoff.ms": str(RETRY_BACKOFF_MS),
        "message.timeout.ms": "0",  # never give up: while it leads, a leader waits
        "message.max.bytes": str(options.batch_bytes_max),
        "queue.buffering.max.messages": "1000000",
        "queue.buffering.max.kbytes": str(_queue_bytes(options) >> 10),
    }


def _queue_bytes(options: KafkaOptions) -> int:
    """More than the writer lets in, which is one append beyond its bound."""
    return IN_FLIGHT_BYTES_MAX + 4 * options.batch_bytes_max


def reader_config(options: KafkaOptions, client_id: str) -> dict[str, Any]:
    fetch_bytes = max(_FETCH_BYTES, options.batch_bytes_max)
    return {
        "fetch.queue.backoff.ms": "5",
        **client_config(options.connection, client_id),
        "group.id": options.group,
        "enable.auto.commit": "false",
        "enable.auto.offset.store": "false",
        "auto.offset.reset": "error",
        "enable.partition.eof": "true",
        "fetch.wait.max.ms": "5",  # at the end of the log the broker must answer, not wait
        "fetch.min.bytes": "1",
        "fetch.message.max.bytes": str(min(_FETCH_BYTES, options.batch_bytes_max)),
        "fetch.max.bytes": str(fetch_bytes),
        "message.max.bytes": str(options.batch_bytes_max),
        "receive.message.max.bytes": str(fetch_bytes + options.batch_bytes_max),
        "queued.max.messages.kbytes": str(_READ_AHEAD_KBYTES),
    }


def tail_config(options: KafkaOptions, client_id: str) -> dict[str, Any]:
    return {
        **reader_config(options, client_id),
        "enable.partition.eof": "false",
        "fetch.wait.max.ms": str(FETCH_WAIT_MS),
        "fetch.min.bytes": str(1 << 20),
    }


def member_config(options: KafkaOptions, client_id: str) -> dict[str, Any]:
    return {
        **client_config(options.connection, client_id),
        "group.id": options.group,
        "group.instance.id": options.node_name,
        "group.protocol": "classic",  # the other one's session timeout is 45 s at least
        "partition.assignment.strategy": "cooperative-sticky",
        "session.timeout.ms": str(options.session_timeout_ms),
        "heartbeat.interval.ms": str(options.session_timeout_ms // 4),
        "enable.auto.commit": "false",
        "enable.auto.offset.store": "false",
        "auto.offset.reset": "error",
    }
