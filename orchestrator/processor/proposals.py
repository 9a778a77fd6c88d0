"""What waits to be appended to a partition: records, each with who waits for it."""

from collections.abc import Iterable

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
from orchestrator.processor.waiters import TransferWaiter, Waiter

OF_A_TERM = (Journal, TimersFired, PurgeExpired, ChoreStep, OutboxAdvanced, RaiseLevel)
"""Records that carry their epoch: under another one they would only be dropped."""


class Proposal(msgspec.Struct, gc=False):
    """A record to be appended, and its waiter, if any; neither refers to the proposal."""

    record: AnyRecord
    waiter: Waiter | None = None

    @property
    def is_of_client(self) -> bool:
        """A client asked for it, and can be refused; else the engine owes it, and tries again."""
        return self.waiter is not None and not isinstance(self.waiter, TransferWaiter)


class ProposalQueue:
    """Proposals in the order in which they will be appended: `waiting`, to which anybody adds."""

    __slots__ = ("waiting",)

    def __init__(self) -> None:
        self.waiting: list[Proposal] = []

    def take(self, work_max: int, bytes_max: int) -> tuple[list[Proposal], int]:
        """The first ones, and the bytes of their bodies.

        At least one; at most `work_max`, and no more once their work (a record, and each part of
        one that has many) exceeds it, or these bytes `bytes_max`.
        """
        waiting = self.waiting
        taken = waiting if len(waiting) <= work_max else waiting[:work_max]
        work = size_bytes = 0
        for count, proposal in enumerate(taken, 1):
            record = proposal.record
            work += 1
            if type(record) is Journal:
                size_bytes += len(record.frames)
                work += len(record.effects)
            elif type(record) is Invoke:
                size_bytes += len(record.body)
            else:
                work += _part_count(record)
            if size_bytes > bytes_max or work > work_max:
                taken = waiting[:count]
                break
        self.waiting = [] if taken is waiting else waiting[len(taken) :]
        return taken, size_bytes

    def take_all(self) -> list[Proposal]:
        taken, self.waiting = self.waiting, []
        return taken

    def put_back(self, proposals: Iterable[Proposal]) -> None:
        """They were taken but not appended: before all others again."""
        self.waiting[:0] = proposals

    def drop_of_term(self) -> None:
        """A term is over: what only it could propose goes, the rest waits for the next leader."""
        self.waiting = [p for p in self.waiting if not isinstance(p.record, OF_A_TERM)]


def _part_count(record: AnyRecord) -> int:
    """Applying each of these costs about as much as a small record."""
    if isinstance(record, Transfer):
        return len(record.items)
    if isinstance(record, TimersFired | PurgeExpired):
        return len(record.keys)
    return 0
