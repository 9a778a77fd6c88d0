"""Dead letters: kept as rows, published if their broker cluster has a topic for them, forgotten."""

from orchestrator.codec.keys import letter_key
from orchestrator.machine import lanes
from orchestrator.machine.feeds import FULL, is_full
from orchestrator.machine.step import Step
from orchestrator.model.lanes import LOG_CLUSTER, ToTopic
from orchestrator.model.limits import LETTER_BYTES_MAX
from orchestrator.model.rows import DeadLetterRow, PartitionRow
from orchestrator.model.topic_records import DeadLetter, Produce
from orchestrator.model.topics import (
    DEAD_SEND,
    LETTER,
    FeedTopic,
    RecordHeaders,
    origin_bytes,
    request_bytes,
)
from perdure.wire.ids import invocation_id_to_str

ROW_OVERHEAD_BYTES = 200
OF_SENDS = ""  # instead of a subscription
FROM_THERE = "it comes from this topic: published again, whoever reads it would get it for ever"


def keep_letter(step: Step, letter: DeadLetter) -> None:
    """A row of its own, and a row of the lane to the public topic if there is one."""
    key = letter_key(step.position, step.sub)
    step.sub += 1
    row = DeadLetterRow(letter)
    own = step.state.partition_row
    feed = own.letter_feeds.get(cluster_of(letter))
    if feed is not None:
        if _comes_from(feed, letter):
            row.publish_error = FROM_THERE
        elif is_full(own, feed):
            row.publish_error = FULL
        else:
            to = ToTopic(feed.cluster, feed.topic)
            lanes.give(step, to, _published(letter, key, step.now_ms))
    step.state.letters.add(key, row)
    count_bytes(own, letter, letter_bytes(letter))


def has_room_for_sends(own: PartitionRow) -> bool:
    """Whether the dead letters of sends hold so little that there may be more of them."""
    return own.letter_bytes.get(OF_SENDS, 0) <= LETTER_BYTES_MAX


def forget_letter(step: Step, key: bytes, row: DeadLetterRow) -> None:
    step.state.letters.delete(key)
    count_bytes(step.state.partition_row, row.letter, -letter_bytes(row.letter))


def count_bytes(own: PartitionRow, letter: DeadLetter, more_bytes: int) -> None:
    """What the letters of a subscription hold; those of sends are counted as one."""
    whose = subscription_of(letter)
    left = own.letter_bytes.get(whose, 0) + more_bytes
    if left:
        own.letter_bytes[whose] = left
    else:
        own.letter_bytes.pop(whose, None)


def subscription_of(letter: DeadLetter) -> str:
    return OF_SENDS if letter.origin is None else letter.origin.source.subscription


def cluster_of(letter: DeadLetter) -> str:
    """The broker cluster whose topic of dead letters gets it."""
    return LOG_CLUSTER if letter.origin is None else letter.origin.source.cluster


def _comes_from(feed: FeedTopic, letter: DeadLetter) -> bool:
    """Whether a subscription of the topic of dead letters cannot use one of them."""
    origin = letter.origin
    return origin is not None and origin.source.topic == feed.topic


def letter_bytes(letter: DeadLetter) -> int:
    """About the bytes of its row."""
    held = ROW_OVERHEAD_BYTES + len(letter.value or b"") + len(letter.message)
    if letter.origin is not None:
        held += origin_bytes(letter.origin)
    if letter.produce is not None:
        held += request_bytes(letter.produce)
    return held


def _published(letter: DeadLetter, key: bytes, now_ms: int) -> Produce:
    """The original record, and why it is here."""
    record = letter.produce if letter.kind == DEAD_SEND else letter.origin
    value = letter.value
    if letter.produce is not None and letter.produce.value is not None:
        value = letter.produce.value
    headers = (() if record is None else record.headers) + _reasons(letter)
    return Produce(
        LETTER, None, None if record is None else record.key, headers, value, now_ms, letter=key
    )


def _reasons(letter: DeadLetter) -> RecordHeaders:
    texts = [("perdure-dlq-reason", letter.reason), ("perdure-dlq-message", letter.message)]
    origin = letter.origin
    if origin is not None:
        source = origin.source
        at = f"{source.topic}/{source.partition}/{origin.offset}"
        texts.append(("perdure-dlq-source", at))
    if letter.invocation_id:
        known_as = invocation_id_to_str(letter.invocation_id)
        texts.append(("perdure-dlq-invocation-id", known_as))
    if origin is not None:
        texts.append(("perdure-dlq-subscription", origin.source.subscription))
    texts.append(("perdure-dlq-attempts", str(letter.attempts)))
    return tuple((name, text.encode()) for name, text in texts)
