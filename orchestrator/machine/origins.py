"""Invocations from topics: the slot they hold, the reply they owe, the dead letter they may become.

Only invocations with an `origin` come here; the others pay nothing for it.
"""

import msgspec
from msgspec.structs import replace

from orchestrator.machine import lanes
from orchestrator.machine.endings import reason_of_end
from orchestrator.machine.inputs import whole_invoke
from orchestrator.machine.routing import send_to
from orchestrator.machine.step import Step
from orchestrator.machine.waiting import add_record, whom_of
from orchestrator.model.invoke import Invoke
from orchestrator.model.lanes import ToTopic
from orchestrator.model.rows import InvocationRow
from orchestrator.model.topic_records import DeadLetter, Produce, SlotFreed, SlotPaused
from orchestrator.model.topics import (
    DEAD_INVOCATION,
    KILLED,
    REPLY,
    RecordHeaders,
    RecordOrigin,
)
from orchestrator.model.values import PAUSED, Failure, Outcome
from perdure.wire.ids import invocation_id_to_str


def free_slot(step: Step, row: InvocationRow) -> None:
    """Give back the slot of `max_in_flight`: once, by an item to the home of the source."""
    origin = row.invoke.origin
    if origin is not None and origin.holds_slot:
        row.invoke = replace(row.invoke, origin=replace(origin, holds_slot=False))
        step.state.invocations.touch(row.invoke.id)
        _say_freed(step, origin)


def tell_pause(step: Step, row: InvocationRow) -> None:
    """Who holds a slot was paused, or goes on: its home shows why nothing more is read."""
    origin = row.invoke.origin
    if origin is not None and origin.holds_slot:
        paused = row.invoke.id if row.status == PAUSED else b""
        told = SlotPaused(
            origin.source, origin.generation, origin.offset, origin.home, step.now_ms, paused
        )
        send_to(step, origin.home, told)


def end(step: Step, row: InvocationRow, outcome: Outcome, killed: bool) -> None:
    """The invocation is over: free its slot, make the dead letter, send the reply, in this
    order. Its input must still be there."""
    free_slot(step, row)
    invoke = whole_invoke(step.state, row)
    origin = invoke.origin
    assert origin is not None
    if origin.dead_letter and isinstance(outcome, Failure):
        reason = reason_of_end(step, row, outcome, killed)
        letter = DeadLetter(
            DEAD_INVOCATION,
            reason,
            outcome.message,
            step.now_ms,
            replace(origin, dead_letter=False),
            invoke.body,
            len(invoke.body),
            None,
            invoke.id,
            invoke.service,
            invoke.handler,
            invoke.key,
            row.attempt if reason == KILLED else row.attempt - 1,  # `attempt` is the next one's
        )
        send_to(step, origin.home, letter)
    reply(step, origin, invoke.id, row.incarnation, outcome)


def repeat(step: Step, invoke: Invoke, known: Outcome, incarnation: int) -> None:
    """Another record for an id that is completed, or will have no result: reply at once."""
    origin = invoke.origin
    assert origin is not None
    if origin.holds_slot:
        _say_freed(step, origin)
    reply(step, origin, invoke.id, incarnation, known)


def join(step: Step, invoke: Invoke, row: InvocationRow) -> None:
    """Another record for an idempotency key whose invocation is live: its reply comes with the
    result."""
    origin = invoke.origin
    assert origin is not None
    if origin.holds_slot:
        _say_freed(step, origin)
    if origin.reply is not None:
        waits = replace(origin, headers=(), holds_slot=False, dead_letter=False)
        add_record(step, row, whom_of(row), waits)
        step.state.invocations.touch(row.invoke.id)


def reply(
    step: Step, origin: RecordOrigin, invocation_id: bytes, incarnation: int, outcome: Outcome
) -> None:
    """The result as a record for the reply topic, if one was asked for."""
    to = origin.reply
    if to is None:
        return
    headers: RecordHeaders = (
        ("perdure-invocation-id", invocation_id_to_str(invocation_id).encode()),
    )
    if isinstance(outcome, Failure):
        value = msgspec.json.encode({"code": outcome.code, "message": outcome.message})
        code = str(outcome.code).encode()
        headers += (("perdure-status", b"failure"), ("perdure-failure-code", code))
    else:
        value = outcome
        headers += (("perdure-status", b"ok"),)
    partition = to.partition if to.partition >= 0 else None
    item = Produce(
        REPLY,
        partition,
        origin.key,
        headers + to.headers,
        value,
        step.now_ms,
        invocation_id,
        incarnation,
    )
    lanes.give(step, ToTopic(to.cluster, to.topic), item)


def _say_freed(step: Step, origin: RecordOrigin) -> None:
    freed = SlotFreed(origin.source, origin.generation, origin.offset, origin.home, step.now_ms)
    send_to(step, origin.home, freed)
