"""The promises of a workflow key: their rows, and who waits for them."""

from orchestrator.codec.keys import awaited_promise, object_key, state_prefix
from orchestrator.machine.objects import drop_if_idle, expire_with_run, find_object, find_or_make
from orchestrator.machine.step import Step
from orchestrator.machine.waiting import drop_waiter
from orchestrator.model.invoke import Invoke
from orchestrator.model.rows import PromiseRow
from orchestrator.model.values import WORKFLOW_RUN, Caller


def find_promise(step: Step, invoke: Invoke, name: str) -> PromiseRow | None:
    """The promise of this name that handlers of the invocation's key share."""
    owner = find_object(step, invoke.service, invoke.key)
    if owner is None:
        return None
    raw = object_key(invoke.service, invoke.key)
    return step.state.promises.get(state_prefix(raw, owner.generation) + name.encode())


def make(step: Step, invoke: Invoke, name: str) -> tuple[bytes, PromiseRow]:
    """The same, made if there is none."""
    owner = find_or_make(step, invoke.service, invoke.key)
    if owner.generation == step.position and invoke.kind != WORKFLOW_RUN:
        expire_with_run(step, owner)
    raw = object_key(invoke.service, invoke.key)
    key = state_prefix(raw, owner.generation) + name.encode()
    promise = step.state.promises.get(key)
    if promise is None:
        promise = PromiseRow()
        step.state.promises.add(key, promise)
        owner.promise_count += 1
        step.state.objects.touch(raw)
    return key, promise


def wait_no_longer(step: Step, service: str, object_of: str, name: str, caller: Caller) -> None:
    """Remove a waiter whose invocation is over, and a promise that nothing else needs."""
    raw = object_key(service, object_of)
    owner = step.state.objects.get(raw)
    if owner is None:
        return
    key = state_prefix(raw, owner.generation) + name.encode()
    promise = step.state.promises.get(key)
    if promise is None or promise.outcome is not None:
        return
    drop_waiter(step, promise, awaited_promise(key), caller)
    step.state.promises.touch(key)
    if not promise.waiters and not promise.more_waiters:
        step.state.promises.delete(key)
        owner.promise_count -= 1
        step.state.objects.touch(raw)
        drop_if_idle(step, owner)
