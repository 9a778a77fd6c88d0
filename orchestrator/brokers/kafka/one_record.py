"""One record of a topic, read again by its place. It blocks, and is for threads."""

import time
from collections.abc import Mapping
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from orchestrator.brokers.facts_port import QUESTION_S
from orchestrator.brokers.kafka.configs import MESSAGE_BYTES_MAX
from orchestrator.brokers.kafka.reading import record_of
from orchestrator.brokers.reader_port import InRecord
from orchestrator.kafka.clients import make_consumer

_OF_GROUP = (KafkaError.GROUP_AUTHORIZATION_FAILED,)
_GONE = (KafkaError._PARTITION_EOF, KafkaError._AUTO_OFFSET_RESET)


def fetch_record(
    config: Mapping[str, Any], topic: str, partition: int, offset: int
) -> InRecord | None:
    """None if it is not there any more. Raises KafkaException."""
    more = {
        "group.id": f"{topic}.again",  # never joined, nothing is committed to it
        "enable.auto.commit": "false",
        "isolation.level": "read_committed",
        "auto.offset.reset": "error",
        "enable.partition.eof": "true",
        "receive.message.max.bytes": str(MESSAGE_BYTES_MAX),
        "queued.min.messages": "1",
    }
    consumer = make_consumer({**config, **more})
    try:
        consumer.assign([TopicPartition(topic, partition, offset)])
        message = _polled(consumer)
        error = message.error()
        if error is not None and error.code() not in _GONE:
            raise KafkaException(error)
        return record_of(message) if error is None and message.offset() == offset else None
    finally:
        consumer.close()


def _polled(consumer: Consumer) -> Message:
    """The first that is about the place: the client asks after its group, which nobody needs a
    right to."""
    give_up = time.monotonic() + 2 * QUESTION_S
    while (left_s := give_up - time.monotonic()) > 0:
        message = consumer.poll(left_s)
        error = None if message is None else message.error()
        if message is not None and (error is None or error.code() not in _OF_GROUP):
            return message
    raise KafkaException(KafkaError(KafkaError._TIMED_OUT))
