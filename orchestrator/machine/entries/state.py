"""State: writes of exclusive handlers, reads at this point of the log."""

from orchestrator.machine import kv
from orchestrator.machine.journal import complete_entry, complete_with_frame
from orchestrator.machine.objects import find_object, find_or_make
from orchestrator.machine.step import Step
from orchestrator.model.effects import ClearAllState, ClearState, GetState, GetStateKeys, SetState
from orchestrator.model.rows import InvocationRow, ObjectRow
from perdure.wire import outgoing
from perdure.wire.codes import GET_LAZY_STATE_COMPLETION


def set_state(step: Step, row: InvocationRow, effect: SetState, frames: bytes) -> None:
    owner = find_or_make(step, row.invoke.service, row.invoke.key)
    kv.put(step, owner, effect.key, frames[effect.start : effect.end])


def clear_state(step: Step, row: InvocationRow, effect: ClearState, frames: bytes) -> None:
    owner = _find(step, row)
    if owner is not None:
        kv.clear(step, owner, effect.key)


def clear_all_state(step: Step, row: InvocationRow, effect: ClearAllState, frames: bytes) -> None:
    owner = _find(step, row)
    if owner is not None:
        kv.clear_all(step, owner)


def get_state(step: Step, row: InvocationRow, effect: GetState, frames: bytes) -> None:
    owner = _find(step, row)
    value = None if owner is None else kv.get(step.state, owner, effect.key)
    complete_entry(step, row, GET_LAZY_STATE_COMPLETION, effect.completion_id, value)


def get_state_keys(step: Step, row: InvocationRow, effect: GetStateKeys, frames: bytes) -> None:
    """The leader proposes none for a state of very many keys."""
    owner = _find(step, row)
    keys = [] if owner is None else kv.keys(step.state, owner)
    frame = outgoing.completion_state_keys(effect.completion_id, keys)
    complete_with_frame(step, row, effect.completion_id, frame)


def _find(step: Step, row: InvocationRow) -> ObjectRow | None:
    return find_object(step, row.invoke.service, row.invoke.key)
