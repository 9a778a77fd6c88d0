"""What the brokers say of the topics of all subscriptions: their ids, partitions and ends.

Topics are asked for now and then; where they end only when somebody wants to see it.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from orchestrator.brokers.facts_port import BrokerTrouble, FoundTopics, TopicFact, TopicFacts
from orchestrator.intake.wanted import KnownTopic
from orchestrator.model.topics import Source
from orchestrator.registry.schema import Registry
from orchestrator.registry.stored_topics import StoredCluster
from orchestrator.runtime.scheduler import Scheduler

ENDS_FRESH_S: Final = 1.0  # ends that are younger than this are not asked for again

FactsOf = Callable[[StoredCluster], TopicFacts]
_At = tuple[str, str]  # broker cluster and topic


class BrokerTopics:
    """Asks each broker cluster one question at a time; `changed` is called when an answer differs
    from the last one."""

    def __init__(
        self,
        registry: Callable[[], Registry],
        facts_of: FactsOf,
        scheduler: Scheduler,
        changed: Callable[[], None],
    ) -> None:
        self._registry = registry
        self._facts_of = facts_of
        self._scheduler = scheduler
        self._changed = changed
        self.known: dict[_At, KnownTopic | None] = {}
        self.troubles: dict[str, str] = {}  # by broker cluster: why it does not answer
        self.refused: dict[_At, str] = {}  # topics that the user may not ask for, and why
        self._asked_of: object = None  # subscriptions that `_asked` are the topics of
        self._asked: dict[str, set[str]] = {}
        self._asking: dict[str, StoredCluster] = {}  # broker clusters that have not answered yet
        self._ends: dict[_At, tuple[bytes, tuple[int, ...]]] = {}  # with the id of the topic
        self._ends_asked_s: float | None = None
        self._is_closed = False

    def close(self) -> None:
        self._is_closed = True

    def ask(self) -> None:
        """Ask which topics there are, with their ids and partitions."""
        for name, asked in sorted(self._topics_by_cluster().items()):
            cluster = self._registry().topics.clusters.get(name)
            # A question asked with other options than the present ones is never answered.
            if cluster is not None and self._asking.get(name) != cluster:
                self._ask(cluster, asked)

    def _ask(self, cluster: StoredCluster, asked: set[str]) -> None:
        self._asking[cluster.name] = cluster
        names = sorted(asked)
        self._facts_of(cluster).topics(names, partial(self._answered, cluster, names))

    def _topics_by_cluster(self) -> Mapping[str, set[str]]:
        """Made anew only when the metadata change."""
        subscriptions = self._registry().topics.subscriptions
        if self._asked_of is not subscriptions:
            found: dict[str, set[str]] = {}
            for subscription in subscriptions.values():
                found.setdefault(subscription.cluster, set()).update(subscription.topics)
            self._asked_of, self._asked = subscriptions, found
        return self._asked

    def _answered(
        self, asked: StoredCluster, names: list[str], found: FoundTopics | BrokerTrouble
    ) -> None:
        cluster = asked.name
        if self._is_closed or self._asking.get(cluster) != asked:
            return
        del self._asking[cluster]
        wanted = self._topics_by_cluster().get(cluster, set())
        if not wanted <= set(names) and self._registry().topics.clusters.get(cluster) == asked:
            self._ask(asked, wanted)  # there are new ones since
        if isinstance(found, BrokerTrouble):
            self.troubles[cluster] = found.message
            return
        self.troubles.pop(cluster, None)
        self.refused = {at: no for at, no in self.refused.items() if at[0] != cluster}
        self.refused |= {(cluster, name): no.message for name, no in found.refused.items()}
        has_changed = False
        for name in names:
            if name in found.refused:
                continue  # nothing is known now: the last answer stays
            known = _known(found, name)
            if (cluster, name) not in self.known or self.known[cluster, name] != known:
                self.known[cluster, name] = known
                has_changed = True
        if has_changed:
            self._changed()

    # ends

    def end(self, source: Source) -> int | None:
        """The offset that the next record of the source's partition will have, or where the first
        open transaction begins, when it was last asked for; None if it never was."""
        topic_id, ends = self._ends.get((source.cluster, source.topic), (b"", ()))
        if topic_id != source.topic_id or source.partition >= len(ends):
            return None
        return ends[source.partition]

    def ask_ends(self, done: Callable[[], None]) -> None:
        """`done` is called once all broker clusters have answered, however they did."""
        now_s = self._scheduler.time_s()
        is_fresh = self._ends_asked_s is not None and now_s - self._ends_asked_s < ENDS_FRESH_S
        asked = {} if is_fresh or self._is_closed else self._known_by_cluster()
        if not asked:
            self._scheduler.call_soon(done)
            return
        self._ends_asked_s = now_s
        waiting = set(asked)
        for name, facts in asked.items():
            cluster = self._registry().topics.clusters[name]
            given = partial(self._ends_given, name, facts, waiting, done)
            self._facts_of(cluster).ends(facts, given)

    def _known_by_cluster(self) -> dict[str, list[TopicFact]]:
        clusters = self._registry().topics.clusters
        found: dict[str, list[TopicFact]] = {}
        for cluster, names in sorted(self._topics_by_cluster().items()):
            for name in sorted(names):
                known = self.known.get((cluster, name))
                if known is not None and cluster in clusters:
                    fact = TopicFact(name, known.topic_id, known.partition_count)
                    found.setdefault(cluster, []).append(fact)
        return found

    def _ends_given(
        self,
        cluster: str,
        asked: list[TopicFact],
        waiting: set[str],
        done: Callable[[], None],
        ends: Mapping[str, tuple[int, ...]] | BrokerTrouble,
    ) -> None:
        if not isinstance(ends, BrokerTrouble):
            for fact in asked:
                if fact.name in ends:
                    self._ends[cluster, fact.name] = (fact.topic_id, ends[fact.name])
        waiting.discard(cluster)
        if not waiting:
            done()


def _known(found: FoundTopics, name: str) -> KnownTopic | None:
    fact = found.topics.get(name)
    if fact is None:
        return None
    return KnownTopic(fact.topic_id, fact.partition_count, found.kafka_id)
