"""Which sources there should be, from what subscriptions say and brokers know. Pure."""

from collections.abc import Iterator, Mapping

import msgspec

from orchestrator.codec.keys import source_key
from orchestrator.model.ids import partition_of_key, source_partition_key
from orchestrator.model.topics import Source
from orchestrator.registry.stored_topics import StoredStart, StoredSubscription


class KnownTopic(msgspec.Struct, frozen=True):
    """A topic as the brokers have it now."""

    topic_id: bytes
    partition_count: int
    kafka_id: str = ""  # of the cluster it is on

    def is_of_another(self, kafka_id: str) -> bool:
        """Whether offsets that belong to the Kafka cluster `kafka_id` mean nothing here."""
        return bool(kafka_id and self.kafka_id and kafka_id != self.kafka_id)


KnownTopics = Mapping[tuple[str, str], KnownTopic | None]
"""By (broker cluster, topic); None: there is none. What is not known is not there."""


class WantedSource(msgspec.Struct, frozen=True):
    """A source that should be read, from `start` on; or from where it stands, if its generation is
    at least `goes_on_from`, which is 0 if it begins anew."""

    key: bytes
    source: Source
    home: int
    start: int
    goes_on_from: int
    subscription: StoredSubscription


def wanted_sources(
    subscriptions: Mapping[str, StoredSubscription], known: KnownTopics, partition_count: int
) -> dict[int, dict[bytes, WantedSource]]:
    """By home, then by key. What is paused, or not decided yet, wants none."""
    wanted: dict[int, dict[bytes, WantedSource]] = {}
    for subscription in subscriptions.values():
        if subscription.paused or subscription.undecided:
            continue
        for one in _sources_of(subscription, known, partition_count):
            wanted.setdefault(one.home, {})[one.key] = one
    return wanted


def _sources_of(
    subscription: StoredSubscription, known: KnownTopics, partition_count: int
) -> Iterator[WantedSource]:
    starts = {(start.topic, start.topic_id): start for start in subscription.starts}
    for name in subscription.topics:
        topic = known.get((subscription.cluster, name))
        if topic is None or topic.is_of_another(subscription.kafka_id):
            continue
        start = starts.get((name, topic.topic_id), StoredStart(name, topic.topic_id, ()))
        for partition in range(topic.partition_count):
            source = Source(subscription.id, name, topic.topic_id, partition, subscription.cluster)
            home = partition_of_key(source_partition_key(source), partition_count)
            offset, since = start.of(partition)
            goes_on_from = since if since < subscription.generation else 0
            yield WantedSource(source_key(source), source, home, offset, goes_on_from, subscription)
