"""Calls and sends: the id is known at once, the target is invoked in its own partition."""

import msgspec

from orchestrator.machine.details import AWAITED_INVOCATION, AWAITS, CHILDREN, keep
from orchestrator.machine.journal import complete_with_frame
from orchestrator.machine.routing import route_item
from orchestrator.machine.step import Step
from orchestrator.model.effects import Call
from orchestrator.model.rows import InvocationRow
from perdure.wire import outgoing
from perdure.wire.ids import invocation_id_to_str


def call(step: Step, row: InvocationRow, effect: Call, frames: bytes) -> None:
    target = effect.invoke.id
    frame = outgoing.completion_invocation_id(effect.id_completion_id, invocation_id_to_str(target))
    complete_with_frame(step, row, effect.id_completion_id, frame)
    keep(step, row, CHILDREN, row.child_count, target)
    row.child_count += 1
    if effect.invoke.caller is not None and effect.invoke.idempotency_key is not None:
        # It may have begun for another caller: this one waits beside that.
        keep(step, row, AWAITS, effect.result_completion_id, AWAITED_INVOCATION + target)
    if effect.invoke.caller is not None:
        row.open_calls += 1
    body = frames[effect.start : effect.end]
    invoke = msgspec.structs.replace(effect.invoke, body=body)
    if row.invoke.quiet:
        invoke = msgspec.structs.replace(invoke, quiet=True)
    route_item(step, invoke)
