"""Output: the result so far; the last one counts when the attempt ends."""

from orchestrator.machine.step import Step
from orchestrator.model.effects import SetOutput
from orchestrator.model.rows import InvocationRow


def set_output(step: Step, row: InvocationRow, effect: SetOutput, frames: bytes) -> None:
    row.output = frames[effect.start : effect.end] if effect.failure is None else effect.failure
