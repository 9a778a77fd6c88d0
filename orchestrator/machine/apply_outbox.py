"""OutboxAdvanced: rows the other side has taken in are trimmed."""

from orchestrator.codec.keys import outbox_key
from orchestrator.machine.step import Step
from orchestrator.model.answers import Answer
from orchestrator.model.records import OutboxAdvanced


def apply_outbox_advanced(step: Step, advanced: OutboxAdvanced) -> Answer:
    own = step.state.partition_row
    if advanced.epoch != own.epoch:
        return Answer.DROPPED
    for target, upto in advanced.upto:
        upto = min(upto, own.outbound.get(target, 0))
        for number in range(own.acknowledged.get(target, 0) + 1, upto + 1):
            step.state.outbox.delete(outbox_key(target, number))
        own.acknowledged[target] = max(upto, own.acknowledged.get(target, 0))
    return Answer.DONE
