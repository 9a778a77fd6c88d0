"""ChoreStep: the next bounded part of a chore; its row goes with the last part."""

from itertools import islice
from typing import TypeVar

from orchestrator.codec.keys import (
    awaited_promise,
    chunk_key,
    object_key,
    outcome_key,
    parse_awaited,
    prefix_end,
    state_prefix,
)
from orchestrator.machine import objects
from orchestrator.machine.apply_produced import close_some
from orchestrator.machine.ended import clear_up_more
from orchestrator.machine.origins import reply
from orchestrator.machine.routing import respond
from orchestrator.machine.state_chores import emit_some, tell_dropped
from orchestrator.machine.step import Step
from orchestrator.machine.waiting import answer_all, answered_count
from orchestrator.model.actions import DoChore
from orchestrator.model.answers import DONE, Answer
from orchestrator.model.limits import CHORE_STEP_COUNT
from orchestrator.model.records import ChoreStep
from orchestrator.model.rows import (
    CHORE_ANSWER,
    CHORE_CLOSE_LANE,
    CHORE_DROP_CHUNKS,
    CHORE_DROP_PROMISES,
    CHORE_DROP_STATE,
    CHORE_EMIT_STATE,
    CHORE_END,
    CHORE_FREE_KEY,
    ChoreRow,
    Row,
)
from orchestrator.model.values import CODE_GONE, Failure
from orchestrator.tables.table import Table

R = TypeVar("R", bound=Row)
PROMISE_GONE = Failure(CODE_GONE, "the workflow of this promise was purged")


def apply_chore(step: Step, record: ChoreStep) -> Answer:
    state = step.state
    if record.epoch != state.partition_row.epoch:
        return Answer.DROPPED
    chore = state.chores.get(record.key)
    if chore is None:
        return Answer.DROPPED
    if _PARTS[chore.kind](step, chore):
        state.chores.delete(record.key)
        return DONE
    state.chores.touch(record.key)
    step.actions.append(DoChore(record.key))
    return Answer.ACCEPTED


def _end_more(step: Step, chore: ChoreRow) -> bool:
    return clear_up_more(step, chore, CHORE_STEP_COUNT)


def _answer_some(step: Step, chore: ChoreRow) -> bool:
    outcome, key = chore.outcome, outcome_key(chore.generation, chore.incarnation)
    if outcome is None:
        stored = step.state.chunks.get(key)
        assert stored is not None, "who waits is answered with a result"
        outcome = stored.chunks[0].frames
    count_max = answered_count(outcome, CHORE_STEP_COUNT)
    answered = _drop_some(step.state.waiters, chore, chore.id, count_max)
    for _, waiter in answered:
        if waiter.caller is not None:
            respond(step, waiter.caller, outcome)
        elif waiter.origin is not None:
            invocation_id, incarnation = parse_awaited(chore.id)
            reply(step, waiter.origin, invocation_id, incarnation, outcome)
    is_over = len(answered) < count_max
    if is_over and chore.outcome is None:
        step.state.chunks.delete(key)
    return is_over


def _drop_state(step: Step, chore: ChoreRow) -> bool:
    dropped = _drop_some(step.state.state_rows, chore, _of_key(chore), CHORE_STEP_COUNT)
    tell_dropped(step, [key for key, _ in dropped])
    return len(dropped) < CHORE_STEP_COUNT


def _drop_promises(step: Step, chore: ChoreRow) -> bool:
    """Remove promises that nobody can complete any more; their waiters get a failure."""
    dropped = _drop_some(step.state.promises, chore, _of_key(chore), CHORE_STEP_COUNT)
    for key, promise in dropped:
        answer_all(step, promise, awaited_promise(key), PROMISE_GONE)
    return len(dropped) < CHORE_STEP_COUNT


def _of_key(chore: ChoreRow) -> bytes:
    return state_prefix(object_key(chore.service, chore.key), chore.generation)


def _drop_some(
    table: Table[R], chore: ChoreRow, prefix: bytes, count_max: int
) -> list[tuple[bytes, R]]:
    """Delete the next rows with this prefix. The cursor keeps later steps from scanning what was
    deleted before."""
    start = chore.cursor + b"\0" if chore.cursor else prefix
    doomed = list(islice(table.scan(start, prefix_end(prefix)), count_max))
    for key, _ in doomed:
        table.delete(key)
        chore.cursor = key
    return doomed


def _drop_chunks(step: Step, chore: ChoreRow) -> bool:
    """`generation` counts the chunk rows that are left."""
    least = max(0, chore.generation - CHORE_STEP_COUNT)
    for number in range(least, chore.generation):
        step.state.chunks.delete(chunk_key(chore.id, chore.incarnation, number))
    chore.generation = least
    return not least


def _free_key(step: Step, chore: ChoreRow) -> bool:
    raw = object_key(chore.service, chore.key)
    owner = step.state.objects.get(raw)
    assert owner is not None and not owner.lock, "who comes meanwhile queues up"
    step.places_left = CHORE_STEP_COUNT
    return objects.take_next(step, owner, raw)


_PARTS = {
    CHORE_END: _end_more,
    CHORE_DROP_STATE: _drop_state,
    CHORE_DROP_PROMISES: _drop_promises,
    CHORE_DROP_CHUNKS: _drop_chunks,
    CHORE_FREE_KEY: _free_key,
    CHORE_ANSWER: _answer_some,
    CHORE_CLOSE_LANE: close_some,
    CHORE_EMIT_STATE: emit_some,
}
