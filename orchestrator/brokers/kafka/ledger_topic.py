"""The topic `<cluster>.ledger` of a broker cluster: made when it is missing, verified, read.

Everything here blocks, and is for threads.
"""

import time
from typing import Final

from confluent_kafka import (
    Consumer,
    KafkaError,
    KafkaException,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # not in its __all__
    AdminClient,
    ConfigResource,
    NewTopic,
    ResourceType,
)

from orchestrator.brokers.kafka.configs import WriterOptions, ledger_reader_config
from orchestrator.brokers.kafka.making import create
from orchestrator.brokers.kafka.undecided import Undecided
from orchestrator.brokers.ledger import ForeignEntry, UnreadableLedger, note_entry
from orchestrator.kafka.clients import OnError, make_admin, make_consumer
from orchestrator.kafka.errors import REQUEST_S, TOPIC_APPEARS_S, error_of

SEGMENT_BYTES: Final = 1 << 20
SEGMENT_MS: Final = 10 * 60_000
"""Compaction leaves the segment that is written: a small one is soon read."""

_CONFIG: Final = {
    "cleanup.policy": "compact",
    "segment.bytes": str(SEGMENT_BYTES),
    "segment.ms": str(SEGMENT_MS),
    "min.cleanable.dirty.ratio": "0.1",
}
_READ_S: Final = 20.0


class LedgerUnusable(Exception):
    """The ledger's topic is not as it must be; the text says what to do."""


def ensure_ledger(options: WriterOptions, on_error: OnError) -> None:
    """Raises LedgerUnusable, KafkaException."""
    admin = make_admin(options.client(), on_error)
    give_up = time.monotonic() + TOPIC_APPEARS_S
    count = _partition_count(admin, options.ledger_topic)
    if count is None:
        _create(admin, options)
    while count is None:
        if time.monotonic() > give_up:
            raise LedgerUnusable(f"topic {options.ledger_topic} was made and did not appear")
        time.sleep(0.05)
        count = _partition_count(admin, options.ledger_topic)
    if count != options.partitions:
        raise LedgerUnusable(
            f"topic {options.ledger_topic} has {count} partitions, not {options.partitions}:"
            " it is another cluster's; give this one another --cluster"
        )
    _verify(admin, options.ledger_topic)


def _partition_count(admin: AdminClient, topic: str) -> int | None:
    asked = admin.describe_topics(TopicCollection([topic]), request_timeout=REQUEST_S)
    try:
        return len(asked[topic].result().partitions)
    except KafkaException as raised:
        if error_of(raised).code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
            return None
        raise


def _create(admin: AdminClient, options: WriterOptions) -> None:
    topic = NewTopic(
        options.ledger_topic, options.partitions, options.replication_factor, config=dict(_CONFIG)
    )
    create(admin, topic)


def _verify(admin: AdminClient, topic: str) -> None:
    """With another policy it would lose entries, or grow without end."""
    resource = ConfigResource(ResourceType.TOPIC, topic)
    try:
        asked = admin.describe_configs([resource], request_timeout=REQUEST_S)
        entries = asked[resource].result()
    except KafkaException as raised:
        if error_of(raised).code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
            return  # the right to see it is not needed to use it
        raise
    values = {name: entry.value for name, entry in entries.items()}
    for name, most in (("segment.bytes", SEGMENT_BYTES), ("segment.ms", SEGMENT_MS)):
        if int(values.get(name, most)) > most:
            _refuse(topic, name, values[name], str(most))
    if values.get("cleanup.policy", "compact") != "compact":
        _refuse(topic, "cleanup.policy", values["cleanup.policy"], "compact")


def _refuse(topic: str, name: str, found: str, wanted: str) -> None:
    raise LedgerUnusable(
        f"topic {topic} has {name}={found}; set it: kafka-configs.sh --alter --entity-type topics"
        f" --entity-name {topic} --add-config {name}={wanted}"
    )


def read_ledger(options: WriterOptions, undecided: Undecided) -> dict[int, int]:
    """The last row of each lane that has left, up to the end as of now; call it once all earlier
    writers are fenced. Raises ForeignEntry, UnreadableLedger, LedgerUnusable, KafkaException,
    OperatingError."""
    reasons = undecided.look([(options.ledger_topic, options.partition)])
    if reasons:
        raise LedgerUnusable(reasons[options.ledger_topic])
    consumer = make_consumer(ledger_reader_config(options))
    try:
        place = TopicPartition(options.ledger_topic, options.partition)
        # The end is that of what is decided, as the consumer reads no further: which is all.
        low, end = consumer.get_watermark_offsets(place, timeout=REQUEST_S, cached=False)
        return _read(consumer, options, low, end) if low < end else {}
    finally:
        consumer.close()


def _read(consumer: Consumer, options: WriterOptions, low: int, end: int) -> dict[int, int]:
    consumer.assign([TopicPartition(options.ledger_topic, options.partition, low)])
    last: dict[int, int] = {}
    give_up = time.monotonic() + _READ_S
    while True:
        message = consumer.poll(0.5)
        if time.monotonic() > give_up:
            raise LedgerUnusable(f"topic {options.ledger_topic} could not be read to its end")
        if message is None:
            continue
        error = message.error()
        if error is None:
            note_entry(options.identity, options.taken_over, message.key(), message.value(), last)
        elif error.code() != KafkaError._PARTITION_EOF:
            raise KafkaException(error)
        elif (message.offset() or 0) >= end:
            return last


__all__ = ["ForeignEntry", "LedgerUnusable", "UnreadableLedger", "ensure_ledger", "read_ledger"]
