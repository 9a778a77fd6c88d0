"""Transfer: numbered items of another partition's lane, each applied once and in order."""

from orchestrator.machine.step import Step
from orchestrator.model.answers import DONE, Answer
from orchestrator.model.invoke import Invoke
from orchestrator.model.records import Transfer


def apply_transfer(step: Step, transfer: Transfer) -> Answer:
    """Exactly the number after the last one is applied; lower was applied, higher comes again."""
    assert transfer.lane == step.state.partition, "rows of a lane to another partition"
    inbound = step.state.partition_row.inbound
    for number, item in enumerate(transfer.items, transfer.first):
        expected = inbound.get(transfer.source, 0) + 1
        if number < expected:
            continue
        if number > expected:
            return Answer.DROPPED
        inbound[transfer.source] = number
        step.now_ms = item.created_at_ms if isinstance(item, Invoke) else item.now_ms
        step.apply_item(step, item)
    return DONE
