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


Values = Mapping[str, str | None]


def verify_configs(
    admin: AdminClient, options: KafkaOptions, topics: Mapping[str, TopicDescription]
) -> None:
    """Raises `LogRefused` for what would lose data, all of it at once; warns of what may."""
    found = _values_of(admin, topics)
    refusal = _refusal(options, topics, found)
    if refusal is not None:
        raise refusal
    for name, values in found.items():
        _warn_of_copies(options, name, values, _replicas(topics[name]))


def config_refusal(
    admin: AdminClient, options: KafkaOptions, topics: Mapping[str, TopicDescription]
) -> LogRefused | None:
    """What would lose data, if anything; may raise `KafkaException`, `LogRefused`."""
    return _refusal(options, topics, _values_of(admin, topics))


def _values_of(admin: AdminClient, topics: Mapping[str, TopicDescription]) -> dict[str, Values]:
    """The configuration of each topic."""
    resources = [ConfigResource(ResourceType.TOPIC, name) for name in topics]
    asked = admin.describe_configs(resources, request_timeout=REQUEST_S)
    found: dict[str, Values] = {}
    for resource, future in asked.items():
        try:
            entries = future.result()
        except KafkaException as raised:
            refuse(error_of(raised), f"see the configuration of topic {resource.name}")
            raise
        found[resource.name] = {name: entry.value for name, entry in entries.items()}
    return found


def _refusal(
    options: KafkaOptions, topics: Mapping[str, TopicDescription], found: Mapping[str, Values]
) -> LogRefused | None:
    said: list[str] = []
    wanted: dict[str, dict[str, str]] = {}
    for topic, values in found.items():
        faults = _faults(values, options.batch_bytes_max, _replicas(topics[topic]))
        if faults:
            each = (f"{name}={values[name]} ({why})" for name, _, why in faults)
            said.append(f"Topic {topic} has {', '.join(each)}.")
            wanted[topic] = {name: value for name, value, _ in faults}
    return LogRefused("PD0115", " ".join(said), _alter(options, wanted)) if said else None


def _replicas(topic: TopicDescription) -> int:
    return min(len(one.replicas) for one in topic.partitions)


def _faults(values: Values, bytes_max: int, replicas: int) -> list[tuple[str, str, str]]:
    """Name, value as it should be, and why."""
    faults = [one for one in _WANTED if values.get(one[0], one[1]) != one[1]]
    allowed = values.get("max.message.bytes")
    if allowed is not None and int(allowed) < bytes_max:
        faults.append(("max.message.bytes", str(bytes_max), f"a message may have {bytes_max}"))
    if _copies(values) > replicas:
        enough = str(max(1, replicas - 1))
        why = f"it has {replicas} replicas, so nothing could be written"
        faults.append(("min.insync.replicas", enough, why))
    return faults


def _copies(values: Values) -> int:
    """What an acknowledgement stands for."""
    return int(values.get("min.insync.replicas") or 1)


def _warn_of_copies(options: KafkaOptions, topic: str, values: Values, replicas: int) -> None:
    if _copies(values) < 2 and replicas >= REPLICAS_FOR_TWO:
        _LOG.warning(
            "PD0115: Topic %s has %d replicas, but min.insync.replicas=1: what was acknowledged may"
            " be lost with one broker. %s",
            topic,
            replicas,
            _alter(options, {topic: {"min.insync.replicas": "2"}}),
        )
    elif replicas < 2:
        _LOG.info("Topic %s has a single replica: its log is lost with that broker.", topic)


def _alter(options: KafkaOptions, wanted: Mapping[str, Mapping[str, str]]) -> str:
    """Commands to type as they stand; brokers that ask for credentials want --command-config."""
    lines = (
        f"kafka-configs.sh --bootstrap-server {options.bootstrap} --alter --entity-type topics"
        f" --entity-name {topic}"
        f" --add-config {','.join(f'{name}={value}' for name, value in values.items())}"
        for topic, values in wanted.items()
    )
    return f"Set it, and start again: {'; '.join(lines)}"
