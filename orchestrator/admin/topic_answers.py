"""What answers about topics, feeds and dead letters are like: see `answers`."""

from typing import Literal

from orchestrator.admin.answers import AdminAnswer


class SimpleKafkaClusterResponse(AdminAnswer, kw_only=True):
    """A broker cluster; secrets are `***`. `reason`: why it cannot be used now."""

    name: str
    properties: dict[str, str]
    created_at: str
    kafka_cluster_id: str | None = None
    reason: str | None = None


class ListKafkaClustersResponse(AdminAnswer, kw_only=True):
    """All broker clusters."""

    clusters: list[SimpleKafkaClusterResponse]


class SubscriptionResponse(AdminAnswer, kw_only=True):
    """A subscription as Restate's clients know it."""

    id: str
    source: str
    sink: str
    options: dict[str, str]


class KafkaClusterResponse(SimpleKafkaClusterResponse, kw_only=True):
    """A broker cluster with its subscriptions."""

    subscriptions: list[SubscriptionResponse]


class ListSubscriptionsResponse(AdminAnswer, kw_only=True):
    """All subscriptions."""

    subscriptions: list[SubscriptionResponse]


class SourceStatus(AdminAnswer, kw_only=True):
    """One partition of a topic. `position` is the next offset that is read, below `committed`
    nothing is under way, `live` are under way. `end` and `lag`, in records, are null until the
    brokers have said where the topic ends."""

    topic: str
    partition: int
    generation: int
    position: int
    committed: int
    live: int
    end: int | None
    lag: int | None
    status: Literal["active", "retrying", "stopped", "paused", "undecided", "gone"]
    reason: str


class PerdureSubscription(SubscriptionResponse, kw_only=True):
    """A subscription and how it stands. `starts` are first offsets by topic, -1 where a source went
    on; `undecided` is where it is to start once its brokers can be asked; `lag` is in records, null
    if that of one source is not known; `group` is the consumer group that shows it to Kafka's
    tools, `group_trouble` why it does not."""

    name: str
    cluster: str
    topics: list[str]
    service: str
    handler: str
    max_in_flight: int
    dead_letter_failures: bool
    generation: int
    starts: dict[str, list[int]]
    undecided: str
    kafka_cluster_id: str
    status: Literal["active", "retrying", "stopped", "paused", "undecided"]
    reason: str
    lag: int | None
    group: str
    group_trouble: str
    sources: list[SourceStatus]
    created_at: str


class ListPerdureSubscriptions(AdminAnswer, kw_only=True):
    """All subscriptions and how they stand, the oldest first."""

    subscriptions: list[PerdureSubscription]


class FeedsResponse(AdminAnswer, kw_only=True):
    """Whether the life of invocations is published, and of which services the state is."""

    events: bool
    state: list[str]


class RedrivenLetter(AdminAnswer, kw_only=True):
    """A dead letter that is gone, and the invocation that was made of it."""

    id: str
    invocation_id: str
