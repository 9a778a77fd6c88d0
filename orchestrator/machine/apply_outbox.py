"""OutboxAdvanced: rows that have been taken at their destination are trimmed."""

from orchestrator.machine import lanes
from orchestrator.machine.step import Step
from orchestrator.model.answers import Answer
from orchestrator.model.records import OutboxAdvanced


def apply_outbox_advanced(step: Step, advanced: OutboxAdvanced) -> Answer:
    if advanced.epoch != step.state.partition_row.epoch:
        return Answer.DROPPED
    for lane, upto in advanced.upto:
        lanes.trim_lane(step, lane, upto)
    return Answer.DONE
