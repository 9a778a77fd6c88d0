"""What must hold of lanes to topics in a world that has come to rest."""

from collections import Counter
from typing import TYPE_CHECKING

from orchestrator.model.lanes import MINTED_FIRST
from orchestrator.model.topics import LANE_CLOSED

if TYPE_CHECKING:
    from tests.simulation.topic_checkers import Seen
    from tests.simulation.topic_world import TopicWorld


def check_rows(world: "TopicWorld", seen: "Seen") -> None:
    """Each row of a lane once, in the order of its numbers, and none is missing."""
    counts: Counter[tuple[int, int, int]] = Counter()
    for topic in world.broker.topics.values():
        for held in topic.partitions:
            latest: dict[tuple[int, int], int] = {}
            for record in held.committed():
                if record.row is None:
                    continue
                counts[record.row] += 1
                whose, number = record.row[:2], record.row[2]
                if number <= latest.get(whose, 0):
                    world.oracle.broken("lanes", f"row {number} of {whose} after {latest[whose]}")
                latest[whose] = number
                if (record.key, record.value) != seen.given.get(record.row):
                    world.oracle.broken("lanes", f"another record was sent as row {record.row}")
    world.oracle.counts["sent"] = len(counts)
    twice = [row for row, count in counts.items() if count > 1]
    if twice:
        world.oracle.broken("lanes", f"{twice} were sent more than once")
    given = set()
    for partition_number, partition in enumerate(seen.partitions):
        for lane_number, lane in partition.state.partition_row.lanes.items():
            if lane_number >= MINTED_FIRST:
                given |= {(partition_number, lane_number, n) for n in range(1, lane.given + 1)}
                if lane.held_bytes or lane.trimmed != lane.given:
                    world.oracle.broken("lanes", f"{lane} is not at rest")
    for whose, last in seen.closed.items():
        given |= {(*whose, n) for n in range(1, last + 1)}
    ended = set(counts) | seen.refused | set(seen.set_aside)
    if ended != given or set(counts) & seen.refused:
        missing = sorted(given - ended)
        world.oracle.broken("lanes", f"{missing[:5]} are missing; or sent and refused")
    _check_closed(world, seen)


def _check_closed(world: "TopicWorld", seen: "Seen") -> None:
    """What a deleted broker cluster does not get any more is a dead letter, once."""
    if seen.wrong_epochs:
        world.oracle.broken("epochs", "a lane is closed in another epoch")
    told = sum(letter.reason == LANE_CLOSED for letter in seen.letters)
    if told != len(seen.set_aside) or told != len(set(seen.set_aside)):
        world.oracle.broken("lanes", f"{told} dead letters of {sorted(seen.set_aside)}")
    world.oracle.counts["closed"] = told
