"""Where an item goes: applied at once in its own partition, else the next row of a lane."""

from orchestrator.machine import lanes
from orchestrator.machine.step import Step
from orchestrator.model.ids import partition_of
from orchestrator.model.invoke import Invoke
from orchestrator.model.lanes import ToPartition
from orchestrator.model.records import Completion, Item, ToInvocation
from orchestrator.model.values import Caller, Outcome


def route_item(step: Step, item: ToInvocation) -> None:
    """Deliver an item to the partition of its target."""
    send_to(step, partition_of(target_of(item), step.state.partition_count), item)


def send_to(step: Step, partition: int, item: Item) -> None:
    """Deliver an item to a partition."""
    if partition == step.state.partition:
        step.apply_item(step, item)
        return
    lanes.give(step, ToPartition(partition), item)


def target_of(item: ToInvocation) -> bytes:
    """The invocation an item is for."""
    if isinstance(item, Invoke):
        return item.id
    if isinstance(item, Completion):
        return item.caller.id
    return item.target_id


def respond(step: Step, caller: Caller, outcome: Outcome | None) -> None:
    """Give a caller its result."""
    route_item(step, Completion(caller, outcome, step.now_ms))
