"""How subscriptions and their sources stand, for people: positions, lag, why nothing is read."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Final

import msgspec
from msgspec.structs import replace

from orchestrator.codec.keys import source_key
from orchestrator.door.refusals import Refused
from orchestrator.door.targets import find_public_handler
from orchestrator.intake.broker_topics import BrokerTopics
from orchestrator.intake.group_commits import GroupCommits
from orchestrator.intake.read_status import (
    ACTIVE,
    GONE,
    PAUSED,
    RETRYING,
    STOPPED,
    UNDECIDED,
    ReadStatus,
)
from orchestrator.intake.reading import SourceReading
from orchestrator.model.rows import SourceRow
from orchestrator.model.topics import Source
from orchestrator.registry.schema import Registry
from orchestrator.registry.stored_topics import StoredSubscription

_WORST_FIRST: Final = (STOPPED, RETRYING)


class SourceView(msgspec.Struct, frozen=True):
    """`position` is the next offset that is taken, below `committed` nothing is under way. `end`
    and `lag` are None until the brokers have said where the topic ends, and while the source is to
    be moved, as of a paused subscription; records that were never committed, or were compacted
    away, count in the lag."""

    key: bytes
    source: Source
    generation: int
    position: int
    committed: int
    live: int
    end: int | None
    status: str
    reason: str

    @property
    def lag(self) -> int | None:
        return None if self.end is None else max(0, self.end - self.position)


class SubscriptionView(msgspec.Struct, frozen=True):
    """`lag` is in records, of all sources that are led here; None if one is not known. `group` is
    the consumer group that shows it to Kafka's tools, `group_trouble` why it does not."""

    status: str
    reason: str
    lag: int | None = None
    sources: tuple[SourceView, ...] = ()
    group: str = ""
    group_trouble: str = ""


SubscriptionViews = Mapping[str, SubscriptionView]
LookAtSubscriptions = Callable[[], Awaitable[SubscriptionViews]]
"""By id, as they are now; brokers are asked where topics end."""


def plain_view(subscription: StoredSubscription) -> SubscriptionView:
    """What the metadata alone say of one."""
    status = PAUSED if subscription.paused else UNDECIDED if subscription.undecided else ACTIVE
    return SubscriptionView(status, subscription.reason)


def source_view(
    row: SourceRow,
    reading: SourceReading | None,
    subscription: StoredSubscription,
    topics: BrokerTopics,
) -> SourceView:
    source = row.source
    plain = plain_view(subscription)
    read_status = ReadStatus(plain.status, plain.reason)
    if read_status.status == ACTIVE:
        read_status = _unread(source, subscription, topics) if reading is None else reading.status()
    return SourceView(
        source_key(source),
        source,
        row.generation,
        row.position,
        row.live[0] if row.live else row.position,
        len(row.live),
        topics.end(source) if row.generation == subscription.generation else None,
        read_status.status,
        read_status.reason,
    )


def _unread(source: Source, subscription: StoredSubscription, topics: BrokerTopics) -> ReadStatus:
    """Why a source is not read that has a row."""
    at = source.cluster, source.topic
    if at not in topics.known:
        trouble = topics.refused.get(at) or topics.troubles.get(source.cluster, "")
        return ReadStatus(RETRYING if trouble else ACTIVE, trouble)
    known = topics.known[at]
    if known is None:
        return ReadStatus(STOPPED, f"the topic {source.topic} is gone")
    if known.is_of_another(subscription.kafka_id):
        return ReadStatus(STOPPED, _other_brokers(subscription, known.kafka_id))
    if known.topic_id != source.topic_id:
        said = f"the topic {source.topic} was deleted, and another one made: it is another source"
        return ReadStatus(GONE, said)
    return ReadStatus(ACTIVE)


def _other_brokers(subscription: StoredSubscription, kafka_id: str) -> str:
    return (
        f"these are the brokers of another Kafka cluster ({kafka_id}, not {subscription.kafka_id}):"
        " its offsets mean nothing here. Mend the options of the broker cluster, or say where to"
        " begin: perdure subscriptions replay"
    )


def subscription_views(
    registry: Registry,
    topics: BrokerTopics,
    sources: Iterable[SourceView],
    commits: GroupCommits,
) -> dict[str, SubscriptionView]:
    """Of all there are, by id."""
    of: dict[str, list[SourceView]] = {}
    for view in sources:
        of.setdefault(view.source.subscription, []).append(view)
    return {
        one.id: replace(
            _view(one, of.get(one.id, []), registry, topics),
            group=commits.group(one),
            group_trouble=commits.troubles.get(one.id, ""),
        )
        for one in registry.topics.subscriptions.values()
    }


def _view(
    one: StoredSubscription, sources: list[SourceView], registry: Registry, topics: BrokerTopics
) -> SubscriptionView:
    sources.sort(key=lambda view: (view.source.topic, view.source.partition, view.status == GONE))
    plain = plain_view(one)
    read_status = ReadStatus(plain.status, plain.reason)
    if read_status.status == ACTIVE:
        read_status = _worst(one, sources, registry, topics)
    elif read_status.status == UNDECIDED:
        read_status = ReadStatus(UNDECIDED, topics.troubles.get(one.cluster, ""))
    lags = [view.lag for view in sources if view.status != GONE]
    known = [lag for lag in lags if lag is not None]
    lag = sum(known) if lags and len(known) == len(lags) else None
    return SubscriptionView(read_status.status, read_status.reason, lag, tuple(sources))


def _worst(
    one: StoredSubscription, sources: list[SourceView], registry: Registry, topics: BrokerTopics
) -> ReadStatus:
    """The status of a subscription: the worst of its sources, with the reason."""
    if one.service:
        try:
            find_public_handler(registry, one.service, one.handler)
        except Refused as refused:
            return ReadStatus(STOPPED, refused.refusal.message)
    for status in _WORST_FIRST:
        found = [view for view in sources if view.status == status]
        if found:
            more = f" (and {len(found) - 1} more sources)" if len(found) > 1 else ""
            return ReadStatus(status, found[0].reason + more)
    trouble = topics.troubles.get(one.cluster)
    if trouble is not None:
        return ReadStatus(RETRYING, trouble)
    return _missing(one, topics) or ReadStatus(
        ACTIVE, next((view.reason for view in sources if view.reason and view.status == ACTIVE), "")
    )


def _missing(one: StoredSubscription, topics: BrokerTopics) -> ReadStatus | None:
    """Why a topic has no source yet: it does not exist, or is on another Kafka cluster."""
    for name in one.topics:
        at = one.cluster, name
        if at in topics.refused:
            return ReadStatus(RETRYING, topics.refused[at])
        known = topics.known.get(at)
        if known is not None and known.is_of_another(one.kafka_id):
            return ReadStatus(STOPPED, _other_brokers(one, known.kafka_id))
        if known is None and at in topics.known:
            said = f"there is no topic {name}: it is read from its beginning once there is"
            return ReadStatus(ACTIVE, said)
    return None
