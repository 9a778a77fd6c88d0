"""Makes a topic of ours where it is missing. It blocks, and is for threads."""

from collections.abc import Mapping
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # not in its __all__
    AdminClient,
    NewTopic,
)

from orchestrator.kafka.clients import ignored, make_admin
from orchestrator.kafka.errors import REQUEST_S, error_of, text_of


def make_topic(
    config: Mapping[str, Any],
    topic: str,
    partitions: int,
    replication_factor: int,
    settings: Mapping[str, str] | None = None,
) -> str:
    """Why it could not be made; "" if it is there now. Raises OperatingError."""
    wanted = NewTopic(topic, partitions, replication_factor, config=dict(settings or {}))
    try:
        create(make_admin(config, ignored), wanted)
    except KafkaException as raised:
        return text_of(raised)
    return ""


def create(admin: AdminClient, topic: NewTopic) -> bool:
    """False if it was there. Raises KafkaException."""
    try:
        admin.create_topics([topic], request_timeout=REQUEST_S)[topic.topic].result()
    except KafkaException as raised:
        if error_of(raised).code() != KafkaError.TOPIC_ALREADY_EXISTS:
            raise
        return False
    return True
