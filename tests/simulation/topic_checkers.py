"""What must hold of topics in a world that has come to rest."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from orchestrator.codec.keys import letter_key, source_key
from orchestrator.machine import apply, apply_produced, lanes, letters, life
from orchestrator.model.answers import Answer
from orchestrator.model.invoke import Invoke
from orchestrator.model.lanes import AnyDestination
from orchestrator.model.records import AnyRecord
from orchestrator.model.rows import InvocationRow
from orchestrator.model.topic_records import (
    CloseLane,
    DeadLetter,
    DropDeadLetter,
    Intake,
    OutboxRefused,
    Produce,
    Produced,
    PurgeDeadLetters,
    RedriveDeadLetter,
    SourceClosed,
    SourceOpened,
    SwitchFeed,
)
from orchestrator.model.topics import LANE_CLOSED, RecordOrigin, Source
from orchestrator.model.values import PAUSED, SCHEDULED, SUSPENDED, Outcome
from orchestrator.processor.partition import Partition
from perdure.wire.ids import invocation_id_to_str
from tests.simulation.checkers import check
from tests.simulation.mutation import Patch, patched
from tests.simulation.replay import Pair
from tests.simulation.topic_feeds import check_events, check_state_feed
from tests.simulation.topic_item_checks import check_items, slots_watched
from tests.simulation.topic_lane_checks import check_rows
from tests.simulation.topic_letters import (
    At,
    at_of,
    check_letters,
    check_published,
    check_purge,
)
from tests.simulation.topic_strangers import check_strangers
from tests.simulation.user_broker import COMMITTED, UserRecord

if TYPE_CHECKING:
    from tests.simulation.topic_world import TopicWorld


_OF_A_TERM = (SourceOpened, Intake, SourceClosed, Produced, OutboxRefused, SwitchFeed)


class Seen:
    """What the logs of all partitions say."""

    def __init__(self) -> None:
        self.items: Counter[At] = Counter()
        self.unusable: set[At] = set()
        self.begun: Counter[At] = Counter()
        self.origins: dict[At, RecordOrigin] = {}
        self.order: dict[tuple[int, bytes, int, bytes | None], list[int]] = defaultdict(list)
        self.ids: Counter[bytes] = Counter()  # of all that began
        self.redriven: list[bytes] = []
        self.ended: list[tuple[At, bytes, Outcome]] = []
        self.letters: list[DeadLetter] = []
        self.public: dict[tuple[int, bytes], DeadLetter] = {}  # by partition and key of its row
        self.refused: set[tuple[int, int, int]] = set()
        self.closed: dict[tuple[int, int], int] = {}  # by partition and lane: rows it was given
        self.set_aside: list[tuple[int, int, int]] = []  # of closed lanes
        self.listeners: set[bytes] = set()  # invoked by the feed of events
        self.called: dict[bytes, list[bytes]] = defaultdict(list)  # by whom
        self.upto: dict[tuple[bytes, int], int] = {}  # position of each generation at its end
        self.partitions: list[Partition] = []
        self.given: dict[tuple[int, int, int], tuple[bytes | None, bytes | None]] = {}
        self.wrong_epochs = 0


def check_topics(world: "TopicWorld") -> None:
    seen = Seen()
    check(world, TopicWatch(world, seen))
    check_strangers(world, seen)
    for topic in world.broker.all_topics():
        _check_taken(world, seen, topic.name, topic.id)
    world.oracle.counts["taken"] = len(seen.items)
    _check_begun(world, seen)
    check_letters(world, seen)
    check_published(world, seen)
    _check_replies(world, seen)
    check_rows(world, seen)
    _check_sends(world, seen)
    check_state_feed(world, seen)
    check_events(world, seen)


# --- the log again, watched ---


class TopicWatch:
    """Notes what the logs say of topics, while they are applied for the other checks."""

    def __init__(self, world: "TopicWorld", seen: Seen) -> None:
        self._world = world
        self._seen = seen
        self._before: dict[bytes, tuple[int, int]] = {}

    @contextmanager
    def watching(self, partition: Partition) -> Iterator[None]:
        self._seen.partitions.append(partition)
        self._before = {}
        with _watched(partition, self._seen), slots_watched(self._world):
            yield

    def applied(self, partition: Partition, offset: int, pairs: Iterable[Pair], epoch: int) -> None:
        for record, answer in pairs:
            self._note(partition, record, answer, epoch)
        self._before = _check_sources(self._world, partition, self._before)
        if offset % 7 == 0 or self._world.plan.partitions == 1:
            _check_slots(self._world, partition)

    def _note(self, partition: Partition, record: AnyRecord, answer: Answer, epoch: int) -> None:
        world, seen, is_taken = self._world, self._seen, answer is Answer.DONE
        if is_taken and isinstance(record, _OF_A_TERM) and record.epoch != epoch:
            world.oracle.broken("epochs", f"of another epoch, and counts: {record}")
        if isinstance(record, Intake) and is_taken:
            _note_intake(seen, record)
            check_items(world, record)
        elif isinstance(record, PurgeDeadLetters) and answer is not Answer.DROPPED:
            check_purge(world, record, epoch)
        elif isinstance(record, DropDeadLetter) and is_taken:
            if partition.state.letters.get(record.letter) is not None:
                world.oracle.broken("letters", f"{record.letter.hex()} was dropped")
            world.oracle.counts["dropped"] += 1
        elif isinstance(record, RedriveDeadLetter) and is_taken:
            seen.redriven.append(record.invoke.id)
        elif isinstance(record, OutboxRefused) and is_taken:
            seen.refused.add((partition.number, record.lane, record.number))


@contextmanager
def _watched(partition: Partition, seen: Seen) -> Iterator[None]:
    def watch(patch: Patch) -> None:
        def new_row(step: Any, invoke: Invoke) -> Any:
            if step.state is partition.state:
                seen.ids[invoke.id] += 1
            origin = invoke.origin
            if origin is not None and origin.source.subscription == "sub_events":
                seen.listeners.add(invoke.id)
            seen.called[invoke.by_id].append(invoke.id)
            if invoke.origin is not None and step.state is partition.state:
                origin = invoke.origin
                at = at_of(origin)
                seen.begun[at] += 1
                line = (partition.number, at[0], origin.generation, origin.key)
                seen.order[line].append(origin.offset)
            return new_row_before(step, invoke)

        def complete(step: Any, row: InvocationRow, *how: Any, **more: Any) -> None:
            if row.invoke.origin is not None:
                seen.ended.append((at_of(row.invoke.origin), row.invoke.id, how[0]))
            complete_before(step, row, *how, **more)

        def keep_letter(step: Any, letter: DeadLetter) -> None:
            seen.letters.append(letter)
            if letters.cluster_of(letter) in step.state.partition_row.letter_feeds:
                key = letter_key(step.position, step.sub)
                seen.public[partition.number, key] = letter
            keep_before(step, letter)

        def close(step: Any, record: CloseLane) -> Answer:
            lane = step.state.partition_row.lanes.get(record.lane)
            epoch = step.state.partition_row.epoch
            answer: Answer = close_before(step, record)
            if lane is not None and answer is not Answer.DROPPED:
                seen.closed[partition.number, record.lane] = lane.given
                seen.wrong_epochs += record.epoch != epoch
            return answer

        def set_aside(step: Any, lane: Any, item: Any, reason: str, message: str) -> None:
            if reason == LANE_CLOSED:
                lanes = step.state.partition_row.lanes.items()
                number = next(number for number, one in lanes if one is lane)
                seen.set_aside.append((partition.number, number, lane.trimmed))
            set_aside_before(step, lane, item, reason, message)

        def give(step: Any, destination: AnyDestination, item: Any) -> None:
            give_before(step, destination, item)
            if isinstance(item, Produce):
                number = lanes.lane_number(step.state.partition_row, destination)
                row = step.state.partition_row.lanes[number].given
                seen.given[partition.number, number, row] = (item.key, item.value)

        give_before = patch.set(lanes, "give", give)
        close_before = patch.item(apply._TABLE, CloseLane, close)
        set_aside_before = patch.set(apply_produced, "_set_aside", set_aside)
        new_row_before = patch.set(life, "new_row", new_row)
        complete_before = patch.set(life, "complete", complete)
        keep_before = patch.set(letters, "keep_letter", keep_letter)

    with patched(watch):
        yield


def _note_intake(seen: Seen, record: Intake) -> None:
    key = source_key(record.source)
    seen.upto[key, record.generation] = record.upto
    for item in record.items:
        assert item.origin is not None
        at = at_of(item.origin)
        seen.items[at] += 1
        seen.origins[at] = item.origin
        if isinstance(item, DeadLetter):
            seen.unusable.add(at)


def _check_sources(
    world: "TopicWorld", partition: Partition, before: dict[bytes, tuple[int, int]]
) -> dict[bytes, tuple[int, int]]:
    """Positions never go back, and no more slots are given out than there are."""
    now: dict[bytes, tuple[int, int]] = {}
    for key, row in partition.state.sources.scan():
        now[key] = (row.generation, row.position)
        if now[key] < before.get(key, (-1, -1)):
            world.oracle.broken("positions", f"{row.source} went from {before[key]} to {now[key]}")
        limit = world.subscription(row.source.subscription).max_in_flight
        if limit and len(row.live) > limit:
            world.oracle.broken("slots", f"{row.source} has {row.live} of {limit}")
        if not limit and row.live:
            world.oracle.broken("slots", f"{row.source} has {row.live} without a limit")
    return now


def _check_slots(world: "TopicWorld", partition: Partition) -> None:
    """What waits for long holds none; and what a source gave out is held by somebody. A source
    knows which of these are paused."""
    if partition.state.partition_count == 1:
        held: dict[bytes, list[tuple[int, int]]] = defaultdict(list)
        paused: dict[tuple[bytes, int], dict[int, bytes]] = defaultdict(dict)
        for _, row in partition.state.invocations.scan():
            origin = row.invoke.origin
            if origin is not None and origin.holds_slot:
                at = source_key(origin.source)
                held[at].append((origin.generation, origin.offset))
                if row.status == PAUSED:
                    paused[at, origin.generation][origin.offset] = row.invoke.id
        for key, source in partition.state.sources.scan():
            now = sorted(offset for gen, offset in held[key] if gen == source.generation)
            if now != source.live:
                world.oracle.broken("slots", f"{key!r} gave {source.live}, held are {now}")
            if source.paused != paused[key, source.generation]:
                world.oracle.broken("slots", f"{key!r} shows as paused {source.paused}")
    for key, row in partition.state.invocations.scan():
        origin = row.invoke.origin
        if origin is not None and origin.holds_slot and row.status in (SCHEDULED, SUSPENDED):
            world.oracle.broken("slots", f"{key.hex()} of status {row.status} holds one")


# --- in ---


def _check_taken(world: "TopicWorld", seen: Seen, name: str, topic_id: bytes) -> None:
    topic = next(t for t in world.broker.all_topics() if t.id == topic_id)
    for one in world.subscriptions:
        if one.topic != name:
            continue
        for number, held in enumerate(topic.partitions):
            source = Source(one.id, name, topic_id, number, "log")
            for generation in range(1, one.generation + 1):
                start = one.start_of(source, generation)
                _check_source(world, seen, source, generation, start, held.records)


def _check_source(
    world: "TopicWorld",
    seen: Seen,
    source: Source,
    generation: int,
    start: int,
    records: list[UserRecord],
) -> None:
    """Each committed record once, none that is not; what went before it was read may be missing,
    if somebody was told."""
    key = source_key(source)
    upto = seen.upto.get((key, generation), 0)
    gaps = [(a, b) for s, g, a, b in world.gaps if (s, g) == (source, generation)]
    for record in records:
        at = (key, generation, record.offset)
        count = seen.items[at]
        is_committed = record.transaction.state == COMMITTED
        in_gap = any(a <= record.offset < b for a, b in gaps)
        if count > 1 or (count and not is_committed and not in_gap):
            world.oracle.broken("taken", f"{source} offset {record.offset}: {count} times")
        is_due = is_committed and start <= record.offset < upto
        if is_due and not count and not record.is_gone and not in_gap:
            world.oracle.broken("taken", f"{source} offset {record.offset} was passed over")
        if is_due and not count and record.offset < _kept_from(world, source) and not in_gap:
            world.oracle.broken("gaps", f"{source} lost {record.offset}, and nobody was told")
        is_same = not count or seen.origins[at].headers == record.headers
        if not is_same and not record.is_gone and not in_gap:
            world.oracle.broken("origins", f"{source} offset {record.offset} has other headers")


def _kept_from(world: "TopicWorld", source: Source) -> int:
    """What retention took lies below."""
    topic = next(t for t in world.broker.all_topics() if t.id == source.topic_id)
    return topic.partitions[source.partition].start


def _check_begun(world: "TopicWorld", seen: Seen) -> None:
    """One invocation each; of those whose id is a name one at all, others are answered by it."""
    for at, count in seen.items.items():
        is_named = at[0].startswith((b"sub_flows", b"sub_once"))
        begun = seen.begun[at]
        expected = 0 if at in seen.unusable else 1
        if begun > expected or (begun < expected and not is_named):
            world.oracle.broken("exactly once", f"{at} was taken {count} and began {begun} times")
    for at in seen.begun:
        if at not in seen.items:
            world.oracle.broken("exactly once", f"{at} began and was not taken")
    for line, offsets in seen.order.items():
        if offsets != sorted(offsets):
            world.oracle.broken("order", f"{line} came as {offsets}")


# --- out ---


def _check_replies(world: "TopicWorld", seen: Seen) -> None:
    """One for each record that asked, with its correlation id; and the right one."""
    got: Counter[tuple[bytes | None, bytes | None]] = Counter()
    for record in world.broker.committed("answers"):
        headers = dict(record.headers)
        got[headers["perdure-correlation-id"], record.key] += 1
    wanted: Counter[tuple[bytes | None, bytes | None]] = Counter()
    for at, origin in seen.origins.items():
        if origin.reply is not None and at not in seen.unusable:
            wanted[dict(origin.headers)["perdure-correlation-id"], origin.key] += 1
    if got != wanted:
        world.oracle.broken("replies", f"missing {wanted - got}, too many {got - wanted}")
    outcomes = {known: outcome for _, known, outcome in seen.ended}
    for record in world.broker.committed("answers"):
        headers = dict(record.headers)
        known_as = headers["perdure-invocation-id"]
        for known, outcome in outcomes.items():
            if invocation_id_to_str(known).encode() == known_as and isinstance(outcome, bytes):
                is_conflict = headers.get("perdure-failure-code") == b"409"
                if record.value != outcome and not is_conflict:
                    world.oracle.broken("replies", f"{known.hex()} came to {outcome!r}")


def _check_sends(world: "TopicWorld", seen: Seen) -> None:
    """What a program sent, as often as it lived."""
    sent = Counter((record.key or b"").decode() for record in world.broker.committed("out"))
    oracle = world.oracle
    for where, count in sent.items():
        lives = len(oracle.runs.get(where.partition(".")[0], ()))
        if count > lives:
            oracle.broken("sends", f"{where} was sent {count} times by {lives} lives")
    ended = {json.loads(outcome) for _, _, outcome in seen.ended if isinstance(outcome, bytes)}
    for where, token in world.sends_of(ended):
        if not sent[where]:
            oracle.broken("sends", f"{where} of {token} was never sent")
