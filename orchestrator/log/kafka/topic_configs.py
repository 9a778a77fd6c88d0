"""Whether a topic is configured so that it may hold a log."""

import logging
from collections.abc import Mapping
from typing import Final

from confluent_kafka import KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # not in its __all__
    AdminClient,
    ConfigResource,
    ResourceType,
    TopicDescription,
)

from orchestrator.kafka.errors import REQUEST_S, error_of, refuse
from orchestrator.log.kafka.options import KafkaOptions
from orchestrator.log.port import LogRefused

REPLICAS_FOR_TWO: Final = 3
"""With so many replicas one may be down, and each acknowledgement still stands for two copies."""

_LOG = logging.getLogger("perdure.log")
_WANTED: Final = (
    ("cleanup.policy", "delete", "it would delete what is still needed"),
    ("retention.ms", "-1", "it would delete what is still needed"),
    ("retention.bytes", "-1", "it would delete what is still needed"),
    ("unclean.leader.election.enable", "false", "it would forget what it has acknowledged"),
)


def verify_configs(
    admin: AdminClient, options: KafkaOptions, topics: Mapping[str, TopicDescription]
) -> None:
    """Raises `LogRefused` for what would lose data, and warns of what may."""
    resources = [ConfigResource(ResourceType.TOPIC, name) for name in topics]
    asked = admin.describe_configs(resources, request_timeout=REQUEST_S)
    for resource, future in asked.items():
        try:
            entries = future.result()
        except KafkaException as raised:
            refuse(error_of(raised), f"see the configuration of topic {resource.name}")
            raise
        values = {name: entry.value for name, entry in entries.items()}
        _verify_config(resource.name, values, options.batch_bytes_max)
        replicas = min(len(one.replicas) for one in topics[resource.name].partitions)
        _verify_copies(resource.name, values.get("min.insync.replicas"), replicas)


def _verify_config(topic: str, values: Mapping[str, str | None], bytes_max: int) -> None:
    for name, wanted, why in _WANTED:
        if values.get(name, wanted) != wanted:
            raise _refused(f"Topic {topic} has {name}={values[name]}: {why}.", topic, name, wanted)
    allowed = values.get("max.message.bytes")
    if allowed is not None and int(allowed) < bytes_max:
        raise _refused(
            f"Topic {topic} has max.message.bytes={allowed}, but a message may have {bytes_max}.",
            topic,
            "max.message.bytes",
            str(bytes_max),
        )


def _verify_copies(topic: str, needed: str | None, replicas: int) -> None:
    """An acknowledgement stands for `min.insync.replicas` copies."""
    copies = int(needed or 1)
    if copies > replicas:
        raise _refused(
            f"Topic {topic} has {replicas} replicas, but min.insync.replicas={copies}: nothing"
            " could be written to it.",
            topic,
            "min.insync.replicas",
            str(max(1, replicas - 1)),
        )
    if copies < 2 and replicas >= REPLICAS_FOR_TWO:
        _LOG.warning(
            "PD0115: Topic %s has %d replicas, but min.insync.replicas=1: what was acknowledged may"
            " be lost with one broker. %s",
            topic,
            replicas,
            _alter(topic, "min.insync.replicas", "2"),
        )
    elif replicas < 2:
        _LOG.info("Topic %s has a single replica: its log is lost with that broker.", topic)


def _refused(message: str, topic: str, name: str, wanted: str) -> LogRefused:
    return LogRefused("PD0115", message, _alter(topic, name, wanted))


def _alter(topic: str, name: str, value: str) -> str:
    return (
        f"Set it: kafka-configs.sh --alter --entity-type topics --entity-name {topic}"
        f" --add-config {name}={value}"
    )
