"""Run results: durable, so the service may use them."""

from orchestrator.machine.details import COMPLETIONS, keep
from orchestrator.machine.step import Step
from orchestrator.model.actions import Notify
from orchestrator.model.effects import RunResult
from orchestrator.model.limits import DETAIL_INLINE_COUNT
from orchestrator.model.rows import InvocationRow
from orchestrator.model.values import FAILURE, SUCCESS


def run_result(step: Step, row: InvocationRow, effect: RunResult, frames: bytes) -> None:
    """The notification is among the frames of the record; the attempt is given it now."""
    kind = FAILURE if effect.failed else SUCCESS
    completions = row.completions
    if row.paged or completions is None or len(completions) >= DETAIL_INLINE_COUNT:
        keep(step, row, COMPLETIONS, effect.completion_id, kind)
    else:
        completions[effect.completion_id] = kind  # as `keep` does, without its calls
    frame = frames[effect.start : effect.end]
    # An entry of this very flush: its index is below what follows, above what was replayed.
    step.actions.append(
        Notify(row.invoke.id, row.incarnation, row.entries - 1, frame, effect.completion_id)
    )
