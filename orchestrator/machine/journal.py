"""The journal of a live invocation: storing entries, giving notifications."""

from orchestrator.codec.keys import chunk_key
from orchestrator.machine.details import AWAITS, COMPLETIONS, SIGNALS, drop_detail, keep, look_up
from orchestrator.machine.frames import completion_frame, signal_frame
from orchestrator.machine.futures import FIRST_FREE_SIGNAL, is_resolved_by
from orchestrator.machine.names import keep_name
from orchestrator.machine.resolver import Leaf, signal_leaf
from orchestrator.machine.status import WAKE, go_on
from orchestrator.machine.step import Step
from orchestrator.model.actions import Notify
from orchestrator.model.limits import (
    DETAIL_INLINE_COUNT,
    INPUT_INLINE_BYTES,
    JOURNAL_INLINE_BYTES,
)
from orchestrator.model.rows import ChunkRow, InvocationRow, JournalChunk
from orchestrator.model.values import FAILURE, INVOKED, SUCCESS, SUSPENDED, Failure, Outcome


def store_entries(step: Step, row: InvocationRow, frames: bytes, entries: int) -> None:
    """Append frames; a tail that grew past its limit becomes a row that is written once."""
    row.tail.append(JournalChunk(step.now_ms, frames))
    size_bytes = len(frames)
    row.tail_bytes += size_bytes
    row.journal_bytes += size_bytes
    row.entries += entries
    if row.tail_bytes > JOURNAL_INLINE_BYTES:
        key = chunk_key(row.invoke.id, row.incarnation, row.chunk_count)
        step.state.chunks.add(key, ChunkRow(row.tail))
        row.chunk_count += 1
        row.tail = []
        row.tail_bytes = 0


def complete_entry(
    step: Step, row: InvocationRow, code: int, completion_id: int, outcome: Outcome | None
) -> bool:
    """Store a completion notification and give it to whoever waits for it. Once only; whether it
    was new."""
    kind = FAILURE if isinstance(outcome, Failure) else SUCCESS
    frame = completion_frame(code, completion_id, outcome)
    return complete_with_frame(step, row, completion_id, frame, kind)


def complete_with_frame(
    step: Step, row: InvocationRow, completion_id: int, frame: bytes, kind: int = SUCCESS
) -> bool:
    """The same for a notification that is a frame already."""
    completions = row.completions
    if row.paged or completions is None or len(completions) >= DETAIL_INLINE_COUNT:
        if look_up(step.state, row, COMPLETIONS, completion_id) is not None:
            return False
        keep(step, row, COMPLETIONS, completion_id, kind)
    elif completion_id in completions:
        return False
    else:
        completions[completion_id] = kind  # as `keep` does, without its calls
    if row.awaits or row.paged:
        drop_detail(step, row, AWAITS, completion_id)
    notify(step, row, frame, completion_id)
    return True


def give_signal(
    step: Step, row: InvocationRow, index: int, name: str, value: Outcome | None
) -> None:
    """Store a signal. An awakeable completes once; cancel and named signals may come again."""
    if index >= FIRST_FREE_SIGNAL and look_up(step.state, row, SIGNALS, index) is not None:
        return
    mark = row.entries << 2 | (FAILURE if isinstance(value, Failure) else SUCCESS)
    if index:
        keep(step, row, SIGNALS, index, mark)
    else:
        keep_name(step, row, name, mark)
    frame = signal_frame(index, name, value)
    row.signal_count += 1
    row.signal_bytes += len(frame)
    notify(step, row, frame, signal_leaf(index, name))


def notify(step: Step, row: InvocationRow, frame: bytes, leaf: Leaf) -> None:
    """Store one notification; push it to a running attempt, or wake one that waits for its leaf.
    What backs off since its suspension was idle has something new now."""
    index = row.entries
    store_entries(step, row, frame, 1)
    if len(frame) > INPUT_INLINE_BYTES:  # a copy: records do not say how many
        step.state.account.dirty_bytes += len(frame)
    row.modified_at_ms = step.now_ms
    step.state.invocations.touch(row.invoke.id)
    if row.status == INVOKED:
        step.actions.append(Notify(row.invoke.id, row.incarnation, index, frame))
        if row.waiting is not None:
            go_on(step, row, WAKE)
    elif row.status == SUSPENDED and is_resolved_by(step.state, row, leaf):
        go_on(step, row, WAKE)
