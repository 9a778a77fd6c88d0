"""The switches of feeds that a partition owes: from what the metadata say to records of it.

A feed that stopped by itself stays so until it is switched off and on again. Dead letters are
published to every broker cluster that is known: its own get those of its topics, the log's also
those of what could not be sent.
"""

from orchestrator.model.lanes import LOG_CLUSTER
from orchestrator.model.own_topics import events_topic, letters_topic, state_topic
from orchestrator.model.rows import PartitionRow
from orchestrator.model.topic_records import SwitchFeed
from orchestrator.model.topics import FEED_EVENTS, FEED_LETTERS, FEED_STATE, FeedTopic
from orchestrator.registry.schema import Registry
from orchestrator.registry.stored_topics import TopicsState


def feed_cluster(topics: TopicsState) -> str:
    """Where feeds are published: the log's brokers, or the only ones there are; "" if neither."""
    if LOG_CLUSTER in topics.clusters:
        return LOG_CLUSTER
    return next(iter(topics.clusters)) if len(topics.clusters) == 1 else ""


def owed_switches(
    registry: Registry, own: PartitionRow, engine: str, epoch: int, now_ms: int
) -> list[SwitchFeed]:
    """What makes the feeds of the partition `own` those that are wanted; where it is not known
    which brokers are meant, those that are on stay as they are. Metadata older than those that
    they follow say nothing."""
    topics, version = registry.topics, registry.version
    if version < own.feeds_version:
        return []
    cluster = feed_cluster(topics)
    owed: list[SwitchFeed] = []
    wanted = (
        FeedTopic(cluster, events_topic(engine), f"/perdure/{engine}")
        if topics.events_feed
        else None
    )
    if wanted != own.events and (wanted is None or cluster):
        owed.append(SwitchFeed(epoch, now_ms, FEED_EVENTS, "", "", wanted, version))
    for service in sorted({*topics.state_feeds, *own.state_feeds}):
        is_on = service in topics.state_feeds
        to = FeedTopic(cluster, state_topic(engine, service)) if is_on else None
        if to != own.state_feeds.get(service) and (to is None or cluster):
            owed.append(SwitchFeed(epoch, now_ms, FEED_STATE, service, "", to, version))
    for name in sorted({*topics.clusters, *own.letter_feeds}):
        to = FeedTopic(name, letters_topic(engine)) if name in topics.clusters else None
        if to != own.letter_feeds.get(name):
            owed.append(SwitchFeed(epoch, now_ms, FEED_LETTERS, "", name, to, version))
    return owed
