"""The topics of the log: made when they are missing, verified whether they may hold a log."""

import time
from collections.abc import Mapping
from typing import Final

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # not in its __all__
    AclOperation,
    AdminClient,
    NewTopic,
    TopicDescription,
)

from orchestrator.kafka.errors import REQUEST_S, TOPIC_APPEARS_S, error_of, lacking_rights, refuse
from orchestrator.log.kafka.options import OWN_DIRECTORY, KafkaOptions
from orchestrator.log.kafka.topic_configs import REPLICAS_FOR_TWO, verify_configs
from orchestrator.log.known import LogGone, verify_known
from orchestrator.log.port import LogRefused

LOOKS: Final = 3
LOOK_AGAIN_S: Final = 0.5
"""A broker that has just started may not know of a topic yet: only repeated looks count."""

_NEEDED_OPERATIONS: Final = ("READ", "WRITE", "DESCRIBE_CONFIGS")


def ensure_topics(admin: AdminClient, options: KafkaOptions) -> bytes:
    """Make and verify both topics; returns the log's identity.

    Raises `LogRefused` for what an operator must mend, `KafkaException` for what may pass.
    """
    wanted = {options.log_topic: options.partitions, options.meta_topic: 1}
    found = describe(admin, list(wanted))
    missing = {name: count for name, count in wanted.items() if name not in found}
    if missing and options.known is not None:
        missing = _confirm_missing(admin, missing)
        if missing:
            raise LogGone(options.known, f"there is no topic {' and no topic '.join(missing)}")
        found = describe(admin, list(wanted))
    if missing:
        _create(admin, options, missing)
        found = _await(admin, list(wanted))
    for name, description in found.items():
        _verify_partitions(description, wanted[name], options)
        _verify_permissions(description)
    cluster = admin.describe_cluster(request_timeout=REQUEST_S).result().cluster_id
    topics = [str(found[name].topic_id) for name in wanted]
    identity = ":".join([cluster, *topics]).encode()
    verify_known(options.known, identity)
    verify_configs(admin, options, found)
    return identity


def _confirm_missing(admin: AdminClient, missing: Mapping[str, int]) -> dict[str, int]:
    """A broker that has just started may not know of a topic yet."""
    for _ in range(LOOKS):
        time.sleep(LOOK_AGAIN_S)
        found = describe(admin, list(missing))
        missing = {name: count for name, count in missing.items() if name not in found}
    return dict(missing)


def describe(admin: AdminClient, names: list[str]) -> dict[str, TopicDescription]:
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
            refuse(error, f"describe topic {name}")
            raise
    return found


def _await(admin: AdminClient, names: list[str]) -> dict[str, TopicDescription]:
    """Topics just made: they appear on all brokers a little later."""
    give_up = time.monotonic() + TOPIC_APPEARS_S
    while True:
        found = describe(admin, names)
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
        "unclean.leader.election.enable": "false",
    }
    if options.replication_factor >= REPLICAS_FOR_TWO:
        config["min.insync.replicas"] = "2"
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
            refuse(error, f"create topic {name}")
            raise


def _verify_partitions(description: TopicDescription, wanted: int, options: KafkaOptions) -> None:
    count = len(description.partitions)
    if count == wanted:
        return
    name, the, began = description.name, "", ""
    anew = f"give another --cluster{OWN_DIRECTORY}"
    if options.known is not None:
        the = "the "
        began = " that this cluster began with: partitions were added, and Kafka takes none away"
        advice = f"Bring the topic back as it was, from a copy; or {anew}."
    elif name == options.meta_topic:
        delete = f"kafka-topics.sh --bootstrap-server {options.bootstrap} --delete --topic {name}"
        advice = f"If nothing is in it, delete it, and it is made right: {delete}. Else {anew}."
    else:
        advice = f"Start with --partitions {count}, or {anew}."
    raise LogRefused(
        "PD0114", f"Topic {name} has {count} partitions, not {the}{wanted}{began}.", advice
    )


def _verify_permissions(description: TopicDescription) -> None:
    allowed = description.authorized_operations
    if allowed is None:  # brokers that do not answer which rights there are
        return
    lacking = [name for name in _NEEDED_OPERATIONS if AclOperation[name] not in allowed]
    if lacking:
        raise lacking_rights(f"lacks {', '.join(lacking)} on topic {description.name}")
