"""The topics of the log: made when they are missing, verified whether they may hold a log."""

import time
from collections.abc import Mapping
from typing import Final

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # not in its __all__
    AclOperation,
    AdminClient,
    ConfigResource,
    NewTopic,
    ResourceType,
    TopicDescription,
)

from orchestrator.kafka.errors import error_of, lacking_rights, refusal_of
from orchestrator.log.kafka.options import KafkaOptions
from orchestrator.log.port import LogRefused

REQUEST_S: Final = 5.0
_APPEARS_S: Final = 10.0
_NEEDED_OPERATIONS: Final = ("READ", "WRITE", "DELETE", "DESCRIBE_CONFIGS")


def ensure_topics(admin: AdminClient, options: KafkaOptions) -> bytes:
    """Make and verify both topics; returns the log's identity.

    Raises `LogRefused` for what an operator must mend, `KafkaException` for what may pass.
    """
    wanted = {options.log_topic: options.partitions, options.meta_topic: 1}
    found = _describe(admin, list(wanted))
    missing = {name: count for name, count in wanted.items() if name not in found}
    if missing:
        _create(admin, options, missing)
        found = _await(admin, list(wanted))
    for name, description in found.items():
        _verify_partitions(description, wanted[name])
        _verify_permissions(description)
    _verify_configs(admin, options, list(wanted))
    cluster = admin.describe_cluster(request_timeout=REQUEST_S).result().cluster_id
    topics = [str(found[name].topic_id) for name in wanted]
    return ":".join([cluster, *topics]).encode()


def _describe(admin: AdminClient, names: list[str]) -> dict[str, TopicDescription]:
    """The topics that exist."""
    asked = admin.describe_topics(
        TopicCollection(names), include_authorized_operations=True, request_timeout=REQUEST_S
    )
    found = {}
    for name, future in asked.items():
        try:
            found[name] = future.result()
        except KafkaException as raised:
            error = error_of(raised)
            if error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                continue
            _refuse(error, f"describe topic {name}")
            raise
    return found


def _await(admin: AdminClient, names: list[str]) -> dict[str, TopicDescription]:
    """Topics just made: they appear on all brokers a little later."""
    give_up = time.monotonic() + _APPEARS_S
    while True:
        found = _describe(admin, names)
        if len(found) == len(names):
            return found
        if time.monotonic() > give_up:
            raise KafkaException(KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART))
        time.sleep(0.05)


def _create(admin: AdminClient, options: KafkaOptions, missing: Mapping[str, int]) -> None:
    config = {
        "cleanup.policy": "delete",
        "retention.ms": "-1",
        "retention.bytes": "-1",
        "max.message.bytes": str(options.batch_bytes_max),
    }
    topics = [
        NewTopic(name, count, options.replication_factor, config=config)
        for name, count in missing.items()
    ]
    for name, future in admin.create_topics(topics, request_timeout=REQUEST_S).items():
        try:
            future.result()
        except KafkaException as raised:
            error = error_of(raised)
            if error.code() == KafkaError.TOPIC_ALREADY_EXISTS:
                continue
            _refuse(error, f"create topic {name}")
            raise


def _verify_partitions(description: TopicDescription, wanted: int) -> None:
    count = len(description.partitions)
    if count != wanted:
        advice = f"Start with --partitions {count}, or give" if wanted > 1 or count < 1 else "Give"
        raise LogRefused(
            "PD0114",
            f"Topic {description.name} has {count} partitions, not {wanted}.",
            f"{advice} another --cluster; the count of a cluster cannot be changed.",
        )


def _verify_permissions(description: TopicDescription) -> None:
    allowed = description.authorized_operations
    if allowed is None:  # brokers that cannot tell
        return
    lacking = [name for name in _NEEDED_OPERATIONS if getattr(AclOperation, name) not in allowed]
    if lacking:
        raise lacking_rights(f"lacks {', '.join(lacking)} on topic {description.name}")


def _verify_configs(admin: AdminClient, options: KafkaOptions, names: list[str]) -> None:
    resources = [ConfigResource(ResourceType.TOPIC, name) for name in names]
    asked = admin.describe_configs(resources, request_timeout=REQUEST_S)
    for resource, future in asked.items():
        try:
            entries = future.result()
        except KafkaException as raised:
            _refuse(error_of(raised), f"see the configuration of topic {resource.name}")
            raise
        values = {name: entry.value for name, entry in entries.items()}
        _verify_config(resource.name, values, options.batch_bytes_max)


def _verify_config(topic: str, values: Mapping[str, str | None], bytes_max: int) -> None:
    for name, wanted in (
        ("cleanup.policy", "delete"),
        ("retention.ms", "-1"),
        ("retention.bytes", "-1"),
    ):
        if values.get(name, wanted) != wanted:
            raise LogRefused(
                "PD0115",
                f"Topic {topic} has {name}={values[name]}: it would delete what is still needed.",
                _alter(topic, name, wanted),
            )
    allowed = values.get("max.message.bytes")
    if allowed is not None and int(allowed) < bytes_max:
        raise LogRefused(
            "PD0115",
            f"Topic {topic} has max.message.bytes={allowed}, but a message may have {bytes_max}.",
            _alter(topic, "max.message.bytes", str(bytes_max)),
        )


def _alter(topic: str, name: str, value: str) -> str:
    return (
        f"Set it: kafka-configs.sh --alter --entity-type topics --entity-name {topic}"
        f" --add-config {name}={value}"
    )


def _refuse(error: KafkaError, doing: str) -> None:
    refusal = refusal_of(error, doing)
    if refusal is not None:
        raise refusal
