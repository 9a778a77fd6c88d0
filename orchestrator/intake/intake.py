"""Reads the sources of all partitions led here. Subscriptions say what is wanted, brokers which
topics there are; when either changes, the terms concerned are told."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

from orchestrator.brokers.reader_port import TopicReader
from orchestrator.intake.broker_topics import BrokerTopics, FactsOf
from orchestrator.intake.group_commits import GroupCommits, OpenGroups
from orchestrator.intake.port import IntakeTerm
from orchestrator.intake.reading import SourceReading
from orchestrator.intake.term import TermSources
from orchestrator.intake.views import (
    SourceView,
    SubscriptionViews,
    source_view,
    subscription_views,
)
from orchestrator.intake.wanted import WantedSource, wanted_sources
from orchestrator.registry.schema import Registry
from orchestrator.registry.stored import StoredPairs
from orchestrator.registry.stored_topics import StoredCluster, StoredSubscription
from orchestrator.registry.subscribe import options_of_client
from orchestrator.runtime.metrics import HEADERS_LEFT_OUT, SUBSCRIPTION_LAG
from orchestrator.runtime.scheduler import Scheduler, Timer
from orchestrator.runtime.telemetry import Telemetry
from orchestrator.store.port import StoreError

LOOK_EVERY_S: Final = 3.0
"""A partition that was added, a topic that was made or deleted, is noticed this late."""

ENDS_WAIT_S: Final = 2.0
"""Who looks at subscriptions waits this long for brokers; then ends that were told before count."""

OpenReader = Callable[[StoredCluster, StoredPairs], TopicReader]
"""A reader of a broker cluster, with options of a subscription beside the cluster's own."""


def _none_waits(deployment: str) -> int:
    return 0


class TopicIntake:
    """The `NodeIntake` port."""

    def __init__(
        self,
        registry: Callable[[], Registry],
        facts_of: FactsOf,
        open_reader: OpenReader,
        open_groups: OpenGroups,
        scheduler: Scheduler,
        partition_count: int,
        engine: str,
        payload_bytes_max: int,
        telemetry: Telemetry | None = None,
        look_every_s: float = LOOK_EVERY_S,
        waiting_of: Callable[[str], int] = _none_waits,
    ) -> None:
        """`waiting_of` a deployment: the attempts that wait because its service is busy."""
        self.waiting_of = waiting_of
        self._look_every_s = look_every_s
        self._registry = registry
        self._open_reader = open_reader
        self._scheduler = scheduler
        self._partition_count = partition_count
        self._engine = engine
        self._payload_bytes_max = payload_bytes_max
        self._topics = BrokerTopics(registry, facts_of, scheduler, self._topics_changed)
        self._commits = GroupCommits(registry, open_groups, scheduler, engine)
        self._terms: list[TermSources] = []
        self._wanted: dict[int, dict[bytes, WantedSource]] = {}  # by home
        self._told_version = -1  # of the metadata that terms were last told of
        self._readers: dict[tuple[StoredCluster, StoredPairs], TopicReader] = {}
        self._timer: Timer | None = None
        self._is_closed = False
        self.reading_count = 0
        telemetry = telemetry or Telemetry()
        telemetry.ask(SUBSCRIPTION_LAG, self._lags)
        self._left_out_counters = telemetry.counters(HEADERS_LEFT_OUT)

    def begin(self, term: IntakeTerm) -> TermSources:
        sources = TermSources(
            term,
            self._registry,
            self._reader_of,
            self._scheduler,
            self._engine,
            self._payload_bytes_max,
            self,
        )
        self._terms.append(sources)
        if self._timer is None:
            self._timer = self._scheduler.call_later(self._look_every_s, self._look)
        if self._registry().version != self._told_version:
            self.metadata_changed(self._registry())
        else:
            self._tell(sources)
        return sources

    def metadata_changed(self, registry: Registry) -> None:
        """Ask at once after topics that are new, and read what is wanted now."""
        if self._terms:
            self._told_version = registry.version
            self._topics.ask()
            self._want()
            for sources in list(self._terms):
                self._tell(sources)
            self._close_unused(registry)

    def broker_troubles(self) -> dict[str, str]:
        """By broker cluster: why it gives no answer now."""
        return dict(self._topics.troubles)

    def close(self) -> None:
        self._is_closed = True
        self._topics.close()
        self._commits.close()
        if self._timer is not None:
            self._timer.cancel()
        for reader in self._readers.values():
            reader.close()
        self._readers.clear()

    def _look(self) -> None:
        if self._is_closed:
            return
        self._timer = self._scheduler.call_later(self._look_every_s, self._look)
        registry = self._registry()
        if registry.version != self._told_version:
            self.metadata_changed(registry)
        else:
            self._topics.ask()
        for sources in [one for one in self._terms if one.has_failed]:
            self._tell(sources)

    # sources

    def _topics_changed(self) -> None:
        """Tell the terms whose sources changed."""
        before = self._wanted
        self._want()
        for sources in list(self._terms):
            at = sources.partition
            if before.get(at) != self._wanted.get(at):
                self._tell(sources)

    def _want(self) -> None:
        subscriptions = self._registry().topics.subscriptions
        self._wanted = wanted_sources(subscriptions, self._topics.known, self._partition_count)

    def _tell(self, sources: TermSources) -> None:
        sources.want(self._wanted.get(sources.partition, {}))

    def _reader_of(self, subscription: StoredSubscription) -> TopicReader | None:
        cluster = self._registry().topics.clusters.get(subscription.cluster)
        if cluster is None or self._is_closed:
            return None
        options = options_of_client(subscription)
        at = (cluster, options)
        reader = self._readers.get(at)
        if reader is None:
            reader = self._readers[at] = self._open_reader(cluster, options)
        return reader

    def _close_unused(self, registry: Registry) -> None:
        """Readers by options that no subscription has any more; their sources have another one."""
        topics = registry.topics
        used = {
            (topics.clusters.get(one.cluster), options_of_client(one))
            for one in topics.subscriptions.values()
        }
        for at in [at for at in self._readers if at not in used]:
            self._readers.pop(at).close()

    # for people

    async def look_at_subscriptions(self) -> SubscriptionViews:
        """All of them, with the sources led here; brokers are asked where topics end."""
        asked = asyncio.Event()
        self._topics.ask_ends(asked.set)
        try:
            await asyncio.wait_for(asked.wait(), ENDS_WAIT_S)
        except TimeoutError:
            pass  # the ends known from before are shown
        return self.subscriptions_now()

    def subscriptions_now(self) -> SubscriptionViews:
        registry = self._registry()
        sources = self._source_views(registry)
        return subscription_views(registry, self._topics, sources, self._commits)

    def _source_views(self, registry: Registry) -> list[SourceView]:
        subscriptions = registry.topics.subscriptions
        found = []
        for sources in self._terms:
            try:
                rows = sources.rows()
            except StoreError:
                continue  # its partition is about to stop, with its reason
            for row, reading in rows:
                subscription = subscriptions.get(row.source.subscription)
                if subscription is not None:
                    found.append(source_view(row, reading, subscription, self._topics))
        return found

    def _lags(self) -> Mapping[tuple[str, ...], float]:
        """The lags as far as they are known. Asks for the ends, which the next call shows."""
        self._topics.ask_ends(_ignore)
        subscriptions = self._registry().topics.subscriptions
        return {
            (_label(subscriptions[known_as]),): view.lag
            for known_as, view in self.subscriptions_now().items()
            if view.lag is not None
        }

    # for its terms

    def ended(self, sources: TermSources) -> None:
        self._terms.remove(sources)

    def moved(self, reading: SourceReading) -> None:
        self._commits.moved(reading.facts.subscription, reading)

    def left_out(self, subscription: StoredSubscription, count: int) -> None:
        self._left_out_counters.of(_label(subscription)).add(count)


def _label(subscription: StoredSubscription) -> str:
    return subscription.name or subscription.id


def _ignore() -> None:
    """Nobody waits."""
