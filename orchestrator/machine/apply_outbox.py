"""OutboxAdvanced: rows that have been taken at their destination are trimmed."""

from orchestrator.machine import lanes
from orchestrator.machine.apply_produced import trim_committed
from orchestrator.machine.step import Step
from orchestrator.model.answers import DONE, Answer
from orchestrator.model.lanes import ToTopic
from orchestrator.model.records import OutboxAdvanced


def apply_outbox_advanced(step: Step, advanced: OutboxAdvanced) -> Answer:
    if advanced.epoch != step.state.partition_row.epoch:
        return Answer.DROPPED
    own = step.state.partition_row
    for number, upto in advanced.upto:
        lane = own.lanes.get(number)
        if lane is not None and isinstance(lane.destination, ToTopic):
            trim_committed(step, number, lane, upto)
        else:
            lanes.trim_lane(step, number, upto)
    return DONE
