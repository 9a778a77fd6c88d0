"""How an invocation ended, in one word: for dead letters and for the feed of events."""

from orchestrator.machine.details import SIGNALS, look_up
from orchestrator.machine.step import Step
from orchestrator.model.rows import InvocationRow
from orchestrator.model.topics import CANCELLED, FAILED, KILLED
from orchestrator.model.values import CODE_CONFLICT, Failure
from perdure.wire.codes import CANCEL_SIGNAL


def reason_of_end(step: Step, row: InvocationRow, failure: Failure, killed: bool) -> str:
    """KILLED, CANCELLED or FAILED. Call it before the signals of the row are dropped."""
    if killed:
        return KILLED
    if failure.code != CODE_CONFLICT:
        return FAILED
    is_told = look_up(step.state, row, SIGNALS, CANCEL_SIGNAL) is not None
    return CANCELLED if is_told or failure.message == "canceled" else FAILED
