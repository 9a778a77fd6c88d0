"""Which sources there should be, from what subscriptions say and brokers know. Pure."""

from collections.abc import Iterator, Mapping

import msgspec

from orchestrator.codec.keys import source_key
from orchestrator.model.ids import partition_of_key, source_partition_key
from orchestrator.model.topics import Source
from orchestrator.registry.stored_topics import GO_ON, StoredStart, StoredSubscription


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
    """A source that should be read. `start` None: from the position of its last generation."""

    key: bytes
    source: Source
    home: int
    start: int | None
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
        start = starts.get((name, topic.topic_id))
        for partition in range(topic.partition_count):
            source = Source(subscription.id, name, topic.topic_id, partition, subscription.cluster)
            home = partition_of_key(source_partition_key(source), partition_count)
            yield WantedSource(
                source_key(source), source, home, _start_of(start, partition), subscription
            )


def _start_of(start: StoredStart | None, partition: int) -> int | None:
    """A partition that was added later starts at its beginning, as does a topic made later."""
    if start is None or partition >= len(start.offsets):
        return 0
    offset = start.offsets[partition]
    return None if offset == GO_ON else offset
