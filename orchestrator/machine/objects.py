"""Objects and workflow keys: the lock, the inbox, and the row that goes when nothing is left."""

from orchestrator.codec.keys import inbox_key, object_key
from orchestrator.machine import state_patch
from orchestrator.machine.chores import add_chore
from orchestrator.machine.status import BEGIN, QUEUE, change_status, go_on
from orchestrator.machine.step import Step
from orchestrator.model.records import PatchState
from orchestrator.model.rows import CHORE_FREE_KEY, ChoreRow, InboxRow, InvocationRow, ObjectRow


def find_or_make(step: Step, service: str, key: str) -> ObjectRow:
    """The row of a key; made with this record's position as its generation."""
    objects = step.state.objects
    raw = object_key(service, key)
    row = objects.get(raw)
    if row is None:
        row = ObjectRow(step.position, service, key)
        objects.add(raw, row)
    return row


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
        step.places_left -= len(entry.patch.state)
        state_patch.apply_patch(step, owner, entry.patch)
        return
    row = step.state.invocations.get(entry.id)
    if row is not None and row.incarnation == entry.incarnation:
        _take(step, owner, row)


def _take(step: Step, owner: ObjectRow, row: InvocationRow) -> None:
    owner.lock = row.invoke.id
    step.state.objects.touch(object_key(owner.service, owner.key))
    go_on(step, row, BEGIN)
