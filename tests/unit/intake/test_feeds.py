"""Which switches of feeds a partition owes, looking at the metadata and at its own row."""

from orchestrator.intake.feeds import owed_switches
from orchestrator.model.records import SwitchFeed
from orchestrator.model.rows import PartitionRow
from orchestrator.model.topics import FEED_EVENTS, FEED_LETTERS, FEED_STATE, FeedTopic
from orchestrator.registry.schema import Registry
from orchestrator.registry.stored_topics import StoredCluster, TopicsState

SHOP, LOG, ELSE = (StoredCluster(name, ()) for name in ("shop", "log", "else"))
EVENTS = FeedTopic("shop", "prod.events", "/perdure/prod")
CART = FeedTopic("shop", "prod.state.Cart")


def topics(
    *clusters: StoredCluster, events: bool = True, states: tuple[str, ...] = ("Cart",)
) -> TopicsState:
    return TopicsState({one.name: one for one in clusters}, {}, events, states)


def all_owed(wanted: TopicsState, own: PartitionRow) -> list[SwitchFeed]:
    return owed_switches(Registry(5, {}, {}, wanted), own, "prod", 7, 1000)


def owed(wanted: TopicsState, own: PartitionRow) -> list[SwitchFeed]:
    """Without those of dead letters."""
    return [one for one in all_owed(wanted, own) if one.feed != FEED_LETTERS]


def switch(feed: int, service: str, to: FeedTopic | None) -> SwitchFeed:
    return SwitchFeed(7, 1000, feed, service, "", to, 5)


def test_what_is_wanted_is_switched_on_once() -> None:
    own = PartitionRow()
    assert owed(topics(SHOP), own) == [
        switch(FEED_EVENTS, "", EVENTS),
        switch(FEED_STATE, "Cart", CART),
    ]
    own.events, own.state_feeds = EVENTS, {"Cart": CART}
    assert owed(topics(SHOP), own) == []
    own.stopped_feeds = {EVENTS.topic: "full"}
    assert owed(topics(SHOP), own) == []


def test_what_is_not_wanted_any_more_is_switched_off() -> None:
    own = PartitionRow(events=EVENTS, state_feeds={"Cart": CART})
    assert owed(topics(events=False, states=()), own) == [
        switch(FEED_EVENTS, "", None),
        switch(FEED_STATE, "Cart", None),
    ]


def test_where_it_is_published() -> None:
    assert [one.to for one in owed(topics(SHOP, LOG, states=()), PartitionRow())] == [
        FeedTopic("log", "prod.events", "/perdure/prod")
    ]
    assert owed(topics(SHOP, ELSE), PartitionRow()) == owed(topics(), PartitionRow()) == []
    assert owed(topics(SHOP, ELSE), PartitionRow(events=EVENTS, state_feeds={"Cart": CART})) == []


def test_dead_letters_are_published_to_every_broker_cluster_that_is_known() -> None:
    own = PartitionRow()
    known = topics(SHOP, LOG, events=False, states=())
    to = {name: FeedTopic(name, "prod.dlq") for name in ("log", "shop")}
    assert all_owed(known, own) == [
        SwitchFeed(7, 1000, FEED_LETTERS, "", name, to[name], 5) for name in ("log", "shop")
    ]
    own.letter_feeds = to
    assert all_owed(known, own) == []
    assert all_owed(topics(LOG, events=False, states=()), own) == [
        SwitchFeed(7, 1000, FEED_LETTERS, "", "shop", None, 5)
    ]
    own.feeds_version = 6
    assert all_owed(topics(LOG, events=False, states=()), own) == []


def test_metadata_that_come_late_switch_nothing_back() -> None:
    own = PartitionRow(events=EVENTS, feeds_version=6)
    assert owed(topics(SHOP, events=False, states=()), own) == []
    own.feeds_version = 5
    assert len(owed(topics(SHOP, events=False, states=()), own)) == 1
