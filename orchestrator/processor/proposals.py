"""What waits to be appended to a partition: records, each with who waits for it."""

import msgspec

from orchestrator.model.invoke import Invoke
from orchestrator.model.records import (
    AnyRecord,
    ChoreStep,
    Journal,
    OutboxAdvanced,
    PurgeExpired,
    RaiseLevel,
    TimersFired,
    Transfer,
)
from orchestrator.processor.bodies import body_bytes
from orchestrator.processor.waiters import TransferWaiter, Waiter

OF_A_TERM = (Journal, TimersFired, PurgeExpired, ChoreStep, OutboxAdvanced, RaiseLevel)
"""Records that carry their epoch: under another one they would only be dropped."""


class Proposal(msgspec.Struct, gc=False):
    """A record to be appended, and its waiter, if any; neither refers to the proposal."""

    record: AnyRecord
    waiter: Waiter | None = None
    size_bytes: int = 0  # of its bodies

    @property
    def is_of_client(self) -> bool:
        """A client asked for it, and can be refused; else the engine owes it, and tries again."""
        return self.waiter is not None and not isinstance(self.waiter, TransferWaiter)


class ProposalQueue:
    """Proposals in the order in which they will be appended: `waiting`."""

    __slots__ = ("bytes_count", "waiting")

    def __init__(self) -> None:
        self.waiting: list[Proposal] = []
        self.bytes_count = 0  # of their bodies

    def add(self, record: AnyRecord, waiter: Waiter | None) -> None:
        size_bytes = body_bytes(record)
        self.waiting.append(Proposal(record, waiter, size_bytes))
        self.bytes_count += size_bytes

    def take(self, work_max: int, bytes_max: int) -> tuple[list[Proposal], int]:
        """The first ones, and the bytes of their bodies.

        At least one; no more than their work (one for a record, and one for each part of one that
        has many) is `work_max`, and these bytes are `bytes_max`.
        """
        waiting = self.waiting
        taken = waiting if len(waiting) <= work_max else waiting[:work_max]
        work = size_bytes = 0
        for count, proposal in enumerate(taken):
            record = proposal.record
            work += 1
            if type(record) is Journal:
                work += len(record.effects)
            elif type(record) is not Invoke:
                work += _part_count(record)
            if count and (work > work_max or size_bytes + proposal.size_bytes > bytes_max):
                taken = waiting[:count]
                break
            size_bytes += proposal.size_bytes
        self.waiting = [] if taken is waiting else waiting[len(taken) :]
        self.bytes_count -= size_bytes
        return taken, size_bytes

    def take_all(self) -> list[Proposal]:
        taken, self.waiting = self.waiting, []
        self.bytes_count = 0
        return taken

    def put_back(self, proposals: list[Proposal]) -> None:
        """They were taken but not appended: before all others again."""
        self.waiting[:0] = proposals
        self.bytes_count += sum(proposal.size_bytes for proposal in proposals)

    def drop_of_term(self) -> None:
        """A term is over: what only it could propose goes, the rest waits for the next leader."""
        kept = [p for p in self.take_all() if not isinstance(p.record, OF_A_TERM)]
        self.put_back(kept)


def _part_count(record: AnyRecord) -> int:
    """Applying each of these costs about as much as a small record."""
    if isinstance(record, Transfer):
        return len(record.items)
    if isinstance(record, TimersFired | PurgeExpired):
        return len(record.keys)
    return 0
