"""Lanes of the outbox: opened with their first row, filled in order, trimmed from the front."""

from orchestrator.codec.keys import outbox_key
from orchestrator.machine.step import Step
from orchestrator.model.actions import SendOutbox
from orchestrator.model.lanes import AnyDestination, Lane, ToPartition, ToTopic
from orchestrator.model.limits import INPUT_INLINE_BYTES, TOPIC_LANES_KEPT_COUNT
from orchestrator.model.records import Completion, OutboxItem
from orchestrator.model.rows import OutboxRow, PartitionRow
from orchestrator.model.topic_records import Produce
from orchestrator.model.topics import header_bytes
from orchestrator.model.values import Outcome

PRODUCE_OVERHEAD_BYTES = 100


def give(step: Step, destination: AnyDestination, item: OutboxItem) -> None:
    """Write an item as the next row of the lane to a destination."""
    own = step.state.partition_row
    number = lane_number(own, destination)
    lane = own.lanes[number]
    lane.given += 1
    if isinstance(item, Produce):
        lane.held_bytes += produce_bytes(item)
        _count_copy(step, item.value)
    elif isinstance(item, Completion):
        _count_copy(step, item.outcome)
    step.state.outbox.add(outbox_key(number, lane.given), OutboxRow(item))
    step.actions.append(SendOutbox(number))


def _count_copy(step: Step, value: Outcome | None) -> None:
    """A result goes to all who wait for it: the rows are larger than the record that made them."""
    if isinstance(value, bytes) and len(value) > INPUT_INLINE_BYTES:
        step.state.account.dirty_bytes += len(value)


def trim_lane(step: Step, number: int, upto: int) -> None:
    """Rows up to `upto` have been taken at the destination. A lane that is gone stays gone."""
    lane = step.state.partition_row.lanes.get(number)
    if lane is None:
        return
    upto = min(upto, lane.given)
    for row in range(lane.trimmed + 1, upto + 1):
        step.state.outbox.delete(outbox_key(number, row))
    lane.trimmed = max(lane.trimmed, upto)


def drop_lane_if_idle(step: Step, number: int) -> None:
    """Lanes are part of the row of the partition. Past TOPIC_LANES_KEPT_COUNT an empty lane to a
    topic is dropped; later it is opened again with another number."""
    own = step.state.partition_row
    if len(own.topic_lanes) > TOPIC_LANES_KEPT_COUNT:
        lane = own.lanes[number]
        to = lane.destination
        if lane.trimmed == lane.given and isinstance(to, ToTopic):
            own.topic_lanes.pop((to.cluster, to.topic), None)
            del own.lanes[number]


def produce_bytes(item: Produce) -> int:
    """About the bytes of a row for a topic."""
    held = PRODUCE_OVERHEAD_BYTES + len(item.key or b"") + len(item.value or b"")
    return held + header_bytes(item.headers)


def lane_number(own: PartitionRow, destination: AnyDestination) -> int:
    """The number of the lane to a destination, which is opened if there is none."""
    if isinstance(destination, ToPartition):
        number = destination.partition
        if number not in own.lanes:
            own.lanes[number] = Lane(destination)
        return number
    topic = (destination.cluster, destination.topic)
    known = own.topic_lanes.get(topic)
    if known is None:
        known = own.topic_lanes[topic] = own.next_lane
        own.next_lane += 1
        own.lanes[known] = Lane(destination)
    return known
