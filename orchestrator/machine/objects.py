"""Objects and workflow keys: the lock, the inbox, and the row that goes when nothing is left."""

from orchestrator.codec.keys import inbox_key, object_key
from orchestrator.machine import kv, state_patch
from orchestrator.machine.chores import add_chore
from orchestrator.machine.status import BEGIN, QUEUE, change_status, go_on
from orchestrator.machine.step import Step
from orchestrator.model.ids import workflow_id
from orchestrator.model.records import PatchState
from orchestrator.model.rows import (
    CHORE_DROP_PROMISES,
    CHORE_FREE_KEY,
    ChoreRow,
    InboxRow,
    InvocationRow,
    ObjectRow,
)


def find_object(step: Step, service: str, key: str) -> ObjectRow | None:
    """The row of a key. What a workflow has is gone from the moment on at which it expires, even
    if the clean-up has not come to it yet."""
    objects = step.state.objects
    raw = object_key(service, key)
    owner = objects.get(raw)
    if owner is None or not owner.expires_at_ms:
        return owner
    if owner.expires_at_ms > step.now_ms or owner.lock:
        return owner
    forget_object(step, owner)
    return objects.get(raw)  # it may have a queue


def find_or_make(step: Step, service: str, key: str) -> ObjectRow:
    """The same; made with this record's position as its generation."""
    owner = find_object(step, service, key)
    if owner is None:
        owner = ObjectRow(step.position, service, key)
        step.state.objects.add(object_key(service, key), owner)
    return owner


def expire_at(step: Step, service: str, key: str, at_ms: int) -> None:
    """The run of a workflow is over: state and promises of its key are kept as long as its
    result."""
    raw = object_key(service, key)
    owner = step.state.objects.get(raw)
    if owner is not None:
        owner.expires_at_ms = at_ms
        step.state.objects.touch(raw)


def expire_with_run(step: Step, owner: ObjectRow) -> None:
    """A row of a workflow's key was made: it is kept no longer than the result of its run."""
    done = step.state.completed.get(workflow_id(owner.service, owner.key))
    if done is not None and done.expires_at_ms > step.now_ms:
        owner.expires_at_ms = done.expires_at_ms


def forget_object(step: Step, owner: ObjectRow) -> None:
    """Forget state and promises of a key that nobody has locked."""
    kv.clear_all(step, owner)
    if owner.promise_count:
        chore = ChoreRow(CHORE_DROP_PROMISES, service=owner.service, key=owner.key)
        chore.generation = owner.generation
        add_chore(step, chore)
        owner.promise_count = 0
        owner.generation = step.position  # what is written from now on belongs to another one
    owner.expires_at_ms = 0
    drop_if_idle(step, owner)


def lock_or_queue(step: Step, row: InvocationRow) -> None:
    """Begin an exclusive invocation, or put it behind the others of its key."""
    invoke = row.invoke
    owner = find_or_make(step, invoke.service, invoke.key)
    if owner.lock or owner.inbox_head != owner.inbox_tail:
        change_status(step, row, QUEUE)
        row.inboxed_at_ms = step.now_ms
        row.inbox_number = _queue(step, owner, InboxRow(invoke.id, row.incarnation, step.now_ms))
        return
    _take(step, owner, row)


def queue_patch(step: Step, patch: PatchState) -> bool:
    """Apply a modification of state, behind the running exclusive invocation and its queue. False
    if it is for a version, and the state is too large to be compared with it."""
    owner = find_or_make(step, patch.service, patch.key)
    if patch.workflow and owner.generation == step.position:
        expire_with_run(step, owner)
    if patch.version is not None and not state_patch.can_compare(owner):
        return False
    if owner.lock or owner.inbox_head != owner.inbox_tail:
        _queue(step, owner, InboxRow(b"", 0, step.now_ms, patch))
    else:
        state_patch.apply_patch(step, owner, patch)
        drop_if_idle(step, owner)
    return True


def leave_queue(step: Step, row: InvocationRow) -> None:
    """An inboxed invocation is cancelled or killed: its place in the queue stays empty."""
    raw = object_key(row.invoke.service, row.invoke.key)
    step.state.inbox.delete(inbox_key(raw, row.inbox_number))


def release(step: Step, service: str, key: str) -> None:
    """The lock's holder is done: the next in the queue takes it."""
    raw = object_key(service, key)
    owner = step.state.objects.get(raw)
    assert owner is not None, "the holder of a lock has an object row"
    owner.lock = b""
    if not take_next(step, owner, raw):
        add_chore(step, ChoreRow(CHORE_FREE_KEY, service=service, key=key))


def take_next(step: Step, owner: ObjectRow, raw: bytes) -> bool:
    """Give a free lock to the next in the queue. False if this record may look at no more
    places: a follow-up record goes on, and newcomers queue up behind the rest."""
    step.state.objects.touch(raw)
    while owner.inbox_head < owner.inbox_tail and not owner.lock:
        if step.places_left <= 0:
            return False
        step.places_left -= 1
        _next(step, owner, raw)
    drop_if_idle(step, owner)
    return True


def drop_if_idle(step: Step, owner: ObjectRow) -> None:
    """Delete the row of a key that has no lock, queue, state or promise."""
    if owner.lock or owner.inbox_head != owner.inbox_tail or owner.promise_count:
        return
    if not owner.state and not owner.state_generation:
        step.state.objects.delete(object_key(owner.service, owner.key))


def _queue(step: Step, owner: ObjectRow, entry: InboxRow) -> int:
    raw = object_key(owner.service, owner.key)
    number = owner.inbox_tail
    owner.inbox_tail = number + 1
    step.state.inbox.add(inbox_key(raw, number), entry)
    step.state.objects.touch(raw)
    return number


def _next(step: Step, owner: ObjectRow, raw: bytes) -> None:
    key = inbox_key(raw, owner.inbox_head)
    owner.inbox_head += 1
    entry = step.state.inbox.get(key)
    if entry is None:  # left the queue
        return
    step.state.inbox.delete(key)
    if entry.patch is not None:
        step.places_left -= state_patch.places_of(entry.patch)
        state_patch.apply_patch(step, owner, entry.patch)
        return
    row = step.state.invocations.get(entry.id)
    if row is not None and row.incarnation == entry.incarnation:
        _take(step, owner, row)


def _take(step: Step, owner: ObjectRow, row: InvocationRow) -> None:
    owner.lock = row.invoke.id
    step.state.objects.touch(object_key(owner.service, owner.key))
    go_on(step, row, BEGIN)
