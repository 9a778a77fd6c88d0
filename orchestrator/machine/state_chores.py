"""Follow-up records of state feeds: what there is at first, and what was cleared at once."""

from collections.abc import Iterable
from itertools import islice

from orchestrator.codec.keys import object_key, parse_object_key, prefix_end
from orchestrator.machine import kv
from orchestrator.machine.state_feed import tell_change
from orchestrator.machine.step import Step
from orchestrator.model.limits import CHORE_STEP_BYTES, CHORE_STEP_COUNT
from orchestrator.model.rows import ChoreRow, ObjectRow


def emit_some(step: Step, chore: ChoreRow) -> bool:
    """The next values of a service, as they are now. `cursor` is the object it has come to, `id`
    the last key of its state that was emitted."""
    if chore.service not in step.state.partition_row.state_feeds:
        return True
    left, left_bytes = CHORE_STEP_COUNT, CHORE_STEP_BYTES
    first = chore.service.encode() + b"\0"
    start = chore.cursor or first
    objects = step.state.objects.scan(start, prefix_end(first))
    for raw, owner in islice(objects, CHORE_STEP_COUNT):
        if raw != chore.cursor:
            chore.cursor, chore.id = raw, b""
            left -= 1
        for key, value in kv.pairs(step.state, owner, chore.id):
            if left <= 0 or left_bytes <= 0:
                return False
            left_bytes -= tell_change(step, owner, key, value)
            left -= 1
            chore.id = key
        if left <= 0:
            return False
    start = chore.cursor + b"\0" if chore.cursor else first
    return next(step.state.objects.keys(start, prefix_end(first)), None) is None


def tell_dropped(step: Step, dropped: Iterable[bytes]) -> None:
    """Rows of an older generation were deleted: give a tombstone to the feed for keys that have
    no value now."""
    if not step.state.partition_row.state_feeds:
        return
    for row_key in dropped:
        service, key, rest = parse_object_key(row_key)
        if service not in step.state.partition_row.state_feeds:
            return
        state_key = rest[8:]
        owner = step.state.objects.get(object_key(service, key))
        if owner is None:
            owner = ObjectRow(0, service, key)  # it has no row any more, and no value
        elif kv.get(step.state, owner, state_key) is not None:
            continue
        tell_change(step, owner, state_key, None)
