"""How broker clusters, subscriptions and feeds are shown: the JSON of the admin API.

Options that hold a secret are shown as `***`.
"""

from orchestrator.admin.views import JsonView, timestamp
from orchestrator.intake.views import SourceView, SubscriptionView, plain_view
from orchestrator.kafka.secrets import shown_options
from orchestrator.registry.stored_topics import (
    GO_ON,
    StoredCluster,
    StoredStart,
    StoredSubscription,
    TopicsState,
)
from orchestrator.registry.subscribe import sink_uri, source_uri


def cluster_view(cluster: StoredCluster, reason: str = "") -> JsonView:
    """`reason`: why its brokers cannot be used now."""
    view: JsonView = {
        "name": cluster.name,
        "properties": shown_options(cluster.options),
        "created_at": timestamp(cluster.created_at_ms),
    }
    if cluster.kafka_id:
        view["kafka_cluster_id"] = cluster.kafka_id
    if reason:
        view["reason"] = reason
    return view


def short_subscription(subscription: StoredSubscription) -> JsonView:
    """What Restate's clients know of one."""
    return {
        "id": subscription.id,
        "source": source_uri(subscription),
        "sink": sink_uri(subscription),
        "options": shown_options(subscription.options),
    }


def subscription_view(
    subscription: StoredSubscription, looked: SubscriptionView | None = None
) -> JsonView:
    """All there is; `starts` by topic, -1 where a source went on."""
    one = subscription
    view = looked or plain_view(one)
    return short_subscription(one) | {
        "name": one.name,
        "cluster": one.cluster,
        "topics": list(one.topics),
        "service": one.service,
        "handler": one.handler,
        "max_in_flight": one.max_in_flight,
        "dead_letter_failures": one.dead_letter_failures,
        "generation": one.generation,
        "starts": {start.topic: _shown(start, one.generation) for start in one.starts},
        "undecided": one.undecided,
        "kafka_cluster_id": one.kafka_id,
        "status": view.status,
        "reason": view.reason,
        "lag": view.lag,
        "group": view.group,
        "group_trouble": view.group_trouble,
        "sources": [_source(source) for source in view.sources],
        "created_at": timestamp(one.created_at_ms),
    }


def _shown(start: StoredStart, generation: int) -> list[int]:
    of = map(start.of, range(len(start.offsets)))
    return [offset if since == generation else GO_ON for offset, since in of]


def _source(view: SourceView) -> JsonView:
    return {
        "topic": view.source.topic,
        "partition": view.source.partition,
        "generation": view.generation,
        "position": view.position,
        "committed": view.committed,
        "live": view.live,
        "end": view.end,
        "lag": view.lag,
        "status": view.status,
        "reason": view.reason,
    }


def feeds_view(topics: TopicsState) -> JsonView:
    return {"events": topics.events_feed, "state": list(topics.state_feeds)}
