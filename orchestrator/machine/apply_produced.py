"""Lanes to topics: committed rows are trimmed and answered; rows that cannot be sent become dead
letters."""

from orchestrator.codec.keys import outbox_key
from orchestrator.machine import lanes, letters, life
from orchestrator.machine.chores import add_chore
from orchestrator.machine.sends import CODE_BAD_REQUEST, send_result
from orchestrator.machine.step import Step
from orchestrator.model.answers import DONE, Answer
from orchestrator.model.lanes import Lane, ToTopic
from orchestrator.model.limits import CHORE_STEP_BYTES, CHORE_STEP_COUNT
from orchestrator.model.rows import CHORE_CLOSE_LANE, ChoreRow
from orchestrator.model.topic_records import (
    CloseLane,
    DeadLetter,
    OutboxRefused,
    Produce,
    Produced,
)
from orchestrator.model.topics import (
    BAD_RECORD,
    DEAD_SEND,
    FEED_KINDS,
    LANE_CLOSED,
    LETTER,
    NO_PARTITION,
    NO_RIGHT,
    NO_TOPIC,
    TOO_LARGE,
    ProduceRequest,
)
from orchestrator.model.values import CODE_INTERNAL, CODE_NOT_FOUND, Failure, Outcome

CODES = {
    NO_TOPIC: CODE_NOT_FOUND,
    NO_PARTITION: CODE_NOT_FOUND,
    NO_RIGHT: 403,
    TOO_LARGE: 413,
    BAD_RECORD: CODE_BAD_REQUEST,
}
CLOSED = "the broker cluster was deleted"


def apply_produced(step: Step, record: Produced) -> Answer:
    """Trim the rows that are committed. Rows that were trimmed before are skipped, so that each
    caller is answered once."""
    own = step.state.partition_row
    lane = own.lanes.get(record.lane)
    if record.epoch != own.epoch or lane is None:
        return Answer.DROPPED
    trim_committed(step, record.lane, lane, record.upto, record.answers)
    return DONE


def trim_committed(
    step: Step,
    number: int,
    lane: Lane,
    upto: int,
    answers: tuple[tuple[int, int, int], ...] = (),
) -> None:
    """Trim a topic's lane, and complete whoever waits for one of its rows."""
    topic = _destination(lane).topic
    places: dict[int, tuple[int | None, int | None]] = {}
    for row, partition, offset in answers:
        places[row] = (partition, offset)
    for row in range(lane.trimmed + 1, min(upto, lane.given) + 1):
        item = _take_first(step, number, lane)
        if item.awaited:
            _answer(step, item, send_result(topic, *places.get(row, (None, None))))
    lanes.drop_lane_if_idle(step, number)


def apply_outbox_refused(step: Step, record: OutboxRefused) -> Answer:
    """Set aside the first row that is left, since all rows before it are committed. Any other
    row is ignored."""
    own = step.state.partition_row
    lane = own.lanes.get(record.lane)
    if record.epoch != own.epoch or lane is None or record.number != lane.trimmed + 1:
        return Answer.DROPPED
    row = step.state.outbox.get(outbox_key(record.lane, record.number))
    if row is None or not isinstance(row.item, Produce) or row.item.kind in FEED_KINDS:
        return Answer.DROPPED
    item = _take_first(step, record.lane, lane)
    _set_aside(step, lane, item, record.reason, record.message)
    lanes.drop_lane_if_idle(step, record.lane)
    return DONE


def apply_close_lane(step: Step, record: CloseLane) -> Answer:
    """Close the lane of a deleted broker cluster. It is proposed when nothing of the lane is under
    way; later rows for the topic go to a lane of another number.

    Dropped if the partition knows the cluster by its topic of dead letters: then the leader's
    metadata are older than those.
    """
    own = step.state.partition_row
    lane = own.lanes.get(record.lane)
    if record.epoch != own.epoch or lane is None or lane.is_closed:
        return Answer.DROPPED
    to = _destination(lane)
    if to.cluster in own.letter_feeds:
        return Answer.DROPPED
    lane.is_closed = True
    own.topic_lanes.pop((to.cluster, to.topic), None)
    chore = ChoreRow(CHORE_CLOSE_LANE, generation=record.lane)
    if close_some(step, chore):
        return DONE
    add_chore(step, chore)
    return Answer.ACCEPTED


def close_some(step: Step, chore: ChoreRow) -> bool:
    """The next rows of a closed lane become dead letters; with the last one the lane goes."""
    number = chore.generation
    lane = step.state.partition_row.lanes[number]
    left_bytes = CHORE_STEP_BYTES
    for _ in range(CHORE_STEP_COUNT):
        if lane.trimmed == lane.given or left_bytes <= 0:
            break
        item = _take_first(step, number, lane)
        left_bytes -= lanes.produce_bytes(item)
        if item.kind not in FEED_KINDS:
            _set_aside(step, lane, item, LANE_CLOSED, CLOSED)
    if lane.trimmed < lane.given:
        return False
    del step.state.partition_row.lanes[number]
    return True


def _take_first(step: Step, number: int, lane: Lane) -> Produce:
    """Take the first row out of a lane."""
    key = outbox_key(number, lane.trimmed + 1)
    row = step.state.outbox.get(key)
    assert row is not None and isinstance(row.item, Produce), "rows of a lane have no gaps"
    lane.trimmed += 1
    lane.held_bytes -= lanes.produce_bytes(row.item)
    step.state.outbox.delete(key)
    return row.item


def _set_aside(step: Step, lane: Lane, item: Produce, reason: str, message: str) -> None:
    """Keep a row as a dead letter and fail its caller; for a dead letter that was to be
    published, note why it was not."""
    if item.kind == LETTER:
        kept = step.state.letters.get(item.letter)
        if kept is not None:
            kept.publish_error = message
            step.state.letters.touch(item.letter)
        return
    if not item.awaited or letters.has_room_for_sends(step.state.partition_row):
        _keep_dead(step, _destination(lane), item, reason, message)
    if item.awaited:
        _answer(step, item, Failure(CODES.get(reason, CODE_INTERNAL), message))


def _keep_dead(step: Step, to: ToTopic, item: Produce, reason: str, message: str) -> None:
    request = ProduceRequest(
        to.cluster, to.topic, item.partition, item.key, item.headers, item.value, item.awaited
    )
    letter = DeadLetter(
        DEAD_SEND, reason, message, step.now_ms, produce=request, invocation_id=item.sender
    )
    letters.keep_letter(step, letter)


def _answer(step: Step, item: Produce, outcome: Outcome) -> None:
    """Complete the send that waits, if it lives: it may have been killed."""
    row = step.state.invocations.get(item.sender)
    if row is not None and row.incarnation == item.incarnation:
        life.complete(step, row, outcome)


def _destination(lane: Lane) -> ToTopic:
    assert isinstance(lane.destination, ToTopic), "a lane to a topic"
    return lane.destination
