"""What the metadata log keeps of broker clusters, subscriptions and feeds.

Kept on disk: never reorder a field; new fields go last with a default. Options are kept as they
were given: a reference like `${NAME}` is resolved only where a client is made.
"""

from typing import Final

import msgspec

from orchestrator.registry.stored import Stored, StoredPairs

"""The name of the broker cluster that a log on Kafka lives on: it exists by itself."""
TAKEN_OVER_MAX: Final = 20  # logs of one broker cluster
GO_ON: Final = -1
"""Instead of an offset, of those that a new generation starts from: the source goes on where it
stands."""
INGRESS_MAX: Final = 100  # ended ones that are remembered


class StoredCluster(Stored, frozen=True):
    """A Kafka cluster known by name; `kafka_id` is its own id, "" if it was never reached."""

    name: str
    options: StoredPairs
    kafka_id: str = ""
    created_at_ms: int = 0


class StoredStart(Stored, frozen=True):
    """Where the sources of one topic start: an offset for each partition from 0.

    `topic_id` is Kafka's, of 16 bytes. A partition beyond `offsets` was added later and starts at
    offset 0, and so does a topic (or a topic made anew, with another id) that has no start.
    `since` are the generations that were to start at these offsets: a source that is as new as that
    goes on where it stands. () is the first generation for all.
    """

    topic: str
    topic_id: bytes
    offsets: tuple[int, ...]
    since: tuple[int, ...] = ()

    def of(self, partition: int) -> tuple[int, int]:
        """Offset and generation of one partition."""
        if partition >= len(self.offsets) or self.offsets[partition] == GO_ON:
            return 0, 1
        return self.offsets[partition], self.since[partition] if self.since else 1


class StoredSubscription(Stored, frozen=True):
    """Topics of a broker cluster that invoke a handler; `id` is minted, `name` may be "".

    Without service and handler the headers of each record name its target: an ingress topic.
    `undecided` is the point to start from while no broker could be asked (`registry/points.py`);
    nothing is read until it is "" and `starts` say what it comes to. `reason` is why it is paused
    or stopped. When `gaps_passed` grows, sources that stand before a gap go past it, once.
    """

    id: str
    name: str
    cluster: str
    topics: tuple[str, ...]
    service: str
    handler: str
    options: StoredPairs = ()
    max_in_flight: int = 0  # of a source; 0 is no limit
    dead_letter_failures: bool = False
    starts: tuple[StoredStart, ...] = ()
    undecided: str = ""
    kafka_id: str = ""  # of the cluster that the offsets belong to
    generation: int = 1
    paused: bool = False
    reason: str = ""
    gaps_passed: int = 0
    created_at_ms: int = 0

    @property
    def is_ingress(self) -> bool:
        return not self.service


class TopicsState(msgspec.Struct, array_like=True, gc=False, forbid_unknown_fields=True):
    """Clusters and feeds by name, subscriptions by id. Its values are immutable."""

    clusters: dict[str, StoredCluster] = msgspec.field(default_factory=dict)
    subscriptions: dict[str, StoredSubscription] = msgspec.field(default_factory=dict)
    events_feed: bool = False
    state_feeds: tuple[str, ...] = ()  # services, sorted
    ended_ingress: tuple[tuple[str, str], ...] = ()
    """Broker cluster and topic of ingress subscriptions that were deleted: no server makes them
    again by itself, since their records would run once more. The latest INGRESS_MAX."""

    taken_over: dict[str, tuple[bytes, ...]] = msgspec.field(default_factory=dict)
    """By broker cluster: identities of logs that are gone, whose ledger there is ours now."""

    def has_ingress(self, cluster: str, topic: str) -> bool:
        """Whether a subscription reads the topic whose records name their targets."""
        return any(
            one.is_ingress and one.cluster == cluster and topic in one.topics
            for one in self.subscriptions.values()
        )
