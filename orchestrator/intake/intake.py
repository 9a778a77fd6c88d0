"""Reads the sources of all partitions led here: asks brokers for topics, and subscriptions for
what is wanted, now and then and whenever the metadata change."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from orchestrator.brokers.facts_port import BrokerTrouble, FoundTopics, TopicFacts
from orchestrator.brokers.reader_port import TopicReader
from orchestrator.intake.port import IntakeTerm
from orchestrator.intake.term import TermSources
from orchestrator.intake.wanted import KnownTopic, WantedSource, wanted_sources
from orchestrator.registry.schema import Registry
from orchestrator.registry.stored import StoredPairs
from orchestrator.registry.stored_topics import StoredCluster, StoredSubscription
from orchestrator.runtime.scheduler import Scheduler, Timer

LOOK_EVERY_S: Final = 3.0
"""A partition that was added, a topic that was made or deleted, is noticed this late."""

FactsOf = Callable[[StoredCluster], TopicFacts]
OpenReader = Callable[[StoredCluster, StoredPairs], TopicReader]
"""A reader of a broker cluster, with options of a subscription beside the cluster's own."""


class TopicIntake:
    """The `NodeIntake` port."""

    def __init__(
        self,
        registry: Callable[[], Registry],
        facts_of: FactsOf,
        open_reader: OpenReader,
        scheduler: Scheduler,
        partition_count: int,
        engine: str,
        payload_bytes_max: int,
    ) -> None:
        self._registry = registry
        self._facts_of = facts_of
        self._open_reader = open_reader
        self._scheduler = scheduler
        self._partition_count = partition_count
        self._engine = engine
        self._payload_bytes_max = payload_bytes_max
        self._terms: list[TermSources] = []
        self._known: dict[tuple[str, str], KnownTopic | None] = {}
        self._asking: set[str] = set()  # broker clusters that have not answered yet
        self.troubles: dict[str, str] = {}  # by broker cluster: why it does not answer
        self._wanted: dict[int, dict[bytes, WantedSource]] = {}
        self._wanted_of: object = None  # what `_wanted` was made from
        self._readers: dict[tuple[StoredCluster, StoredPairs], TopicReader] = {}
        self._timer: Timer | None = None
        self._is_closed = False

    def begin(self, term: IntakeTerm) -> TermSources:
        sources = TermSources(
            term,
            self._registry,
            self._reader_of,
            self._scheduler,
            self._engine,
            self._payload_bytes_max,
            self._ended,
        )
        self._terms.append(sources)
        if self._timer is None:
            self._look()
        self._tell(sources)
        return sources

    def metadata_changed(self, registry: Registry) -> None:
        """Ask at once after topics that are new, and read what is wanted now."""
        if self._terms:
            self._ask()
            self._tell_all()

    def close(self) -> None:
        self._is_closed = True
        if self._timer is not None:
            self._timer.cancel()
        for reader in self._readers.values():
            reader.close()
        self._readers.clear()

    def _ended(self, sources: TermSources) -> None:
        self._terms.remove(sources)

    # topics of the brokers

    def _look(self) -> None:
        if not self._is_closed:
            self._timer = self._scheduler.call_later(LOOK_EVERY_S, self._look)
            self._ask()
            self._tell_all()

    def _ask(self) -> None:
        topics = self._registry().topics
        wanted: dict[str, set[str]] = {}
        for subscription in topics.subscriptions.values():
            wanted.setdefault(subscription.cluster, set()).update(subscription.topics)
        for name, asked in sorted(wanted.items()):
            cluster = topics.clusters.get(name)
            if cluster is not None and name not in self._asking:
                self._asking.add(name)
                names = sorted(asked)
                answered = partial(self._answered, name, names)
                self._facts_of(cluster).topics(names, answered)

    def _answered(self, cluster: str, names: list[str], found: FoundTopics | BrokerTrouble) -> None:
        self._asking.discard(cluster)
        if self._is_closed:
            return
        if isinstance(found, BrokerTrouble):
            self.troubles[cluster] = found.message
            return
        self.troubles.pop(cluster, None)
        changed = False
        for name in names:
            fact = found.topics.get(name)
            known = None if fact is None else KnownTopic(fact.topic_id, fact.partition_count)
            if (cluster, name) not in self._known or self._known[cluster, name] != known:
                self._known[cluster, name] = known
                changed = True
        if changed:
            self._wanted_of = None
            self._tell_all()

    # sources

    def _tell_all(self) -> None:
        for sources in list(self._terms):
            self._tell(sources)

    def _tell(self, sources: TermSources) -> None:
        sources.want(self._wanted_now().get(sources.partition, {}))

    def _wanted_now(self) -> Mapping[int, Mapping[bytes, WantedSource]]:
        """Made anew only when something changed: there may be thousands."""
        subscriptions = self._registry().topics.subscriptions
        made_from = tuple(subscriptions.items())
        if self._wanted_of != made_from:
            self._wanted_of = made_from
            self._wanted = wanted_sources(subscriptions, self._known, self._partition_count)
        return self._wanted

    def _reader_of(self, subscription: StoredSubscription) -> TopicReader | None:
        cluster = self._registry().topics.clusters.get(subscription.cluster)
        if cluster is None or self._is_closed:
            return None
        at = (cluster, subscription.options)
        reader = self._readers.get(at)
        if reader is None:
            reader = self._readers[at] = self._open_reader(cluster, subscription.options)
        return reader
