"""Durable promises of a workflow key: completed once, awaited by any of its handlers."""

from orchestrator.codec.keys import object_key, state_prefix
from orchestrator.machine.journal import complete_entry
from orchestrator.machine.objects import find_or_make
from orchestrator.machine.routing import respond
from orchestrator.machine.step import Step
from orchestrator.model.effects import CompletePromise, GetPromise, PeekPromise
from orchestrator.model.rows import InvocationRow, PromiseRow
from orchestrator.model.values import CODE_CONFLICT, Caller, Failure
from perdure.wire.codes import (
    COMPLETE_PROMISE_COMPLETION,
    GET_PROMISE_COMPLETION,
    PEEK_PROMISE_COMPLETION,
)

ALREADY_COMPLETED = Failure(CODE_CONFLICT, "promise was already completed")


def get_promise(step: Step, row: InvocationRow, effect: GetPromise, frames: bytes) -> None:
    """Complete now, or when the promise is."""
    key, promise = _find_or_make(step, row, effect.name)
    if promise.outcome is not None:
        complete_entry(step, row, GET_PROMISE_COMPLETION, effect.completion_id, promise.outcome)
        return
    waiter = Caller(row.invoke.id, row.incarnation, effect.completion_id, GET_PROMISE_COMPLETION)
    promise.waiters.append(waiter)
    step.state.promises.touch(key)


def peek_promise(step: Step, row: InvocationRow, effect: PeekPromise, frames: bytes) -> None:
    promise = _find(step, row, effect.name)
    outcome = None if promise is None else promise.outcome
    complete_entry(step, row, PEEK_PROMISE_COMPLETION, effect.completion_id, outcome)


def complete_promise(
    step: Step, row: InvocationRow, effect: CompletePromise, frames: bytes
) -> None:
    """The first one wins."""
    key, promise = _find_or_make(step, row, effect.name)
    if promise.outcome is not None:
        complete_entry(
            step, row, COMPLETE_PROMISE_COMPLETION, effect.completion_id, ALREADY_COMPLETED
        )
        return
    value = frames[effect.start : effect.end]
    promise.outcome = value if effect.failure is None else effect.failure
    waiters, promise.waiters = promise.waiters, []
    step.state.promises.touch(key)
    complete_entry(step, row, COMPLETE_PROMISE_COMPLETION, effect.completion_id, None)
    for waiter in waiters:
        respond(step, waiter, promise.outcome)


def _find(step: Step, row: InvocationRow, name: str) -> PromiseRow | None:
    raw = object_key(row.invoke.service, row.invoke.key)
    owner = step.state.objects.get(raw)
    if owner is None:
        return None
    return step.state.promises.get(state_prefix(raw, owner.generation) + name.encode())


def _find_or_make(step: Step, row: InvocationRow, name: str) -> tuple[bytes, PromiseRow]:
    owner = find_or_make(step, row.invoke.service, row.invoke.key)
    raw = object_key(row.invoke.service, row.invoke.key)
    key = state_prefix(raw, owner.generation) + name.encode()
    promise = step.state.promises.get(key)
    if promise is None:
        promise = PromiseRow()
        step.state.promises.add(key, promise)
        owner.promise_count += 1
        step.state.objects.touch(raw)
    return key, promise
