"""Callers that wait for the result of an invocation or for a promise.

A few are in the row of what they wait for, the others are rows of their own, so that adding,
dropping or answering one costs the same however many there are. Each is given a copy of the
outcome: so the larger it is the fewer are answered by one record.
"""

from orchestrator.codec.keys import awaited_invocation, caller_key, outcome_key, record_key
from orchestrator.machine.chores import add_chore
from orchestrator.machine.routing import respond
from orchestrator.machine.step import Step
from orchestrator.model.limits import CHORE_STEP_BYTES, INPUT_INLINE_BYTES, WAITERS_INLINE_COUNT
from orchestrator.model.rows import (
    CHORE_ANSWER,
    ChoreRow,
    ChunkRow,
    InvocationRow,
    JournalChunk,
    PromiseRow,
    WaiterRow,
)
from orchestrator.model.topics import RecordOrigin
from orchestrator.model.values import Caller, Outcome

Awaited = InvocationRow | PromiseRow


def add_waiter(step: Step, row: Awaited, whom: bytes, caller: Caller) -> None:
    """One more who waits; once only. The caller marks the awaited row as changed."""
    if caller in row.waiters:
        return
    if len(row.waiters) < WAITERS_INLINE_COUNT:
        row.waiters = (*row.waiters, caller)
        return
    key = _key(whom, caller)
    if step.state.waiters.get(key) is None:
        step.state.waiters.add(key, WaiterRow(caller))
        row.more_waiters += 1


def add_record(step: Step, row: Awaited, whom: bytes, origin: RecordOrigin) -> None:
    """A record of a topic that waits for its reply: never in the row, as it may be large."""
    key = whom + record_key(origin)
    if step.state.waiters.get(key) is None:
        step.state.waiters.add(key, WaiterRow(None, origin))
        row.more_waiters += 1


def drop_waiter(step: Step, row: Awaited, whom: bytes, caller: Caller) -> None:
    """It waits no longer: its invocation is over."""
    key = _key(whom, caller)
    for place, waiter in enumerate(row.waiters):
        if _key(whom, waiter) == key:
            row.waiters = row.waiters[:place] + row.waiters[place + 1 :]
            return
    if row.more_waiters and step.state.waiters.get(key) is not None:
        step.state.waiters.delete(key)
        row.more_waiters -= 1


def answer_all(step: Step, row: Awaited, whom: bytes, outcome: Outcome) -> None:
    """The first few now, the others by follow-up records."""
    waiters, row.waiters = row.waiters, ()
    now_count = answered_count(outcome, len(waiters))
    for waiter in waiters[now_count:]:
        step.state.waiters.add(_key(whom, waiter), WaiterRow(waiter))
    if row.more_waiters or len(waiters) > now_count:
        row.more_waiters = 0
        add_chore(step, _answering(step, whom, outcome))
    for waiter in waiters[:now_count]:
        respond(step, waiter, outcome)


def answered_count(outcome: Outcome, count_max: int) -> int:
    """How many one record may give this outcome to: one at least, `count_max` at most."""
    size_bytes = len(outcome) if isinstance(outcome, bytes) else 0
    return max(1, min(count_max, CHORE_STEP_BYTES // max(1, size_bytes)))


def _answering(step: Step, whom: bytes, outcome: Outcome) -> ChoreRow:
    """The chore that answers them. Its row is written with every step, so a large outcome is a
    row of its own, written once."""
    chore = ChoreRow(CHORE_ANSWER, id=whom)
    if isinstance(outcome, bytes) and len(outcome) > INPUT_INLINE_BYTES:
        chore.generation, chore.incarnation = step.position, step.sub
        key = outcome_key(chore.generation, chore.incarnation)
        step.state.chunks.add(key, ChunkRow([JournalChunk(step.now_ms, outcome)]))
    else:
        chore.outcome = outcome
    return chore


def whom_of(row: InvocationRow) -> bytes:
    return awaited_invocation(row.invoke.id, row.incarnation)


def _key(whom: bytes, caller: Caller) -> bytes:
    return whom + caller_key(caller.id, caller.incarnation, caller.completion_id)
