"""Broker clusters, subscriptions and feeds as metadata: what each record changes, and its bytes."""

from pathlib import Path

from msgspec.structs import replace

from orchestrator.registry.apply_metadata import (
    MetadataState,
    apply_metadata,
    decode_record,
    decode_state,
    encode_record,
    encode_state,
)
from orchestrator.registry.apply_topics import changed_subscription
from orchestrator.registry.records import (
    AnyTopicsRecord,
    FeedsSwitched,
    KafkaClusterCreated,
    KafkaClusterDeleted,
    KafkaClusterPatched,
    LedgerTakenOver,
    SubscriptionCreated,
    SubscriptionDecided,
    SubscriptionDeleted,
    SubscriptionPatched,
    SubscriptionPaused,
    SubscriptionResumed,
    SubscriptionSought,
)
from orchestrator.registry.snapshot import Defaults, build_registry
from orchestrator.registry.stored_topics import (
    GO_ON,
    INGRESS_MAX,
    TAKEN_OVER_MAX,
    StoredCluster,
    StoredStart,
    StoredSubscription,
)
from tests.golden.golden_file import compare

TOPIC_ID = bytes(range(16))
CLUSTER = StoredCluster("shop", (("bootstrap.servers", "b:9092"),), "kafka-id", 1000)
START = StoredStart("orders", TOPIC_ID, (7, 0))
MADE = StoredSubscription(
    id="sub_1",
    name="orders",
    cluster="shop",
    topics=("orders",),
    service="Counter",
    handler="add",
    options=(("client.id", "us"),),
    max_in_flight=1000,
    dead_letter_failures=True,
    starts=(START,),
    kafka_id="kafka-id",
    created_at_ms=2000,
)


def records() -> list[AnyTopicsRecord]:
    """A whole life; each saw what the one before it made."""
    moved = StoredStart("orders", TOPIC_ID, (3, GO_ON))
    return [
        KafkaClusterCreated(0, CLUSTER),
        KafkaClusterPatched(1, replace(CLUSTER, options=(("bootstrap.servers", "c:9092"),))),
        SubscriptionCreated(2, MADE),
        SubscriptionPatched(3, "sub_1", "other", (), 10, False),
        SubscriptionPaused(4, "sub_1", "by hand"),
        SubscriptionResumed(5, "sub_1", True),
        SubscriptionSought(6, "sub_1", (), "latest", ""),
        SubscriptionDecided(7, "sub_1", 2, (moved,), "kafka-id"),
        FeedsSwitched(8, True, ("Cart", "Counter")),
        SubscriptionDeleted(9, "sub_1"),
        FeedsSwitched(10, False, ()),
        LedgerTakenOver(11, "shop", b"lost"),
        KafkaClusterDeleted(12, "shop"),
    ]


def played(count: int) -> MetadataState:
    state = MetadataState()
    for record in records()[:count]:
        assert apply_metadata(state, record), record
    return state


def subscription(state: MetadataState) -> StoredSubscription:
    return state.topics.subscriptions["sub_1"]


def test_a_life() -> None:
    assert subscription(played(3)) == MADE
    patched = subscription(played(4))
    assert (patched.name, patched.max_in_flight, patched.dead_letter_failures) == (
        "other",
        10,
        False,
    )
    assert patched.generation == 1 and patched.starts == (START,)
    paused = subscription(played(5))
    assert paused.paused and paused.reason == "by hand"
    resumed = subscription(played(6))
    assert not resumed.paused and not resumed.reason and resumed.gaps_passed == 1
    sought = subscription(played(7))
    assert (sought.generation, sought.undecided, sought.starts) == (2, "latest", (START,))
    decided = subscription(played(8))
    assert (decided.generation, decided.undecided) == (2, "")
    assert decided.starts == (StoredStart("orders", TOPIC_ID, (3, 0), (2, 1)),)
    told = played(10).topics
    assert told.events_feed and told.state_feeds == ("Cart", "Counter")
    assert played(12).topics.taken_over == {"shop": (b"lost",)}
    ended = played(13).topics
    assert not ended.subscriptions and not ended.clusters and not ended.events_feed


def test_a_name_is_taken_once() -> None:
    state = played(3)
    again = replace(MADE, id="sub_2")
    assert not apply_metadata(state, SubscriptionCreated(3, again))
    assert apply_metadata(state, SubscriptionCreated(3, replace(again, name="")))
    assert apply_metadata(state, SubscriptionCreated(4, replace(again, id="sub_3", name="")))
    assert not apply_metadata(state, SubscriptionPatched(5, "sub_2", "orders", (), 1, False))
    assert not apply_metadata(state, KafkaClusterCreated(5, CLUSTER))
    assert state.version == 5


def test_a_log_is_taken_over_once_and_not_without_end() -> None:
    state = played(1)
    assert not apply_metadata(state, LedgerTakenOver(1, "none", b"0"))
    for number in range(TAKEN_OVER_MAX + 5):
        taken = LedgerTakenOver(state.version, "log", b"%d" % number)
        assert apply_metadata(state, taken)
        assert not apply_metadata(state, taken)
    kept = state.topics.taken_over["log"]
    assert len(kept) == TAKEN_OVER_MAX and kept[-1] == b"%d" % (TAKEN_OVER_MAX + 4)


def test_a_cluster_in_use_stays() -> None:
    state = played(3)
    assert not apply_metadata(state, KafkaClusterDeleted(3, "shop"))
    assert apply_metadata(state, SubscriptionDeleted(3, "sub_1"))
    assert apply_metadata(state, FeedsSwitched(4, False, ("Cart",)))
    assert apply_metadata(state, KafkaClusterDeleted(5, "shop")), "where feeds go is not kept here"


def test_one_seek_after_another_loses_none() -> None:
    """The first may have reached no source yet: of a subscription that is paused, say."""
    one = MADE
    for offsets in ((5, GO_ON), (GO_ON, 6), (GO_ON, GO_ON, GO_ON)):
        sought = SubscriptionSought(1, "sub_1", (replace(START, offsets=offsets),), "", "kafka-id")
        one = changed_subscription(one, sought)
    (start,) = one.starts
    assert (one.generation, start.offsets, start.since) == (4, (5, 6, 0), (2, 3, 1))
    # A topic that nothing was asked of, and one that was made anew.
    other, anew = replace(START, topic="other", offsets=(9,)), replace(START, topic_id=bytes(16))
    both = replace(one, starts=(start, other))
    sought = SubscriptionSought(1, "sub_1", (replace(anew, offsets=(GO_ON, 2)),), "", "kafka-id")
    both = changed_subscription(both, sought)
    assert both.starts == (replace(anew, offsets=(0, 2), since=(1, 5)), other)


def test_a_start_is_decided_once_and_for_its_generation() -> None:
    state = played(7)
    late = SubscriptionDecided(7, "sub_1", 1, (START,), "kafka-id")
    assert not apply_metadata(state, late)
    assert apply_metadata(state, replace(late, generation=2))
    assert not apply_metadata(state, replace(late, generation=2, seen=8))


def test_what_is_not_there_is_not_changed() -> None:
    state = MetadataState()
    for record in (*records()[1:2], *records()[3:8], *records()[9:]):
        assert not apply_metadata(state, replace(record, seen=0)), record
    assert not apply_metadata(state, FeedsSwitched(0, False, ()))
    assert state == MetadataState()


def test_bytes_live_for_ever() -> None:
    state = played(9)
    lines = [f"{type(one).__name__} {encode_record(one).hex()}" for one in records()]
    lines.append(f"MetadataState {encode_state(state).hex()}")
    file = Path(__file__).parents[2] / "golden" / "metadata_topics.txt"
    compare(file, "".join(line + "\n" for line in lines))
    for one in records():
        assert decode_record(encode_record(one)) == one
    assert decode_state(encode_state(state)) == state


def test_a_snapshot_has_the_cluster_of_the_log_and_does_not_change() -> None:
    state = played(3)
    log = StoredCluster("log", (("bootstrap.servers", "l:9092"),))
    registry = build_registry(state, Defaults(), log)
    assert set(registry.topics.clusters) == {"shop", "log"}
    assert apply_metadata(state, SubscriptionDeleted(3, "sub_1"))
    assert registry.topics.subscriptions == {"sub_1": MADE}
    assert set(state.topics.clusters) == {"shop"}
    assert set(build_registry(state, Defaults()).topics.clusters) == {"shop"}


def test_ingress_topics_that_ended_are_remembered_but_not_all() -> None:
    state = MetadataState()
    assert apply_metadata(state, KafkaClusterCreated(0, CLUSTER))
    for number in range(INGRESS_MAX + 5):
        one = replace(MADE, id=f"sub_{number}", name="", topics=(f"in{number}",), service="")
        assert apply_metadata(state, SubscriptionCreated(state.version, one))
        assert apply_metadata(state, SubscriptionDeleted(state.version, one.id))
    kept = state.topics.ended_ingress
    assert kept == tuple(("shop", f"in{n}") for n in range(5, INGRESS_MAX + 5))
    assert decode_state(encode_state(state)) == state
    again = replace(MADE, id="sub_x", name="", topics=("in7", "other"), service="")
    assert apply_metadata(state, SubscriptionCreated(state.version, again))
    assert ("shop", "in7") not in state.topics.ended_ingress
    assert state.topics.has_ingress("shop", "other") and not state.topics.has_ingress("shop", "in9")
