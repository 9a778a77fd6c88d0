"""Where an item goes: applied at once in its own partition, else the next row of a lane."""

from orchestrator.machine import lanes
from orchestrator.machine.step import Step
from orchestrator.model.ids import partition_of
from orchestrator.model.invoke import Invoke
from orchestrator.model.lanes import ToPartition
from orchestrator.model.records import Completion, Item
from orchestrator.model.values import Caller, Outcome


def route_item(step: Step, item: Item) -> None:
    """Deliver an item to the partition of its target."""
    state = step.state
    target = partition_of(target_of(item), state.partition_count)
    if target == state.partition:
        step.apply_item(step, item)
        return
    lanes.give(step, ToPartition(target), item)


def target_of(item: Item) -> bytes:
    """The invocation an item is for."""
    if isinstance(item, Invoke):
        return item.id
    if isinstance(item, Completion):
        return item.caller.id
    return item.target_id


def respond(step: Step, caller: Caller, outcome: Outcome | None) -> None:
    """Give a caller its result."""
    route_item(step, Completion(caller, outcome, step.now_ms))
