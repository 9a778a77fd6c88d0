"""Public feeds: what they tell, in which order, and that they are silent when they are off."""

from typing import Any

import msgspec
import pytest

from orchestrator.machine import apply_chore, feeds, state_chores
from orchestrator.model.answers import Answer
from orchestrator.model.effects import ClearAllState, ClearState, SetState, Sleep
from orchestrator.model.lanes import MINTED_FIRST
from orchestrator.model.records import (
    Cancel,
    ChoreStep,
    Failed,
    Kill,
    PatchState,
    Purge,
    Resume,
    Suspended,
)
from orchestrator.model.topic_records import OutboxRefused, Produced, SwitchFeed
from orchestrator.model.topics import (
    FEED_EVENTS,
    FEED_LETTERS,
    FEED_STATE,
    NO_TOPIC,
    FeedTopic,
)
from orchestrator.model.values import (
    OBJECT_EXCLUSIVE,
    THEN_KILL,
    THEN_PAUSE,
    THEN_RETRY,
    WORKFLOW_RUN,
    Attempted,
    Caller,
    Future,
)
from perdure.wire import codes
from perdure.wire.frames import frame
from perdure.wire.ids import invocation_id_to_str
from tests.golden.lives import call_of
from tests.unit.machine.bench import Bench, uid
from tests.unit.machine.topic_records import letters, produced

A, B = uid(1), uid(2)
EVENTS = FeedTopic("log", "perdure.events", "/perdure/perdure")
CARTS = FeedTopic("log", "perdure.state.Cart")
VALUE = frame(codes.SET_STATE, b"v")
BIG = frame(codes.SET_STATE, b"x" * 9_000)  # more than an object's row holds
WHY = Attempted(500, "boom", at_ms=5)


def switch(bench: Bench, feed: int, to: FeedTopic | None, service: str = "") -> Answer:
    return bench.do(SwitchFeed(bench.epoch, bench.now_ms, feed, service, "log", to))


def with_events() -> Bench:
    bench = Bench()
    switch(bench, FEED_EVENTS, EVENTS)
    return bench


def with_carts() -> Bench:
    bench = Bench()
    switch(bench, FEED_STATE, CARTS, "Cart")
    chores(bench)
    return bench


def chores(bench: Bench) -> int:
    """How many follow-up records it took."""
    count = 0
    while keys := [key for key, _ in bench.state.chores.scan()]:
        bench.do(ChoreStep(bench.epoch, bench.now_ms, keys[0]))
        count += 1
    return count


# --- events ---


def events(bench: Bench) -> list[dict[str, Any]]:
    found = []
    for topic, item in produced(bench):
        assert topic == EVENTS.topic and item.value is not None
        found.append(msgspec.json.decode(item.value))
    return found


def types(bench: Bench, invocation_id: bytes = A) -> str:
    """Of one invocation, without what all have."""
    known_as = invocation_id_to_str(invocation_id)
    told = [event for event in events(bench) if event["data"]["id"] == known_as]
    return " ".join(event["type"].removeprefix("dev.perdure.invocation.") for event in told)


def test_the_life_of_an_invocation_is_told() -> None:
    bench = with_events()
    bench.invoke(A)
    bench.flush(A, end=Failed(WHY, THEN_RETRY, 1, bench.now_ms + 5))
    bench.flush(A, Sleep(bench.now_ms + 5, 1), end=Suspended(Future((1,), (1,)), 2))
    bench.do(Resume(A, bench.now_ms))
    bench.flush(A, end=Failed(WHY, THEN_PAUSE, 1))
    bench.do(Resume(A, bench.now_ms))
    bench.finish(A)
    assert types(bench) == ("accepted started retrying suspended resumed paused resumed completed")
    attempts = [event["data"]["attempt"] for event in events(bench)]
    assert attempts == [1, 1, 1, 2, 3, 3, 4, 4]
    assert [e["data"].get("error") for e in events(bench)][2] == {"code": 500, "message": "boom"}


@pytest.mark.parametrize("how", ["failed", "killed", "cancelled"])
def test_how_it_ended_is_told(how: str) -> None:
    bench = with_events()
    bench.invoke(A, start_at_ms=bench.now_ms + 9 if how == "cancelled" else 0)
    if how == "failed":
        bench.flush(A, end=Failed(WHY, THEN_KILL, 1))
    else:
        bench.do((Kill if how == "killed" else Cancel)(A, bench.now_ms))
    assert types(bench).split()[-1] == how
    assert events(bench)[-1]["data"]["error"]["message"]


@pytest.mark.parametrize(
    ("end", "attempt"),
    [
        (None, 1),
        (Failed(WHY, THEN_RETRY, 1, 1 << 50), 1),
        (Failed(WHY, THEN_PAUSE, 1), 1),
        (Suspended(Future((1,), (1,)), 1), 1),
    ],
)
def test_a_kill_tells_of_the_attempt_that_there_was(end: Any, attempt: int) -> None:
    bench = with_events()
    bench.invoke(A)
    if end is not None:
        bench.flush(A, end=end)
    bench.do(Kill(A, bench.now_ms))
    told = events(bench)[-1]
    assert (told["type"].rpartition(".")[2], told["data"]["attempt"]) == ("killed", attempt)


def test_a_kill_of_the_second_attempt_tells_of_it() -> None:
    bench = with_events()
    bench.invoke(A)
    bench.flush(A, end=Failed(WHY, THEN_PAUSE, 1))
    bench.do(Resume(A, bench.now_ms))
    bench.do(Kill(A, bench.now_ms))
    assert events(bench)[-1]["data"]["attempt"] == 2


def test_an_event_is_a_cloud_event_whose_id_comes_from_its_position() -> None:
    bench = with_events()
    bench.invoke(A, service="Cart", handler="add", key="k/1", kind=OBJECT_EXCLUSIVE)
    first, second = events(bench)
    known_as = invocation_id_to_str(A)
    assert first == {
        "specversion": "1.0",
        "id": "0-2-0-0",
        "source": "/perdure/perdure",
        "type": "dev.perdure.invocation.accepted",
        "subject": "Cart/k/1/add",
        "time": "1970-01-01T00:16:40.000Z",
        "datacontenttype": "application/json",
        "data": {"id": known_as, "target": "Cart/k/1/add", "attempt": 1},
    }
    assert second["id"] == "0-2-0-1"
    (_, item), _ = produced(bench)
    assert item.key == known_as.encode() and item.partition is None
    assert dict(item.headers)["content-type"].startswith(b"application/cloudevents+json")


def test_of_what_is_quiet_and_of_all_it_calls_nothing_is_told() -> None:
    bench = with_events()
    bench.invoke(B)
    row = bench.live(B)
    assert row is not None
    told = len(events(bench))
    bench.do(msgspec.structs.replace(row.invoke, id=A, quiet=True))
    live = bench.live(A)
    assert live is not None
    call = call_of(uid(3), Caller(A, live.incarnation, 1), 1)
    bench.flush(A, call, end=Suspended(Future((1,), (1,)), 3))
    child = bench.live(uid(3))
    assert child is not None and child.invoke.quiet
    bench.finish(uid(3))
    bench.finish(A)
    assert len(events(bench)) == told


# --- switches ---


def test_a_feed_that_is_off_is_silent() -> None:
    bench = with_events()
    assert switch(bench, FEED_EVENTS, EVENTS) is Answer.DUPLICATE
    assert switch(bench, FEED_EVENTS, None) is Answer.DONE
    bench.invoke(A)
    assert not produced(bench)
    assert bench.do(SwitchFeed(9, 0, FEED_EVENTS, "", "", EVENTS)) is Answer.DROPPED
    for feed, to in ((FEED_LETTERS, EVENTS), (FEED_LETTERS, None), (FEED_STATE, None)):
        switch(bench, feed, to, "Cart")
    own = bench.state.partition_row
    assert own.events is None and not own.letter_feeds and not own.state_feeds


def test_a_feed_that_cannot_be_sent_stops_and_is_switched_on_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It never takes the partition along, and never makes a dead letter."""
    monkeypatch.setattr(feeds, "FEED_LANE_BYTES_MAX", 10_000)
    bench = with_events()
    for number in range(100):
        bench.invoke(uid(number + 1))
    own = bench.state.partition_row
    assert own.stopped_feeds == {"perdure.events": feeds.FULL}
    assert own.lanes[MINTED_FIRST].held_bytes < 11_000
    refused = OutboxRefused(bench.epoch, 0, MINTED_FIRST, 1, NO_TOPIC, "no")
    assert bench.do(refused) is Answer.DROPPED and not letters(bench)
    bench.do(Produced(bench.epoch, 0, MINTED_FIRST, own.lanes[MINTED_FIRST].given))
    bench.invoke(uid(500))
    assert not produced(bench)
    assert switch(bench, FEED_EVENTS, EVENTS) is Answer.DONE
    bench.invoke(uid(501))
    assert produced(bench) and not own.stopped_feeds


# --- state ---


def changes(bench: Bench) -> list[tuple[str, bytes | None]]:
    """(state key, value), of one object."""
    found = []
    for topic, item in produced(bench):
        assert topic == CARTS.topic and item.key is not None
        found.append((msgspec.json.decode(item.key)[1], item.value))
    return found


def exclusive(bench: Bench, identity: bytes = A, key: str = "k") -> None:
    bench.invoke(
        identity, service="Cart", handler="add", key=key, kind=OBJECT_EXCLUSIVE, retention_ms=0
    )


def latest(bench: Bench) -> dict[str, bytes]:
    """What a compacted topic comes to."""
    values: dict[str, bytes] = {}
    for key, value in changes(bench):
        if value is None:
            values.pop(key, None)
        else:
            values[key] = value
    return values


def stored(bench: Bench) -> dict[str, bytes]:
    from orchestrator.machine import kv

    found = {}
    for _, owner in bench.state.objects.scan():
        found |= {key.decode(): value for key, value in kv.pairs(bench.state, owner)}
    return found


def test_each_change_is_told_with_the_invocation_that_made_it() -> None:
    bench = with_carts()
    exclusive(bench)
    bench.flush(A, SetState(b"a", 8, 9), ClearState(b"a"), ClearState(b"none"), frames=VALUE)
    assert changes(bench) == [("a", b"v"), ("a", None)]
    (_, item), _ = produced(bench)
    assert item.key == b'["k","a"]'
    assert item.headers == (("perdure-invocation-id", invocation_id_to_str(A).encode()),)
    bench.invoke(B, service="Other", key="k", kind=OBJECT_EXCLUSIVE)
    bench.flush(B, SetState(b"a", 8, 9), frames=VALUE)
    assert len(changes(bench)) == 2, "of another service nothing is told"


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("again", [False, True])
def test_a_cleared_key_gets_a_tombstone_only_if_it_has_no_value_then(
    large: bool, again: bool
) -> None:
    bench = with_carts()
    exclusive(bench)
    bench.flush(A, SetState(b"a", 8, 9), frames=VALUE)
    if large:
        bench.flush(A, SetState(b"b", 8, len(BIG)), frames=BIG)
    bench.flush(A, ClearAllState())
    if again:
        bench.flush(A, SetState(b"a", 8, 9), frames=VALUE)
    bench.finish(A)
    chores(bench)
    assert latest(bench) == stored(bench) == ({"a": b"v"} if again else {})
    if large and again:
        assert changes(bench).count(("a", None)) == 0, "it never was without one, at the end"


def test_a_patch_tells_what_changed_and_clears_what_it_lacks() -> None:
    bench = with_carts()
    for state in ({b"a": b"1", b"b": b"2"}, {b"b": b"3"}, {b"c": b"x" * 9_000}, {}):
        patch = PatchState("Cart", "k", False, None, tuple(state.items()), bench.now_ms)
        bench.do(patch)
        chores(bench)
        assert latest(bench) == {key.decode(): value for key, value in state.items()}
    assert ("b", None) not in changes(bench)[:4], "one that comes again was never gone"


def test_the_end_of_a_workflow_clears_its_state() -> None:
    bench = with_carts()
    bench.invoke(A, service="Cart", handler="run", key="k", kind=WORKFLOW_RUN)
    bench.flush(A, SetState(b"a", 8, 9), frames=VALUE)
    bench.finish(A)
    assert latest(bench) == {"a": b"v"}
    bench.do(Purge(A, bench.now_ms))
    assert latest(bench) == {}


def test_all_there_is_is_told_when_a_feed_is_switched_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A bounded part of it per record, small and large states, and what is written meanwhile."""
    for module in (apply_chore, state_chores):
        monkeypatch.setattr(module, "CHORE_STEP_COUNT", 7)
    steps = []
    for n in (40, 80):
        bench = Bench()
        for number in range(n):
            key = f"k{number}"
            exclusive(bench, uid(number + 1), key)
            name = b"key of %d" % number
            bench.flush(uid(number + 1), SetState(name, 8, 9), frames=VALUE)
            if number % 10 == 0:
                for more in range(10):
                    large = SetState(b"%s, %d" % (name, more), 8, 1_000)
                    bench.flush(uid(number + 1), large, frames=BIG)
        switch(bench, FEED_STATE, CARTS, "Cart")
        (key_of_chore,) = (key for key, _ in bench.state.chores.scan())
        bench.do(ChoreStep(bench.epoch, bench.now_ms, key_of_chore))
        assert 0 < len(produced(bench)) <= 7
        bench.flush(uid(n), SetState(b"late", 8, 9), frames=VALUE)
        bench.flush(uid(1), ClearState(b"key of 0"))
        steps.append(chores(bench))
        assert latest(bench) == stored(bench) and len(latest(bench)) == 2 * n
    assert steps[1] <= 2.2 * steps[0]


def test_switched_off_the_chore_ends() -> None:
    bench = Bench()
    exclusive(bench)
    bench.flush(A, SetState(b"a", 8, 9), frames=VALUE)
    switch(bench, FEED_STATE, CARTS, "Cart")
    switch(bench, FEED_STATE, None, "Cart")
    assert chores(bench) == 1 and not produced(bench)
    switch(bench, FEED_STATE, CARTS, "None of these")
    assert chores(bench) == 1 and not produced(bench)


def test_what_older_metadata_said_of_a_feed_is_dropped() -> None:
    bench = Bench()
    newer = SwitchFeed(bench.epoch, bench.now_ms, FEED_EVENTS, "", "", EVENTS, 6)
    assert bench.do(newer) is Answer.DONE
    assert bench.do(msgspec.structs.replace(newer, to=None, version=5)) is Answer.DROPPED
    assert bench.state.partition_row.events == EVENTS
    letters = SwitchFeed(bench.epoch, bench.now_ms, FEED_LETTERS, "", "log", EVENTS)
    assert bench.do(letters) is Answer.DROPPED
    assert bench.do(msgspec.structs.replace(newer, to=None, version=7)) is Answer.DONE
