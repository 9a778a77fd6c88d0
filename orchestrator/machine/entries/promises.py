"""Durable promises of a workflow key: completed once, awaited by any of its handlers."""

from orchestrator.codec.keys import awaited_promise
from orchestrator.machine.details import AWAITED_PROMISE, AWAITS, keep
from orchestrator.machine.journal import complete_entry
from orchestrator.machine.promises import find_promise, make
from orchestrator.machine.step import Step
from orchestrator.machine.waiting import add_waiter, answer_all
from orchestrator.model.effects import CompletePromise, GetPromise, PeekPromise
from orchestrator.model.rows import InvocationRow
from orchestrator.model.values import CODE_CONFLICT, Caller, Failure
from perdure.wire.codes import (
    COMPLETE_PROMISE_COMPLETION,
    GET_PROMISE_COMPLETION,
    PEEK_PROMISE_COMPLETION,
)

ALREADY_COMPLETED = Failure(CODE_CONFLICT, "promise was already completed")


def get_promise(step: Step, row: InvocationRow, effect: GetPromise, frames: bytes) -> None:
    """Complete now, or when the promise is."""
    key, promise = make(step, row.invoke, effect.name)
    if promise.outcome is not None:
        complete_entry(step, row, GET_PROMISE_COMPLETION, effect.completion_id, promise.outcome)
        return
    waiter = Caller(row.invoke.id, row.incarnation, effect.completion_id, GET_PROMISE_COMPLETION)
    add_waiter(step, promise, awaited_promise(key), waiter)
    row.open_calls += 1
    keep(step, row, AWAITS, effect.completion_id, AWAITED_PROMISE + effect.name.encode())
    step.state.promises.touch(key)


def peek_promise(step: Step, row: InvocationRow, effect: PeekPromise, frames: bytes) -> None:
    promise = find_promise(step, row.invoke, effect.name)
    outcome = None if promise is None else promise.outcome
    complete_entry(step, row, PEEK_PROMISE_COMPLETION, effect.completion_id, outcome)


def complete_promise(
    step: Step, row: InvocationRow, effect: CompletePromise, frames: bytes
) -> None:
    """The first one wins."""
    key, promise = make(step, row.invoke, effect.name)
    if promise.outcome is not None:
        complete_entry(
            step, row, COMPLETE_PROMISE_COMPLETION, effect.completion_id, ALREADY_COMPLETED
        )
        return
    value = frames[effect.start : effect.end]
    promise.outcome = value if effect.failure is None else effect.failure
    step.state.promises.touch(key)
    complete_entry(step, row, COMPLETE_PROMISE_COMPLETION, effect.completion_id, None)
    if promise.waiters or promise.more_waiters:
        answer_all(step, promise, awaited_promise(key), promise.outcome)
