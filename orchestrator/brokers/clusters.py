"""The broker clusters that are known by name, each with one client for its facts."""

from collections.abc import Callable

from orchestrator.brokers.facts_port import TopicFacts
from orchestrator.registry.stored import StoredPairs
from orchestrator.registry.stored_topics import StoredCluster

MakeFacts = Callable[[StoredPairs], TopicFacts]


class BrokerClusters:
    """The facts of each broker cluster: made at the first question, and anew when its options have
    changed."""

    def __init__(self, make: MakeFacts) -> None:
        self._make = make
        self._made: dict[str, tuple[StoredPairs, TopicFacts]] = {}

    def facts(self, cluster: StoredCluster) -> TopicFacts:
        known = self._made.get(cluster.name)
        if known is not None and known[0] == cluster.options:
            return known[1]
        self.forget(cluster.name)
        facts = self._make(cluster.options)
        self._made[cluster.name] = (cluster.options, facts)
        return facts

    def probe(self, options: StoredPairs) -> TopicFacts:
        """Facts by options that are not registered yet. The caller closes them."""
        return self._make(options)

    def forget(self, name: str) -> None:
        known = self._made.pop(name, None)
        if known is not None:
            known[1].close()

    def close(self) -> None:
        for name in list(self._made):
            self.forget(name)
