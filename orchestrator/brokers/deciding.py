"""Decides where subscriptions start that were made while their brokers gave no answer."""

import asyncio
import logging
from functools import partial
from typing import Final

from orchestrator.brokers.asking import NoFacts
from orchestrator.brokers.clusters import BrokerClusters
from orchestrator.brokers.starting import Decided, decide_starts, group_of
from orchestrator.registry.apply_metadata import MetadataState
from orchestrator.registry.errors import RegistryError
from orchestrator.registry.metadata import Metadata, MetadataUnavailable
from orchestrator.registry.records import AnyMetadataRecord, SubscriptionDecided, SubscriptionPaused
from orchestrator.registry.schema import Registry
from orchestrator.registry.stored_topics import StoredCluster, StoredSubscription

_log = logging.getLogger("perdure.brokers")

FROM_GROUP: Final = "group,"
"""Before a point that counts only where a group has committed nothing."""

FIRST_S: Final = 1.0
LONGEST_S: Final = 30.0


class StartDecider:
    """Asks again, each subscription by itself, until its brokers answer or it is gone."""

    def __init__(self, metadata: Metadata, brokers: BrokerClusters) -> None:
        self._metadata = metadata
        self._brokers = brokers
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._is_closed = False
        metadata.on_change(self._changed)

    def _changed(self, registry: Registry) -> None:
        if self._is_closed:
            return
        for one in registry.topics.subscriptions.values():
            if one.undecided and not one.paused and one.id not in self._tasks:
                task = asyncio.get_running_loop().create_task(self._decide(one.id))
                self._tasks[one.id] = task
                task.add_done_callback(partial(self._ended, one.id))

    def _ended(self, subscription_id: str, _: asyncio.Task[None]) -> None:
        del self._tasks[subscription_id]

    def close(self) -> None:
        self._is_closed = True
        for task in self._tasks.values():
            task.cancel()

    async def _decide(self, subscription_id: str) -> None:
        wait_s = FIRST_S
        while True:
            topics = self._metadata.registry.topics
            one = topics.subscriptions.get(subscription_id)
            cluster = None if one is None else topics.clusters.get(one.cluster)
            if one is None or cluster is None or not one.undecided or one.paused:
                return
            try:
                await self._settle(one, cluster)
            except (NoFacts, MetadataUnavailable):
                await asyncio.sleep(wait_s)
                wait_s = min(2 * wait_s, LONGEST_S)

    async def _settle(self, one: StoredSubscription, cluster: StoredCluster) -> None:
        try:
            decided = await self._asked(one, cluster)
        except RegistryError as error:
            await self._pause(one, error.message)
        else:
            await self._keep(one, decided)

    async def _asked(self, one: StoredSubscription, cluster: StoredCluster) -> Decided:
        options = dict(cluster.options) | dict(one.options)
        group = group_of(options) if one.undecided.startswith(FROM_GROUP) else ""
        point = one.undecided.removeprefix(FROM_GROUP)
        facts = self._brokers.facts(cluster)
        return await decide_starts(facts, one.topics, point, group, may_miss=True)

    async def _keep(self, one: StoredSubscription, decided: Decided) -> None:
        def decide(state: MetadataState) -> tuple[AnyMetadataRecord | None, None]:
            now = state.topics.subscriptions.get(one.id)
            if now is None or (now.undecided, now.generation) != (one.undecided, one.generation):
                return None, None
            return SubscriptionDecided(
                state.version, one.id, one.generation, decided.starts, decided.kafka_id
            ), None

        await self._metadata.change(decide)

    async def _pause(self, one: StoredSubscription, reason: str) -> None:
        """Pause a subscription that cannot start at its point. The reason is shown; an operator
        moves or resumes it."""
        _log.error("subscription %s cannot start: %s", one.id, reason)

        def decide(state: MetadataState) -> tuple[AnyMetadataRecord | None, None]:
            now = state.topics.subscriptions.get(one.id)
            if now is None or now.paused or not now.undecided:
                return None, None
            return SubscriptionPaused(state.version, one.id, reason), None

        await self._metadata.change(decide)
