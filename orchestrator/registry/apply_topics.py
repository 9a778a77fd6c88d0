"""What the records of broker clusters, subscriptions and feeds change. Pure."""

from msgspec.structs import replace

from orchestrator.model.lanes import LOG_CLUSTER
from orchestrator.registry.records import (
    AnyTopicsRecord,
    FeedsSwitched,
    KafkaClusterCreated,
    KafkaClusterDeleted,
    KafkaClusterPatched,
    LedgerTakenOver,
    SubscriptionCreated,
    SubscriptionDecided,
    SubscriptionDeleted,
    SubscriptionPatched,
    SubscriptionPaused,
    SubscriptionResumed,
    SubscriptionSought,
)
from orchestrator.registry.stored_topics import (
    GO_ON,
    INGRESS_MAX,
    TAKEN_OVER_MAX,
    StoredStart,
    StoredSubscription,
    TopicsState,
)


def apply_topics(state: TopicsState, record: AnyTopicsRecord) -> bool:
    """Change `state`; False if there is nothing to change."""
    match record:
        case KafkaClusterCreated(cluster=cluster):
            changed = cluster.name not in state.clusters
            if changed:
                state.clusters[cluster.name] = cluster
        case KafkaClusterPatched(cluster=cluster):
            changed = cluster.name in state.clusters
            if changed:
                state.clusters[cluster.name] = cluster
        case KafkaClusterDeleted(name=name):
            changed = not is_in_use(state, name) and state.clusters.pop(name, None) is not None
        case SubscriptionCreated(subscription=made):
            changed = made.id not in state.subscriptions and not is_taken(state, made.name, made.id)
            if changed:
                state.subscriptions[made.id] = made
                _remember_ingress(state, made, False)
        case FeedsSwitched(events=events, states=states):
            changed = (events, states) != (state.events_feed, state.state_feeds)
            state.events_feed, state.state_feeds = events, states
        case LedgerTakenOver(cluster=at, log=log):
            before = state.taken_over.get(at, ())
            changed = at == LOG_CLUSTER or at in state.clusters
            changed = changed and log not in before
            if changed:
                state.taken_over[at] = (*before, log)[-TAKEN_OVER_MAX:]
        case SubscriptionDeleted(id=gone):
            ended = state.subscriptions.pop(gone, None)
            changed = ended is not None
            if ended is not None:
                _remember_ingress(state, ended, True)
        case _:
            changed = _change_subscription(state, record)
    return changed


def _remember_ingress(state: TopicsState, one: StoredSubscription, has_ended: bool) -> None:
    if not one.is_ingress:
        return
    places = [(one.cluster, topic) for topic in one.topics]
    others = [place for place in state.ended_ingress if place not in places]
    state.ended_ingress = tuple(others + places * has_ended)[-INGRESS_MAX:]


def is_in_use(state: TopicsState, cluster: str) -> bool:
    """Whether a subscription reads topics of that broker cluster."""
    return any(one.cluster == cluster for one in state.subscriptions.values())


def has_feeds(state: TopicsState, cluster: str) -> bool:
    """Whether feeds are, or may be, published to it: without the log's brokers to any.

    The log's brokers are in `Registry.topics` alone: what is kept does not name them.
    """
    is_on = state.events_feed or bool(state.state_feeds)
    return is_on and (cluster == LOG_CLUSTER or LOG_CLUSTER not in state.clusters)


def is_taken(state: TopicsState, name: str, but: str = "") -> bool:
    """Whether a subscription other than that of the id `but` has that name."""
    if not name:
        return False
    return any(one.name == name and one.id != but for one in state.subscriptions.values())


AnySubscriptionChange = (
    SubscriptionPatched
    | SubscriptionPaused
    | SubscriptionResumed
    | SubscriptionSought
    | SubscriptionDecided
)


def _change_subscription(state: TopicsState, record: AnySubscriptionChange) -> bool:
    known = state.subscriptions.get(record.id)
    if known is None or (
        isinstance(record, SubscriptionPatched) and is_taken(state, record.name, record.id)
    ):
        return False
    changed = changed_subscription(known, record)
    state.subscriptions[record.id] = changed
    return changed != known


def changed_subscription(
    known: StoredSubscription, record: AnySubscriptionChange
) -> StoredSubscription:
    """What it is after the record; the same if there is nothing to change."""
    match record:
        case SubscriptionPatched():
            return replace(
                known,
                name=record.name,
                options=record.options,
                max_in_flight=record.max_in_flight,
                dead_letter_failures=record.dead_letter_failures,
            )
        case SubscriptionPaused(reason=reason):
            return replace(known, paused=True, reason=reason)
        case SubscriptionResumed(past_gap=past_gap):
            passed = known.gaps_passed + past_gap
            return replace(known, paused=False, reason="", gaps_passed=passed)
        case SubscriptionSought():
            return replace(
                known,
                starts=_starts_of(known, record.starts, known.generation + 1),
                undecided=record.undecided,
                kafka_id=record.kafka_id,
                generation=known.generation + 1,
            )
        case SubscriptionDecided(generation=generation):
            if not known.undecided or generation != known.generation:
                return known
            starts = _starts_of(known, record.starts, generation)
            return replace(known, starts=starts, undecided="", kafka_id=record.kafka_id)


def _starts_of(
    known: StoredSubscription, decided: tuple[StoredStart, ...], generation: int
) -> tuple[StoredStart, ...]:
    """Those of a generation. What earlier ones said stays where it says GO_ON or nothing: they may
    not have begun, of one that is paused say."""
    before = {one.topic: one for one in known.starts}
    made = []
    for start in decided:
        old = before.pop(start.topic, None)
        if old is None or old.topic_id != start.topic_id:
            old = replace(start, offsets=())
        of = [
            (offset, generation) if offset != GO_ON else old.of(partition)
            for partition, offset in enumerate(start.offsets)
        ]
        since = tuple(named for _, named in of)
        is_first = all(named == 1 for named in since)
        offsets = tuple(offset for offset, _ in of)
        made.append(replace(start, offsets=offsets, since=() if is_first else since))
    return (*made, *before.values())
