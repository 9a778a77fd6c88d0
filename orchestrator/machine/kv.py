"""K/V state of a key: inline in the object's row while small, then rows of a generation."""

from collections.abc import Collection, Iterator

from orchestrator.codec.keys import object_key, prefix_end, state_prefix
from orchestrator.machine.chores import drop_state_rows
from orchestrator.machine.state_feed import tell_change
from orchestrator.machine.step import Step
from orchestrator.model.limits import STATE_INLINE_BYTES
from orchestrator.model.rows import ObjectRow, StateRow
from orchestrator.tables.state import State


def get(state: State, owner: ObjectRow, key: bytes) -> bytes | None:
    """One value."""
    if not owner.state_generation:
        return owner.state.get(key)
    row = state.state_rows.get(_prefix(owner) + key)
    return None if row is None else row.value


def pairs(state: State, owner: ObjectRow, after: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
    """All entries in key order, or those after a key."""
    if not owner.state_generation:
        yield from (pair for pair in sorted(owner.state.items()) if pair[0] > after or not after)
        return
    prefix = _prefix(owner)
    cut = len(prefix)
    start = prefix + after + b"\0" if after else prefix
    for key, row in state.state_rows.scan(start, prefix_end(prefix)):
        yield key[cut:], row.value


def keys(state: State, owner: ObjectRow) -> list[bytes]:
    """All keys in order."""
    if not owner.state_generation:
        return sorted(owner.state)
    prefix = _prefix(owner)
    return [key[len(prefix) :] for key in state.state_rows.keys(prefix, prefix_end(prefix))]


def put(step: Step, owner: ObjectRow, key: bytes, value: bytes) -> None:
    if step.state.partition_row.state_feeds:
        tell_change(step, owner, key, value)
    if owner.state_generation:
        _put_row(step, owner, _prefix(owner) + key, value)
        return
    before = owner.state.get(key)
    owner.state_bytes += len(value) + (len(key) if before is None else -len(before))
    owner.state[key] = value
    if owner.state_bytes > STATE_INLINE_BYTES:
        _move_to_rows(step, owner)
    _touch(step, owner)


def clear(step: Step, owner: ObjectRow, key: bytes) -> None:
    if owner.state_generation:
        _clear_row(step, owner, _prefix(owner) + key)
        return
    before = owner.state.pop(key, None)
    if before is not None:
        if step.state.partition_row.state_feeds:
            tell_change(step, owner, key, None)
        owner.state_bytes -= len(key) + len(before)
        _touch(step, owner)


def clear_all(step: Step, owner: ObjectRow, again: Collection[bytes] = ()) -> None:
    """Clear a state at once. Rows of an older generation are deleted by follow-up records; rows
    that this record wrote are deleted now, since it may write to the same generation again.

    `again`: keys that the same record sets; a feed of state gets no tombstone for them.
    """
    gone = list(owner.state)
    if owner.state_generation == step.position:
        cut = len(_prefix(owner))
        for key in [key for key, _ in _rows(step.state, owner)]:
            step.state.state_rows.delete(key)
            gone.append(key[cut:])
    else:
        drop_state_rows(step, owner.service, owner.key, owner.state_generation)
    if step.state.partition_row.state_feeds:
        for key in sorted(gone):
            if key not in again:
                tell_change(step, owner, key, None)
    owner.state = {}
    owner.state_bytes = 0
    owner.state_generation = 0
    owner.state_count = 0
    _touch(step, owner)


def _move_to_rows(step: Step, owner: ObjectRow) -> None:
    owner.state_generation = step.position
    prefix = _prefix(owner)
    for key, value in sorted(owner.state.items()):
        step.state.state_rows.add(prefix + key, StateRow(value))
    owner.state_count = len(owner.state)
    owner.state = {}


def _put_row(step: Step, owner: ObjectRow, key: bytes, value: bytes) -> None:
    rows = step.state.state_rows
    row = rows.get(key)
    if row is None:
        rows.add(key, StateRow(value))
        owner.state_count += 1
        owner.state_bytes += len(key) - len(_prefix(owner)) + len(value)
    else:
        owner.state_bytes += len(value) - len(row.value)
        row.value = value
        rows.touch(key)
    _touch(step, owner)


def _clear_row(step: Step, owner: ObjectRow, key: bytes) -> None:
    """With its last row a state is in the object's row again, where an empty one costs nothing."""
    rows = step.state.state_rows
    row = rows.get(key)
    if row is None:
        return
    rows.delete(key)
    cut = len(_prefix(owner))
    if step.state.partition_row.state_feeds:
        tell_change(step, owner, key[cut:], None)
    owner.state_count -= 1
    owner.state_bytes -= len(key) - cut + len(row.value)
    if not owner.state_count:
        owner.state_generation = 0
    _touch(step, owner)


def _rows(state: State, owner: ObjectRow) -> Iterator[tuple[bytes, StateRow]]:
    prefix = _prefix(owner)
    return state.state_rows.scan(prefix, prefix_end(prefix))


def _prefix(owner: ObjectRow) -> bytes:
    return state_prefix(object_key(owner.service, owner.key), owner.state_generation)


def _touch(step: Step, owner: ObjectRow) -> None:
    step.state.objects.touch(object_key(owner.service, owner.key))
