"""AnnounceLeader and RaiseLevel: who leads, and what the machine may write."""

from orchestrator.machine.step import Step
from orchestrator.model.answers import DONE, Answer
from orchestrator.model.records import AnnounceLeader, RaiseLevel

LEVEL_MAX = 1  # the highest level this version knows


def knows_level(level: int) -> bool:
    """Whether this version writes what a partition of that level may hold."""
    return level <= LEVEL_MAX


def apply_announce(step: Step, announce: AnnounceLeader) -> Answer:
    """Accepted only if no other was accepted since its proposer read: the epoch is its offset."""
    own = step.state.partition_row
    if announce.epoch_seen != own.epoch:
        return Answer.DROPPED
    own.epoch = step.offset
    own.leader = announce.node
    own.nonce = announce.nonce
    return DONE


def apply_raise_level(step: Step, record: RaiseLevel) -> Answer:
    """A level this version does not know stops the replica: it would write other bytes."""
    own = step.state.partition_row
    if record.epoch != own.epoch:
        return Answer.DROPPED
    assert knows_level(record.level), f"level {record.level} needs a newer version"
    own.level = max(own.level, record.level)
    return DONE
