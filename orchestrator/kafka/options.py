"""How to reach the brokers, and which librdkafka options the engine keeps for itself."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from orchestrator.model.refusal import LogRefused

_SERVES_EXACTLY_ONCE: Final = "The engine sets it, because no acknowledged message may be lost."
_SERVES_DURABILITY: Final = "The engine sets it, because a topic made by accident keeps nothing."
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
    "retry.backoff.ms": _SERVES_EXACTLY_ONCE,
    "max.in.flight": _SERVES_EXACTLY_ONCE,
    "max.in.flight.requests.per.connection": _SERVES_EXACTLY_ONCE,
    "queuing.strategy": _SERVES_EXACTLY_ONCE,
    "delivery.report.only.error": _SERVES_EXACTLY_ONCE,
    "allow.auto.create.topics": _SERVES_DURABILITY,
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


@dataclass(frozen=True, slots=True)
class KafkaConnection:
    """The brokers, and what the operator passes on to librdkafka: security, compression, ..."""

    bootstrap: str
    librdkafka: Mapping[str, str] = field(default_factory=dict)
    ca_file: Path | None = None  # of the authority that signed the brokers' certificates

    def security(self) -> dict[str, str]:
        """What the file alone says; what the operator gives besides goes before it."""
        if self.ca_file is None:
            return {}
        has_sasl = any(name.startswith("sasl.") for name in self.librdkafka)
        protocol = "sasl_ssl" if has_sasl else "ssl"
        return {"security.protocol": protocol, "ssl.ca.location": str(self.ca_file)}


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


def client_config(connection: KafkaConnection, client_id: str) -> dict[str, Any]:
    return {
        "reconnect.backoff.max.ms": "1000",
        **connection.security(),
        **connection.librdkafka,
        "bootstrap.servers": connection.bootstrap,
        "client.id": client_id,
        # The default of producers and admins is true: a look at a topic that is gone makes it.
        "allow.auto.create.topics": "false",
    }
