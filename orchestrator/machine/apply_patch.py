"""PatchState: an operator replaces the whole state of a key."""

from orchestrator.machine.objects import queue_patch
from orchestrator.machine.step import Step
from orchestrator.model.answers import Answer
from orchestrator.model.records import PatchState


def apply_patch_state(step: Step, patch: PatchState) -> Answer:
    """Behind the running exclusive invocation of the key and its queue."""
    return Answer.ACCEPTED if queue_patch(step, patch) else Answer.STATE_TOO_LARGE
