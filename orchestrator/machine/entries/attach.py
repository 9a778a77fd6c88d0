"""Attach and output: the result of another invocation, when there is one or as it is now."""

from orchestrator.machine.details import AWAITED_INVOCATION, AWAITS, keep
from orchestrator.machine.routing import route_item
from orchestrator.machine.step import Step
from orchestrator.model.effects import Attach, GetOutput
from orchestrator.model.records import AttachTo
from orchestrator.model.rows import InvocationRow
from orchestrator.model.values import Caller
from perdure.wire.codes import ATTACH_INVOCATION_COMPLETION, GET_INVOCATION_OUTPUT_COMPLETION


def attach(step: Step, row: InvocationRow, effect: Attach, frames: bytes) -> None:
    _ask(step, row, effect, ATTACH_INVOCATION_COMPLETION, False)


def get_output(step: Step, row: InvocationRow, effect: GetOutput, frames: bytes) -> None:
    _ask(step, row, effect, GET_INVOCATION_OUTPUT_COMPLETION, True)


def _ask(step: Step, row: InvocationRow, effect: Attach | GetOutput, code: int, poll: bool) -> None:
    if not poll:
        awaited = AWAITED_INVOCATION + effect.target_id
        keep(step, row, AWAITS, effect.completion_id, awaited)
    row.open_calls += 1
    caller = Caller(row.invoke.id, row.incarnation, effect.completion_id, code)
    route_item(step, AttachTo(effect.target_id, caller, poll, step.now_ms))
