"""What a subscription may be: sources, sink, name, limits; checked before anything is changed.

Whether a workflow is given keys cannot be known here: a record without one becomes a dead letter.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from orchestrator.kafka.broker_options import GROUP, STARTING, BadOption, check_options
from orchestrator.model.lanes import LOG_CLUSTER
from orchestrator.model.limits import SLOTS_MAX
from orchestrator.model.own_topics import is_no_source
from orchestrator.model.topics import TOPIC_NAME
from orchestrator.model.values import KAFKA
from orchestrator.registry.apply_topics import is_taken
from orchestrator.registry.errors import (
    BAD_SUBSCRIPTION,
    GROUP_IN_USE,
    NAME_TAKEN,
    NO_CLUSTER,
    NO_SUBSCRIPTION,
    OWN_TOPIC,
    TOO_MANY_CLIENTS,
    RegistryError,
)
from orchestrator.registry.schema import Registry
from orchestrator.registry.stored_topics import StoredCluster, StoredSubscription, TopicsState

MAX_IN_FLIGHT_DEFAULT: Final = 1000
TOPICS_MAX: Final = 100  # of a subscription: each is asked for at its creation
SUBSCRIPTIONS_MAX: Final = 1000  # the metadata are one snapshot in memory

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_SOURCE: Final = re.compile(r"(?:kafka://)?([^/]+)/([^/]+)")
_SINK: Final = re.compile(r"(?:service://)?([^/]+)/([^/]+)")
_ID: Final = "sub_1"


class Wanted(msgspec.Struct, frozen=True):
    """What was asked for. Without service and handler it is an ingress topic."""

    cluster: str
    topics: tuple[str, ...]
    service: str
    handler: str
    name: str = ""
    options: dict[str, str] = {}
    max_in_flight: int = MAX_IN_FLIGHT_DEFAULT
    dead_letter_failures: bool = False


def read_sources(texts: Sequence[str], clusters: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """Cluster and topics of `kafka://cluster/topic`, `cluster/topic` or `topic` alone.

    A topic alone is one of the log's cluster, or of the only one there is.
    """
    pairs = [_read_source(text, clusters) for text in texts]
    found = {cluster for cluster, _ in pairs}
    if len(found) != 1:
        raise _bad("its sources are of one broker cluster: make a subscription for each")
    topics = [topic for _, names in pairs for topic in names]
    if len(set(topics)) != len(topics):
        raise _bad("a topic comes twice among its sources")
    if len(topics) > TOPICS_MAX:
        raise _bad(f"it may have {TOPICS_MAX} topics, not {len(topics)}")
    return found.pop(), tuple(topics)


def _read_source(text: str, clusters: Sequence[str]) -> tuple[str, list[str]]:
    match = _SOURCE.fullmatch(text)
    if match is None and "/" in text:
        raise _bad(f"invalid source URI {text[:300]!r}: write kafka://cluster/topic")
    cluster, topics = (match[1], match[2]) if match else (_only(text, clusters), text)
    names = topics.split(",")
    for name in names:
        if not TOPIC_NAME.fullmatch(name) or name in (".", ".."):
            raise _bad(f"invalid source URI {text[:300]!r}: {name[:300]!r} is no name of a topic")
    return cluster, names


def _only(topic: str, clusters: Sequence[str]) -> str:
    if LOG_CLUSTER in clusters:
        return LOG_CLUSTER
    if len(clusters) == 1:
        return clusters[0]
    raise _bad(
        f"which broker cluster has the topic {topic[:300]!r}? Write CLUSTER/TOPIC;"
        f" there {_known(clusters)}"
    )


def source_uri(subscription: StoredSubscription) -> str:
    """As one text; a comma is in no name of a topic."""
    return f"kafka://{subscription.cluster}/{','.join(subscription.topics)}"


def sink_uri(subscription: StoredSubscription) -> str:
    """ "" for an ingress topic, whose records name their targets."""
    if not subscription.service:
        return ""
    return f"service://{subscription.service}/{subscription.handler}"


def read_sink(text: str) -> tuple[str, str]:
    """Service and handler of `service://Service/handler` or `Service/handler`."""
    match = _SINK.fullmatch(text)
    if match is None:
        more = ": the key is that of each record" if text.count("/") > 1 else ""
        raise _bad(f"invalid sink URI {text[:300]!r}: write service://Service/handler{more}")
    return match[1], match[2]


def check_name(what: str, name: str) -> None:
    if not _NAME.fullmatch(name) or name.startswith(_ID):
        raise _bad(
            f"{name[:200]!r} cannot be the name of a {what}: up to 100 letters, digits,"
            " '.', '_' and '-', of which the first is a letter or a digit"
        )


def check_wanted(registry: Registry, wanted: Wanted, engine_cluster: str) -> StoredCluster:
    """The broker cluster; raises RegistryError for what can be known without asking it."""
    topics = registry.topics
    cluster = find_cluster(topics, wanted.cluster)
    for topic in wanted.topics:
        if is_no_source(engine_cluster, topic):
            raise RegistryError(
                OWN_TOPIC, f"the topic {topic!r} belongs to the engine: it cannot be consumed"
            )
    if wanted.service or wanted.handler:
        check_sink(registry, wanted.service, wanted.handler)
    if wanted.name:
        check_name("subscription", wanted.name)
    check_free(topics, wanted.name)
    if len(topics.subscriptions) >= SUBSCRIPTIONS_MAX:
        raise _bad(f"there may be {SUBSCRIPTIONS_MAX} subscriptions")
    check_settings(wanted.options, wanted.max_in_flight)
    return cluster


def check_sink(registry: Registry, service: str, handler: str) -> None:
    found = registry.handler(service, handler)
    uri = f"service://{service}/{handler}"
    if found is None and service == KAFKA:
        raise _bad(
            f"invalid sink URI {uri!r}: {service} is built in, and no sink: let a handler of yours"
            f" call {service}/send"
        )
    if found is None:
        raise _bad(
            f"invalid sink URI {uri[:300]!r}: cannot find service/handler specified in the sink"
            " URI. Register its deployment first"
        )
    if not found.public:
        raise _bad(
            f"invalid sink URI {uri!r}: {service}/{handler} is private, so only other services may"
            " call it: let its service say that it is public"
        )


def check_settings(options: dict[str, str], max_in_flight: int) -> None:
    try:
        check_options(options)
    except BadOption as error:
        raise _bad(str(error)) from None
    if not 0 <= max_in_flight <= SLOTS_MAX:
        raise _bad(
            f"max_in_flight is a number of records up to {SLOTS_MAX}, or 0 for no limit: each of"
            " them is kept with its source"
        )


def check_free(topics: TopicsState, name: str, but: str = "") -> None:
    if is_taken(topics, name, but):
        raise RegistryError(NAME_TAKEN, f"there is a subscription {name!r} already")


def group_of_subscription(one: StoredSubscription, topics: TopicsState, engine: str) -> str:
    """The consumer group that shows its lag: as its options say, or those of its broker cluster;
    else `<cluster>.<subscription>`. `engine` is the name of the engine's cluster."""
    cluster = topics.clusters.get(one.cluster)
    options = dict(cluster.options if cluster is not None else ()) | dict(one.options)
    return options.get(GROUP) or f"{engine}.{one.name or one.id}"


def check_group(topics: TopicsState, made: StoredSubscription, engine: str) -> None:
    """Refuse a group that another subscription of the same topic uses: the two would overwrite
    each other's offsets."""
    group = group_of_subscription(made, topics, engine)
    for one in topics.subscriptions.values():
        is_same = one.cluster == made.cluster and set(one.topics) & set(made.topics)
        if one.id != made.id and is_same and group_of_subscription(one, topics, engine) == group:
            raise RegistryError(
                GROUP_IN_USE,
                f"the subscription {one.name or one.id} commits to the consumer group {group!r},"
                " also for one of these topics: name another group (--option group.id=…)",
            )


def options_of_client(one: StoredSubscription) -> tuple[tuple[str, str], ...]:
    """The options that its client is made with: where it starts and its group concern none."""
    return tuple(pair for pair in one.options if pair[0] not in STARTING)


def clients_of(subscriptions: Iterable[StoredSubscription]) -> int:
    """How many clients read for these: one for each set of options, as often as these read the
    same topic."""
    readings: dict[object, Counter[str]] = defaultdict(Counter)
    for one in subscriptions:
        readings[one.cluster, options_of_client(one)].update(one.topics)
    return sum(max(topics.values()) for topics in readings.values())


def check_clients(topics: TopicsState, made: StoredSubscription, clients_max: int) -> None:
    """Refuse a subscription, or new options of one, that needs one client too many."""
    known = topics.subscriptions
    count = clients_of({**known, made.id: made}.values())
    if count > clients_max and count > clients_of(known.values()):
        raise RegistryError(
            TOO_MANY_CLIENTS,
            f"{count} clients would read topics, {clients_max} are allowed: give subscriptions the"
            " same options, or raise --topic-clients-max",
        )


def find_cluster(topics: TopicsState, name: str) -> StoredCluster:
    found = topics.clusters.get(name)
    if found is None:
        raise RegistryError(
            NO_CLUSTER,
            f"The requested Kafka cluster {name[:200]!r} does not exist;"
            f" there {_known(sorted(topics.clusters))}",
        )
    return found


def find_subscription(topics: TopicsState, text: str) -> StoredSubscription:
    """By id or by name."""
    found = topics.subscriptions.get(text) or next(
        (one for one in topics.subscriptions.values() if text and one.name == text), None
    )
    if found is None:
        raise RegistryError(
            NO_SUBSCRIPTION,
            f"The requested subscription {text[:200]!r} does not exist: perdure subscriptions list"
            " has them",
        )
    return found


def _known(clusters: Sequence[str]) -> str:
    if not clusters:
        return "is none: perdure kafka-clusters create makes one known"
    return f"{'are' if len(clusters) > 1 else 'is'} {', '.join(clusters[:20])}"


def _bad(message: str) -> RegistryError:
    return RegistryError(BAD_SUBSCRIPTION, message)
