"""The subscription of the ingress topic: made once, and never again once it was deleted."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from msgspec.structs import replace

from orchestrator.brokers.clusters import BrokerClusters
from orchestrator.brokers.memory import MemoryFacts
from orchestrator.config.options import read_options
from orchestrator.log.memory import MemoryLog
from orchestrator.node import ingress_topic
from orchestrator.node.ingress_topic import IngressTopicKeeper
from orchestrator.registry.metadata import Metadata, MetadataUnavailable
from orchestrator.registry.records import (
    AnyMetadataRecord,
    KafkaClusterCreated,
    SubscriptionCreated,
    SubscriptionDeleted,
)
from orchestrator.registry.snapshot import Defaults
from orchestrator.registry.stored_topics import StoredCluster, StoredSubscription
from orchestrator.runtime.clock import SystemClock
from orchestrator.runtime.entropy import SeededEntropy

SHOP = StoredCluster("shop", (("bootstrap.servers", "b:9092"),))
OTHER = StoredSubscription("sub_o", "ingress", "shop", ("orders",), "Counter", "add")


class Server:
    """The part of a server that makes the ingress topic; its metadata outlive it."""

    def __init__(self, metadata: Metadata) -> None:
        self.metadata = metadata
        self.facts = MemoryFacts()
        self.facts.make("in", 1).partitions[0].times_ms = [0] * 4

    async def starts(self) -> list[StoredSubscription]:
        options = read_options(["--ingress-topic", "shop/in"], {})
        brokers = BrokerClusters(lambda of: self.facts)
        keeper = IngressTopicKeeper(
            options, self.metadata, brokers, SystemClock(), SeededEntropy(1)
        )
        await asyncio.wait_for(keeper.run(), 10)
        return list(self.metadata.registry.topics.subscriptions.values())

    async def change(self, make: Callable[[int], AnyMetadataRecord]) -> None:
        await self.metadata.change(lambda state: (make(state.version), None))

    async def delete(self, one: StoredSubscription) -> None:
        await self.change(lambda seen: SubscriptionDeleted(seen, one.id))


@pytest.fixture
def story(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Server], Awaitable[None]]], None]:
    monkeypatch.setattr(ingress_topic, "_make_topic", lambda options, cluster, topic: None)

    async def main(tell: Callable[[Server], Awaitable[None]]) -> None:
        log = MemoryLog(1)
        await log.open()
        metadata = Metadata(log, Defaults(), None)
        await metadata.open()
        server = Server(metadata)
        await server.change(lambda seen: KafkaClusterCreated(seen, SHOP))
        await tell(server)
        metadata.close()

    return lambda tell: asyncio.run(main(tell))


Story = Callable[[Callable[[Server], Awaitable[None]]], None]


def test_it_is_made_once_from_the_beginning(story: Story) -> None:
    async def tell(server: Server) -> None:
        (made,) = await server.starts()
        assert (made.topics, made.service, made.name) == (("in",), "", "ingress")
        assert [start.offsets for start in made.starts] == [(0,)]
        assert await server.starts() == [made]

    story(tell)


def test_it_is_made_as_soon_as_its_broker_cluster_is_registered() -> None:
    """Not seconds later: who produces first would have the brokers make it."""

    async def tell() -> None:
        log = MemoryLog(1)
        await log.open()
        metadata = Metadata(log, Defaults(), None)
        await metadata.open()
        server = Server(metadata)
        starting = asyncio.create_task(server.starts())
        await asyncio.sleep(0.05)
        assert not starting.done()
        await server.change(lambda seen: KafkaClusterCreated(seen, SHOP))
        (made,) = await asyncio.wait_for(starting, ingress_topic.TRY_AGAIN_S / 2)
        assert made.topics == ("in",)
        metadata.close()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ingress_topic, "_make_topic", lambda options, cluster, topic: None)
        asyncio.run(tell())


def test_a_log_that_does_not_answer_is_tried_again(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingress_topic, "TRY_AGAIN_S", 0)
    answers = [MetadataUnavailable("the log does not answer", unknown=True)]

    async def tell(server: Server) -> None:
        change = server.metadata.change

        async def failing(decide: Any) -> Any:
            made = await change(decide)
            if answers:  # it was made all the same
                raise answers.pop()
            return made

        monkeypatch.setattr(server.metadata, "change", failing)
        (made,) = await server.starts()
        assert made.topics == ("in",) and not answers

    story(tell)


def test_what_was_deleted_is_not_made_again(story: Story, caplog: pytest.LogCaptureFixture) -> None:
    """It would begin at the first record, and run all of them once more."""

    async def tell(server: Server) -> None:
        (made,) = await server.starts()
        await server.delete(made)
        with caplog.at_level(logging.INFO, "perdure.node"):
            assert await server.starts() == []
        assert "perdure subscriptions create --ingress shop/in" in caplog.text
        again = replace(made, id="sub_again", name="")
        await server.change(lambda seen: SubscriptionCreated(seen, again))
        assert await server.starts() == [again]
        assert server.metadata.registry.topics.ended_ingress == ()

    story(tell)


def test_a_name_that_is_taken_keeps_it_from_nothing(story: Story) -> None:
    async def tell(server: Server) -> None:
        await server.change(lambda seen: SubscriptionCreated(seen, OTHER))
        assert [one.name for one in await server.starts()] == ["ingress", ""]

    story(tell)
