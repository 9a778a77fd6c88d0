"""Commits offsets to the consumer groups of subscriptions, so that Kafka's tools show the lag. They
are never read back, so a commit that fails stops nothing: it is shown, and tried again. What moves
is only noted; every few seconds those that moved are committed, one after the other.
"""

from collections.abc import Callable
from functools import partial
from typing import Final, Protocol

from orchestrator.brokers.groups_port import GroupOffsets
from orchestrator.registry.schema import Registry
from orchestrator.registry.stored import StoredPairs
from orchestrator.registry.stored_topics import StoredCluster, StoredSubscription, TopicsState
from orchestrator.registry.subscribe import group_of_subscription
from orchestrator.runtime.scheduler import Scheduler, Timer

EVERY_S: Final = 5.0  # a group is committed to no more often
BETWEEN_S: Final = 0.5  # each commit costs milliseconds of CPU: this bounds what many sources cost
AGAIN_S: Final = 30.0  # pause after a commit that failed

OpenGroups = Callable[[StoredCluster, StoredPairs], GroupOffsets]
"""Groups of a broker cluster, with options of a subscription beside the cluster's own."""


class MovedSource(Protocol):
    """A source whose position has changed, or what is under way of it."""

    def committed(self) -> tuple[str, int, int] | None:
        """Topic, partition, and the offset below all that is under way; None: it is not read."""
        ...


class GroupCommits:
    """Of one node. A broker cluster that is away holds up no other."""

    def __init__(
        self,
        registry: Callable[[], Registry],
        open_groups: OpenGroups,
        scheduler: Scheduler,
        engine: str,
    ) -> None:
        self._registry = registry
        self._open_groups = open_groups
        self._scheduler = scheduler
        self._engine = engine
        self._clusters: dict[str, _ClusterCommits] = {}
        self.troubles: dict[str, str] = {}  # by subscription: why nothing could be committed

    def moved(self, one: StoredSubscription, source: MovedSource) -> None:
        """The source has moved. Called for each portion, so it only notes that."""
        commits = self._clusters.get(one.cluster)
        if commits is None:
            commits = self._clusters[one.cluster] = _ClusterCommits(self, one.cluster)
        commits.moved(one.id, source)

    def close(self) -> None:
        for commits in self._clusters.values():
            commits.close()

    # for its clusters

    def topics(self) -> TopicsState:
        return self._registry().topics

    def later(self, delay_s: float, call: Callable[[], None]) -> Timer:
        return self._scheduler.call_later(delay_s, call)

    def open(self, cluster: StoredCluster, options: StoredPairs) -> GroupOffsets:
        return self._open_groups(cluster, options)

    def group(self, one: StoredSubscription) -> str:
        return group_of_subscription(one, self.topics(), self._engine)


class _ClusterCommits:
    """Of one broker cluster: one commit at a time."""

    def __init__(self, node: GroupCommits, name: str) -> None:
        self._node = node
        self._name = name
        self._moved: dict[str, set[MovedSource]] = {}  # by subscription
        self._due: list[str] = []
        self._cluster: StoredCluster | None = None  # that the groups are of
        self._groups: dict[StoredPairs, GroupOffsets] = {}
        self._is_busy = False
        self._is_closed = False

    def moved(self, subscription: str, source: MovedSource) -> None:
        sources = self._moved.get(subscription)
        if sources is None:
            sources = self._moved[subscription] = set()
            self._begin_later()
        sources.add(source)

    def close(self) -> None:
        self._is_closed = True
        self._close_groups()

    def _close_groups(self) -> None:
        for groups in self._groups.values():
            groups.close()
        self._groups.clear()

    def _begin_later(self) -> None:
        if not self._is_busy:
            self._is_busy = True
            self._node.later(EVERY_S, self._begin)

    def _begin(self) -> None:
        self._due = list(self._moved)
        self._next()

    def _next(self) -> None:
        """Commit the next group. Those that move meanwhile wait for the next round."""
        while self._due and not self._is_closed:
            subscription = self._due.pop()
            sources = self._moved.pop(subscription)
            if self._commit(subscription, sources):
                return
        self._is_busy = False
        if self._moved and not self._is_closed:
            self._begin_later()

    def _commit(self, subscription: str, sources: set[MovedSource]) -> bool:
        """False if there is nothing to commit."""
        topics = self._node.topics()
        one = topics.subscriptions.get(subscription)
        cluster = topics.clusters.get(self._name)
        offsets = _offsets(sources)
        if one is None or cluster is None or not offsets:
            self._node.troubles.pop(subscription, None)
            return False
        if cluster != self._cluster:
            self._close_groups()
            self._cluster = cluster
        groups = self._groups.get(one.options)
        if groups is None:
            groups = self._groups[one.options] = self._node.open(cluster, one.options)
        done = partial(self._committed, subscription, sources)
        groups.commit(self._node.group(one), offsets, done)
        return True

    def _committed(self, subscription: str, sources: set[MovedSource], why_not: str) -> None:
        troubles = self._node.troubles
        if why_not:
            troubles[subscription] = why_not
            self._node.later(AGAIN_S, partial(self._again, subscription, sources))
        else:
            troubles.pop(subscription, None)
        self._node.later(BETWEEN_S, self._next)

    def _again(self, subscription: str, sources: set[MovedSource]) -> None:
        if not self._is_closed:
            for source in sources:
                self.moved(subscription, source)


def _offsets(sources: set[MovedSource]) -> dict[tuple[str, int], int]:
    found = {}
    for source in sources:
        at = source.committed()
        if at is not None:
            topic, partition, offset = at
            found[topic, partition] = offset
    return found
