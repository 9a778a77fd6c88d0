"""What the Kafka log is told, and which librdkafka options the engine keeps for itself."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from orchestrator.log.port import META, LogRefused

BATCH_HEAD_BYTES: Final = 64 << 10
"""What Kafka may add to a message: the head of its batch, and the frames of a compression."""

_SERVES_EXACTLY_ONCE: Final = "The engine sets it, because no acknowledged message may be lost."
_SERVES_LEADERSHIP: Final = "The engine sets it, because leadership comes from this group."
_SERVES_READING: Final = "The engine sets it, because it reads every message once, to the end."
_SERVES_LIMITS: Final = "The engine derives it from its own limits."

OWNED: Final[Mapping[str, str]] = {
    "bootstrap.servers": "Use --kafka-bootstrap.",
    "metadata.broker.list": "Use --kafka-bootstrap.",
    "client.id": "Use --node-name.",
    "acks": _SERVES_EXACTLY_ONCE,
    "request.required.acks": _SERVES_EXACTLY_ONCE,
    "enable.idempotence": _SERVES_EXACTLY_ONCE,
    "enable.gapless.guarantee": _SERVES_EXACTLY_ONCE,
    "transactional.id": _SERVES_EXACTLY_ONCE,
    "message.timeout.ms": _SERVES_EXACTLY_ONCE,
    "delivery.timeout.ms": _SERVES_EXACTLY_ONCE,
    "retries": _SERVES_EXACTLY_ONCE,
    "message.send.max.retries": _SERVES_EXACTLY_ONCE,
    "max.in.flight": _SERVES_EXACTLY_ONCE,
    "max.in.flight.requests.per.connection": _SERVES_EXACTLY_ONCE,
    "queuing.strategy": _SERVES_EXACTLY_ONCE,
    "delivery.report.only.error": _SERVES_EXACTLY_ONCE,
    "group.id": "Use --cluster.",
    "group.instance.id": "Use --node-name.",
    "group.protocol": _SERVES_LEADERSHIP,
    "group.protocol.type": _SERVES_LEADERSHIP,
    "group.remote.assignor": _SERVES_LEADERSHIP,
    "partition.assignment.strategy": _SERVES_LEADERSHIP,
    "session.timeout.ms": _SERVES_LEADERSHIP,
    "heartbeat.interval.ms": _SERVES_LEADERSHIP,
    "max.poll.interval.ms": _SERVES_LEADERSHIP,
    "enable.auto.commit": _SERVES_READING,
    "enable.auto.offset.store": _SERVES_READING,
    "auto.offset.reset": _SERVES_READING,
    "enable.partition.eof": _SERVES_READING,
    "isolation.level": _SERVES_READING,
    "fetch.wait.max.ms": _SERVES_READING,
    "fetch.min.bytes": _SERVES_READING,
    "message.max.bytes": _SERVES_LIMITS,
    "max.partition.fetch.bytes": _SERVES_LIMITS,
    "fetch.message.max.bytes": _SERVES_LIMITS,
    "fetch.max.bytes": _SERVES_LIMITS,
    "receive.message.max.bytes": _SERVES_LIMITS,
    "queue.buffering.max.messages": _SERVES_LIMITS,
    "queue.buffering.max.kbytes": _SERVES_LIMITS,
    "queued.max.messages.kbytes": _SERVES_LIMITS,
}

_READ_AHEAD_KBYTES: Final = 8 << 10
_FETCH_BYTES: Final = 8 << 20


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
    session_timeout_ms: int = 6000
    librdkafka: Mapping[str, str] = field(default_factory=dict)

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


def refuse_owned(given: Mapping[str, str]) -> None:
    """Raise `LogRefused` for the first option that is not for operators to set."""
    for name in given:
        reason = OWNED.get(name)
        if name.endswith("_cb") or name in ("logger", "opaque"):
            reason = "It is not one that can be given as text."
        if reason is not None:
            raise LogRefused(
                "PD0110",
                f"The Kafka option {name} cannot be set. {reason}",
                f"Remove {name} from --kafka-option and PERDURE_KAFKA_OPTIONS.",
            )


def client_config(options: KafkaOptions, client_id: str) -> dict[str, Any]:
    return {
        "reconnect.backoff.max.ms": "1000",
        **options.librdkafka,
        "bootstrap.servers": options.bootstrap,
        "client.id": client_id,
    }


def producer_config(options: KafkaOptions, client_id: str) -> dict[str, Any]:
    return {
        "linger.ms": "0",
        **client_config(options, client_id),
        "acks": "all",
        "enable.idempotence": "true",
        "enable.gapless.guarantee": "true",
        "message.timeout.ms": "0",  # never give up: while it leads, a leader waits
        "message.max.bytes": str(options.batch_bytes_max),
        "queue.buffering.max.messages": "1000000",
        "queue.buffering.max.kbytes": str(2 << 20),
    }


def reader_config(options: KafkaOptions, client_id: str) -> dict[str, Any]:
    fetch_bytes = max(_FETCH_BYTES, options.batch_bytes_max)
    return {
        "fetch.queue.backoff.ms": "5",
        **client_config(options, client_id),
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


def member_config(options: KafkaOptions, client_id: str) -> dict[str, Any]:
    return {
        **client_config(options, client_id),
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
