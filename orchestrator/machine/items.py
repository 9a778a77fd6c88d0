"""Items that partitions send each other, applied where they arrive."""

from collections.abc import Callable
from typing import Any

from orchestrator.machine.step import Step
from orchestrator.model.answers import Answer
from orchestrator.model.records import Item

Apply = Callable[[Step, Any], Answer | None]
APPLY_ITEM: dict[type, Apply] = {}


def apply_item(step: Step, item: Item) -> Answer | None:
    """Apply one item at its target. Each kind registers itself from its own file."""
    return APPLY_ITEM[type(item)](step, item)
