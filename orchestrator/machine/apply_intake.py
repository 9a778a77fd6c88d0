"""Sources: opened, read from in order and each record once, closed; and the slots they give out.

Each record counts once because the position moves in the same step that takes it.
"""

from bisect import bisect_left

from orchestrator.codec.keys import source_key
from orchestrator.machine import letters
from orchestrator.machine.routing import route_item
from orchestrator.machine.step import Step
from orchestrator.model.actions import ReadSource
from orchestrator.model.answers import DONE, Answer
from orchestrator.model.ids import partition_of_key, source_partition_key
from orchestrator.model.invoke import Invoke
from orchestrator.model.rows import SourceRow
from orchestrator.model.topic_records import (
    Intake,
    SlotFreed,
    SlotPaused,
    SourceClosed,
    SourceOpened,
)


def apply_source_opened(step: Step, record: SourceOpened) -> Answer:
    """Open a source. A new generation begins at its start, or goes on; the same generation keeps
    its position."""
    state, source = step.state, record.source
    if record.epoch != state.partition_row.epoch:
        return Answer.DROPPED
    home = partition_of_key(source_partition_key(source), state.partition_count)
    assert home == state.partition, "a source is read in its home"
    key = source_key(source)
    row = state.sources.get(key)
    if row is not None and row.generation >= record.generation:
        if row.generation > record.generation:
            return Answer.DROPPED
        step.actions.append(ReadSource(key))
        return Answer.DUPLICATE
    opened = SourceRow(source, record.generation, record.start, step.now_ms)
    opened.metadata_version = record.metadata_version
    if row is not None and 0 < record.goes_on_from <= row.generation:
        opened.position, opened.leader_epoch = row.position, row.leader_epoch
    if row is None:
        state.sources.add(key, opened)
    else:
        state.sources.put(key, opened)
    step.actions.append(ReadSource(key))
    return DONE


def apply_intake(step: Step, record: Intake) -> Answer:
    """Take the records if they begin exactly at the position; otherwise they were taken before,
    or will be read again."""
    state = step.state
    if record.epoch != state.partition_row.epoch:
        return Answer.DROPPED
    key = source_key(record.source)
    row = state.sources.get(key)
    if row is None or row.generation != record.generation or row.position != record.first:
        return Answer.DROPPED
    if record.upto <= record.first:  # a topic that was truncated needs another generation
        return Answer.DROPPED
    row.position = record.upto
    row.leader_epoch = record.leader_epoch
    state.sources.touch(key)
    for item in record.items:
        if isinstance(item, Invoke):
            assert item.origin is not None, "what is taken from a source has an origin"
            if item.origin.holds_slot:
                row.live.append(item.origin.offset)
            route_item(step, item)
        else:
            letters.keep_letter(step, item)
    return DONE


def apply_source_closed(step: Step, record: SourceClosed) -> Answer:
    """Forget a source. Its invocations go on, and their slots are not counted any more."""
    state = step.state
    key = source_key(record.source)
    row = state.sources.get(key)
    if record.epoch != state.partition_row.epoch or row is None:
        return Answer.DROPPED
    if row.generation != record.generation:
        return Answer.DROPPED
    state.sources.delete(key)
    step.actions.append(ReadSource(key))
    return DONE


def apply_slot_freed(step: Step, freed: SlotFreed) -> None:
    """Free a slot of a source; ignored if it was freed before or belongs to another generation."""
    key = source_key(freed.source)
    row = step.state.sources.get(key)
    at = _place_of(row, freed)
    if row is not None and at is not None:
        del row.live[at]
        row.paused.pop(freed.offset, None)
        step.state.sources.touch(key)
        step.actions.append(ReadSource(key))


def apply_slot_paused(step: Step, told: SlotPaused) -> None:
    """Note who holds a slot and does nothing, for people: until it goes on, or gives it back."""
    key = source_key(told.source)
    row = step.state.sources.get(key)
    if row is not None and _place_of(row, told) is not None:
        if told.invocation:
            row.paused[told.offset] = told.invocation
        else:
            row.paused.pop(told.offset, None)
        step.state.sources.touch(key)
        step.actions.append(ReadSource(key))


def _place_of(row: SourceRow | None, told: SlotFreed | SlotPaused) -> int | None:
    """Where a slot is among those that are held; None if it is not, or of another generation."""
    if row is None or row.generation != told.generation:
        return None
    at = bisect_left(row.live, told.offset)
    return at if at < len(row.live) and row.live[at] == told.offset else None
