"""Commands that ask for an acknowledgement once they are durable."""

from orchestrator.machine.step import Step
from orchestrator.model import actions
from orchestrator.model.effects import RequestAck
from orchestrator.model.rows import InvocationRow


def ack_command(step: Step, row: InvocationRow, effect: RequestAck, frames: bytes) -> None:
    step.actions.append(actions.AckCommand(row.invoke.id, row.incarnation, effect.command_index))
