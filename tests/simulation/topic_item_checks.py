"""What must hold of each portion that is taken from a source, and of the slots it gives out."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from orchestrator.brokers.groups_port import Offsets
from orchestrator.intake.reading import SourceReading
from orchestrator.machine import apply_journal, origins
from orchestrator.model.invoke import Invoke
from orchestrator.model.rows import SourceRow
from orchestrator.model.topic_records import DeadLetter, Intake
from orchestrator.model.topics import RecordOrigin
from orchestrator.model.values import SCHEDULED, SUSPENDED
from orchestrator.registry.subscribe import group_of_subscription
from tests.simulation.mutation import Patch, patched

if TYPE_CHECKING:
    from tests.simulation.node import Node
    from tests.simulation.topic_world import TopicWorld

LANES_ROWS_MAX = 40  # of a partition, in these worlds
SERVED = {(b"Plain", b"run"), (b"Thing", b"write")}
ACTING = {
    "perdure-service",
    "perdure-handler",
    "perdure-idempotency-key",
    "perdure-reply-to",
    "perdure-correlation-id",
    "perdure-delay",
}


def check_items(world: "TopicWorld", record: Intake) -> None:
    known_as = record.source.subscription
    for subscription, from_ms, until_ms in world.pauses:
        if subscription == known_as and from_ms < record.now_ms < until_ms:
            world.oracle.broken("paused", f"{known_as} is read at {record.now_ms}")
    for item in record.items:
        origin = item.origin
        assert origin is not None
        if known_as == "sub_events":
            continue
        is_unusable = isinstance(item, DeadLetter)
        if is_unusable != _is_unusable(origin):
            world.oracle.broken("letters", f"{origin} is a dead letter: {is_unusable}")
        if isinstance(item, Invoke) and item.headers != _headers_seen(origin):
            world.oracle.broken("headers", f"{item.headers}, not {_headers_seen(origin)}")


def _is_unusable(origin: RecordOrigin) -> bool:
    acting = dict(origin.headers)
    known_as = origin.source.subscription
    is_keyed = known_as in ("sub_orders", "sub_leaving")
    if known_as == "sub_ingress":
        target = (acting.get("perdure-service"), acting.get("perdure-handler"))
        if target not in SERVED:
            return True
        is_keyed = target[0] == b"Thing"
    if is_keyed:
        return origin.key in (None, b"\xff")
    return known_as == "sub_flows" and "perdure-idempotency-key" in acting


def _headers_seen(origin: RecordOrigin) -> tuple[tuple[str, str], ...]:
    """The last of a name, what is text; ours win."""
    seen = {
        name: value.decode()
        for name, value in origin.headers
        if name not in ACTING and value is not None and value != b"\xff"
    }
    seen |= {
        "kafka.topic": origin.source.topic,
        "kafka.partition": str(origin.source.partition),
        "kafka.offset": str(origin.offset),
        "kafka.timestamp": str(origin.timestamp_ms),
        "restate.subscription.id": origin.source.subscription,
    }
    if origin.key is not None:
        seen["kafka.key"] = origin.key.decode(errors="replace")
    return tuple(seen.items())


@contextmanager
def slots_watched(world: "TopicWorld") -> Iterator[None]:
    """A slot is given back by what is scheduled, what suspends and what ends, by nothing else."""

    def watch(patch: Patch) -> None:
        ending = [False]

        def end(*given: Any) -> None:
            ending[0] = True
            end_before(*given)
            ending[0] = False

        def wrap(before: Any) -> Any:
            def free_slot(step: Any, row: Any) -> None:
                if not ending[0] and row.status not in (SCHEDULED, SUSPENDED):
                    world.oracle.broken("slots", f"one of status {row.status} gives it back")
                before(step, row)

            return free_slot

        end_before = patch.set(origins, "end", end)
        for room in (origins, apply_journal):
            patch.set(room, "free_slot", wrap(room.free_slot))

    with patched(watch):
        yield


def pressed(world: "TopicWorld", patch: Patch) -> None:
    """No portion with records is proposed while more rows wait in lanes than may."""

    def propose(self: SourceReading, upto: int, items: Any, slots: int) -> None:
        term: Any = self._host
        lanes = term._term.own_row().lanes.values()
        waiting = sum(lane.given - lane.trimmed for lane in lanes)
        if items and waiting > LANES_ROWS_MAX:
            world.oracle.broken("pressed", f"{self.facts.source} goes on with {waiting} rows")
        before(self, upto, items, slots)

    before = patch.set(SourceReading, "_propose", propose)


class CheckedGroups:
    """The `GroupOffsets` port. What a process commits lies below all that holds a slot."""

    def __init__(self, world: "TopicWorld", node: "Node") -> None:
        self._world = world
        self._node = node

    def commit(self, group: str, offsets: Offsets, done: Callable[[str], None]) -> None:
        with self._node.probed():
            for sources in list(self._world.intakes[self._node.number]._terms):
                for row, reading in sources.rows():
                    if reading is not None and self._group(row.source.subscription) == group:
                        self._check(row, offsets)
        done("")

    def _group(self, subscription: str) -> str:
        topics = self._world.stored
        one = topics.subscriptions.get(subscription)
        return "" if one is None else group_of_subscription(one, topics, "perdure")

    def _check(self, row: SourceRow, offsets: Offsets) -> None:
        source, lowest = row.source, min([row.position, *row.live])
        is_here = source.topic_id == self._world.broker.topics[source.topic].id
        told = offsets.get((source.topic, source.partition), 0)
        if is_here and told > lowest:
            self._world.oracle.broken("commits", f"{source}: {told}, but {lowest} is held")

    def close(self) -> None:
        """It holds nothing."""
