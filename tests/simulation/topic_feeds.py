"""What must hold of public feeds in a world that has come to rest."""

import json
from collections import Counter, defaultdict
from itertools import pairwise
from typing import TYPE_CHECKING

from orchestrator.machine import kv
from perdure.wire.ids import invocation_id_to_str

if TYPE_CHECKING:
    from tests.simulation.topic_checkers import Seen
    from tests.simulation.topic_world import TopicWorld


def check_state_feed(world: "TopicWorld", seen: "Seen") -> None:
    """A compacted topic comes to what the state is."""
    for service in ("Thing", "Flow"):
        _check_state(world, seen, service)


def _check_state(world: "TopicWorld", seen: "Seen", service: str) -> None:
    feed: dict[tuple[str, str], bytes] = {}
    for record in world.broker.committed(f"perdure.state.{service}"):
        assert record.key is not None
        name = tuple(json.loads(record.key))
        if record.value is None:
            feed.pop(name, None)
        else:
            feed[name] = record.value
    state: dict[tuple[str, str], bytes] = {}
    for partition in seen.partitions:
        for _, owner in partition.state.objects.scan():
            if owner.service == service:
                for key, value in kv.pairs(partition.state, owner):
                    state[owner.key, key.decode()] = value
    for name in sorted(feed.keys() | state.keys()):
        if feed.get(name) != state.get(name):
            told, is_now = feed.get(name), state.get(name)
            world.oracle.broken("feeds", f"{name} was told as {told!r:.90} and is {is_now!r:.90}")
            return


def check_events(world: "TopicWorld", seen: "Seen") -> None:
    """Each once; of each life the first and the last are what they must be."""
    ids: Counter[str] = Counter()
    lives: dict[str, list[str]] = defaultdict(list)
    for record in world.broker.committed("perdure.events"):
        event = json.loads(record.value or b"{}")
        ids[event["id"]] += 1
        what = event["type"].rpartition(".")[2]
        lives[event["data"]["id"]].append(what)
    if any(count > 1 for count in ids.values()):
        world.oracle.broken("feeds", "an event came twice")
    quiet = {*seen.listeners, *(one for known in seen.listeners for one in seen.called[known])}
    if lives.keys() & {invocation_id_to_str(known) for known in quiet}:
        world.oracle.broken("feeds", "who is told of events, or what it calls, is told of itself")
    ends = {"completed", "failed", "cancelled", "killed"}
    for known_as, told in lives.items():
        if told[-1] not in ends:
            world.oracle.broken("feeds", f"{known_as} ends with {told[-1]}")
        for one, then in pairwise(told):
            if one in ends and then != "accepted":
                world.oracle.broken("feeds", f"{known_as} goes on with {then} after {one}")
