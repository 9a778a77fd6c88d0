"""Public feeds: switched by records of every partition, written as rows of lanes to their topics.

A feed never makes a dead letter, and never holds more than a number of bytes: past that it stops
in this partition, and says so, until it is switched on again.
"""

from orchestrator.machine import lanes
from orchestrator.machine.chores import add_chore
from orchestrator.machine.step import Step
from orchestrator.model.answers import DONE, Answer
from orchestrator.model.lanes import ToTopic
from orchestrator.model.limits import FEED_LANE_BYTES_MAX
from orchestrator.model.rows import CHORE_EMIT_STATE, ChoreRow, PartitionRow
from orchestrator.model.topic_records import Produce, SwitchFeed
from orchestrator.model.topics import FEED_EVENTS, FEED_LETTERS, FEED_STATE, FeedTopic

FULL = f"more than {FEED_LANE_BYTES_MAX >> 20} MiB of it could not be sent"


def apply_switch_feed(step: Step, record: SwitchFeed) -> Answer:
    """On where it is on changes nothing. A state feed begins with all that there is."""
    own, to = step.state.partition_row, record.to
    if record.epoch != own.epoch:
        return Answer.DROPPED
    if record.version < own.feeds_version:
        return Answer.DROPPED
    own.feeds_version = record.version
    before = _current(own, record)
    if before == to and (to is None or to.topic not in own.stopped_feeds):
        return Answer.DUPLICATE
    for feed in (before, to):
        if feed is not None:
            own.stopped_feeds.pop(feed.topic, None)
    if record.feed == FEED_EVENTS:
        own.events = to
    elif record.feed == FEED_LETTERS:
        _set(own.letter_feeds, record.cluster, to)
    else:
        _set(own.state_feeds, record.service, to)
        if to is not None:
            add_chore(step, ChoreRow(CHORE_EMIT_STATE, service=record.service))
    return DONE


def give_to_feed(step: Step, feed: FeedTopic, item: Produce) -> None:
    """Add a row to a feed. If too much of it waits already, the feed stops instead."""
    own = step.state.partition_row
    if feed.topic in own.stopped_feeds:
        return
    if is_full(own, feed):
        own.stopped_feeds[feed.topic] = FULL
        return
    lanes.give(step, ToTopic(feed.cluster, feed.topic), item)


def is_full(own: PartitionRow, feed: FeedTopic) -> bool:
    """Whether the rows of a feed that wait hold FEED_LANE_BYTES_MAX."""
    number = own.topic_lanes.get((feed.cluster, feed.topic))
    return number is not None and own.lanes[number].held_bytes > FEED_LANE_BYTES_MAX


def _current(own: PartitionRow, record: SwitchFeed) -> FeedTopic | None:
    if record.feed == FEED_EVENTS:
        return own.events
    assert record.feed in (FEED_LETTERS, FEED_STATE)
    if record.feed == FEED_LETTERS:
        return own.letter_feeds.get(record.cluster)
    return own.state_feeds.get(record.service)


def _set(feeds: dict[str, FeedTopic], name: str, to: FeedTopic | None) -> None:
    if to is None:
        feeds.pop(name, None)
    else:
        feeds[name] = to
