"""Which topics the user of a broker cluster may not write. It blocks, and is for threads."""

from collections.abc import Collection

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AclOperation  # type: ignore[attr-defined]  # not in its __all__

from orchestrator.brokers.kafka.configs import WriterOptions
from orchestrator.kafka.clients import ignored, make_admin
from orchestrator.kafka.errors import REQUEST_S, error_of


def forbidden_topics(options: WriterOptions, topics: Collection[str]) -> set[str]:
    """Those that may not be written, as the brokers say now; of one that is gone they say nothing.
    Raises KafkaException, OperatingError."""
    admin = make_admin(options.client(), ignored)
    asked = admin.describe_topics(
        TopicCollection(list(topics)),
        include_authorized_operations=True,
        request_timeout=REQUEST_S,
    )
    forbidden = set()
    for topic, future in asked.items():
        try:
            allowed = future.result().authorized_operations or ()
        except KafkaException as raised:
            code = error_of(raised).code()
            if code == KafkaError.UNKNOWN_TOPIC_OR_PART:
                continue
            if code != KafkaError.TOPIC_AUTHORIZATION_FAILED:
                raise
            allowed = ()
        if AclOperation.WRITE not in allowed:
            forbidden.add(topic)
    return forbidden
