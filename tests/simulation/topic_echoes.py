"""Records of topics that the log comes to hold once more, long after they were proposed.

Each is one that has to be dropped: its term is over, or another generation of its source is read.
"""

from collections import defaultdict
from collections.abc import Iterator
from random import Random
from typing import TYPE_CHECKING, Any

from orchestrator.codec.records import decode_message, encode_message
from orchestrator.model.lanes import ToTopic
from orchestrator.model.records import AnyRecord
from orchestrator.model.topic_records import (
    CloseLane,
    Intake,
    OutboxRefused,
    Produced,
    SourceClosed,
    SourceOpened,
    SwitchFeed,
)
from orchestrator.model.topics import NO_TOPIC, Source

if TYPE_CHECKING:
    from tests.simulation.topic_world import TopicWorld

OF_TERMS = (SourceOpened, Intake, SourceClosed, Produced, OutboxRefused, CloseLane, SwitchFeed)
BACK = 150  # messages looked through
EVERY_S = 0.4


class TopicEchoes:
    """Of one world."""

    def __init__(self, world: "TopicWorld") -> None:
        self._world = world
        self._chance = Random(f"echoes of topics {world.seed}")

    def begin(self) -> None:
        self._world.loop.call_later(self._chance.random() * EVERY_S, self._earlier_term)

    def _earlier_term(self) -> None:
        """What a replaced leader proposed arrives only now."""
        world, chance = self._world, self._chance
        if world.is_calm:
            return
        world.loop.call_later(2 * chance.random() * EVERY_S, self._earlier_term)
        number = chance.randrange(world.plan.partitions)
        if world.current is None or not world.current.is_alive:
            return
        state = world.state_of(number)
        if state is None:
            return
        epoch = state.partition_row.epoch
        stale: dict[str, list[AnyRecord]] = defaultdict(list)
        for record in self._latest(number, BACK):
            if isinstance(record, OF_TERMS) and record.epoch < epoch:
                stale[type(record).__name__].append(record)
        if world.seed % 5 < 2 and epoch:
            refused = _refusals(state, epoch - 1, world.now_ms())
            stale |= {OutboxRefused.__name__: refused} if refused else {}
        if stale:
            self._append(number, chance.choice(stale[chance.choice(sorted(stale))]))

    def landed(self, number: int) -> None:
        """Once another generation is open, a portion of an earlier one arrives again."""
        if self._world.is_calm:
            return
        for record in self._latest(number, 1):
            if isinstance(record, SourceOpened) and record.generation > 1:
                self._earlier_generation(number, record)

    def _earlier_generation(self, number: int, opened: SourceOpened) -> None:
        earlier = [
            record
            for record in self.portions(number, opened.source)
            if record.generation < opened.generation and record.items
        ]
        here = [one for one in earlier if one.first == opened.start and one.epoch == opened.epoch]
        if earlier:
            self._append(number, self._chance.choice(here or earlier))

    def portions(self, number: int, source: Source) -> Iterator[Intake]:
        """Of a source, as far as they are in the latest messages of its home."""
        for record in self._latest(number, BACK):
            if isinstance(record, Intake) and record.source == source:
                yield record

    def _latest(self, number: int, count: int) -> Iterator[AnyRecord]:
        for message in self._world.topic.messages[number][-count:]:
            yield from decode_message(message.value)

    def _append(self, number: int, record: AnyRecord) -> None:
        self._world.oracle.counts["echoes of topics"] += 1
        self._world.topic.append(number, [encode_message([record])])


def _refusals(state: Any, epoch: int, now_ms: int) -> list[AnyRecord]:
    """A replaced leader says of the next row of a lane that it can never be sent."""
    return [
        OutboxRefused(epoch, now_ms, number, lane.trimmed + 1, NO_TOPIC, "no such topic")
        for number, lane in sorted(state.partition_row.lanes.items())
        if isinstance(lane.destination, ToTopic) and lane.trimmed < lane.given
    ]
