"""Items that partitions send each other, applied where they arrive."""

from collections.abc import Callable
from typing import Any

from orchestrator.machine.apply_attach import apply_attach
from orchestrator.machine.apply_completion import apply_completion
from orchestrator.machine.apply_detach import apply_detach
from orchestrator.machine.apply_intake import apply_slot_freed, apply_slot_paused
from orchestrator.machine.apply_invoke import apply_invoke
from orchestrator.machine.apply_kill import apply_kill
from orchestrator.machine.apply_letters import apply_dead_letter
from orchestrator.machine.apply_signal import apply_cancel, apply_signal_of_handler
from orchestrator.machine.step import Step
from orchestrator.model.answers import Answer
from orchestrator.model.invoke import Invoke
from orchestrator.model.records import AttachTo, Cancel, Completion, Detach, Item, Kill, Signal
from orchestrator.model.topic_records import DeadLetter, SlotFreed, SlotPaused

APPLY_ITEM: dict[type, Callable[[Step, Any], Answer | None]] = {
    Invoke: apply_invoke,
    Completion: apply_completion,
    AttachTo: apply_attach,
    Detach: apply_detach,
    Signal: apply_signal_of_handler,
    Cancel: apply_cancel,
    Kill: apply_kill,
    SlotFreed: apply_slot_freed,
    SlotPaused: apply_slot_paused,
    DeadLetter: apply_dead_letter,
}


def apply_item(step: Step, item: Item) -> None:
    """Apply one item at its target."""
    APPLY_ITEM[type(item)](step, item)
