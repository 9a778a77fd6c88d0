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
from orchestrator.model.topic_records import (
    CloseLane,
    Intake,
    OutboxRefused,
    Produced,
    PurgeDeadLetters,
    SourceClosed,
    SourceOpened,
    SwitchFeed,
)
from orchestrator.processor.bodies import body_bytes
from orchestrator.processor.state_limit import Yield
from orchestrator.processor.waiters import TransferWaiter, Waiter

OF_A_TERM = (
    Journal,
    TimersFired,
    PurgeExpired,
    ChoreStep,
    OutboxAdvanced,
    RaiseLevel,
    SourceOpened,
    Intake,
    SourceClosed,
    Produced,
    OutboxRefused,
    PurgeDeadLetters,
    SwitchFeed,
    CloseLane,
)
"""Records that carry their epoch: under another one they would only be dropped."""


class Proposal(msgspec.Struct, gc=False):
    """A record to be appended, and its waiter, if any; neither refers to the proposal."""

    record: AnyRecord
    waiter: Waiter | None = None
    size_bytes: int = 0  # of its bodies, and of what it reads
    work: int = 1  # one for the record, one for each part of one that has many, and what it reads

    @property
    def is_of_client(self) -> bool:
        """A client asked for it, and can be refused; else the engine owes it, and tries again."""
        return self.waiter is not None and not isinstance(self.waiter, TransferWaiter)


class ProposalQueue:
    """Proposals in the order in which they will be appended: `waiting`."""

    __slots__ = ("_work", "bytes_count", "waiting")

    def __init__(self) -> None:
        self.waiting: list[Proposal] = []
        self.bytes_count = 0  # of their bodies
        self._work = 0

    @property
    def first_work(self) -> int:
        """Of the one that is next."""
        return self.waiting[0].work if self.waiting else 0

    def add(self, record: AnyRecord, waiter: Waiter | None, more: Yield | None = None) -> None:
        if type(record) is Journal:
            size_bytes, work = len(record.frames), 1 + len(record.effects)
        elif type(record) is Invoke and record.prefix is None and record.produce is None:
            size_bytes, work = len(record.body), 1
        else:
            size_bytes, work = body_bytes(record), 1 + _part_count(record)
        if more is not None:
            size_bytes, work = size_bytes + more.size_bytes, work + more.work
        self.waiting.append(Proposal(record, waiter, size_bytes, work))
        self.bytes_count += size_bytes
        self._work += work

    def take(self, work_max: int, bytes_max: int) -> tuple[list[Proposal], int]:
        """The first ones, and the bytes of their bodies.

        At least one; no more than their work (one for a record, and one for each part of one that
        has many) is `work_max`, and these bytes are `bytes_max`.
        """
        waiting, size_bytes = self.waiting, self.bytes_count
        if self._work <= work_max and size_bytes <= bytes_max:
            self.waiting, self.bytes_count, self._work = [], 0, 0
            return waiting, size_bytes
        work = size_bytes = count = 0
        for proposal in waiting:
            more_work, more_bytes = work + proposal.work, size_bytes + proposal.size_bytes
            if count and (more_work > work_max or more_bytes > bytes_max):
                break
            work, size_bytes = more_work, more_bytes
            count += 1
        self.waiting = waiting[count:]
        self.bytes_count -= size_bytes
        self._work -= work
        return waiting[:count], size_bytes

    def take_all(self) -> list[Proposal]:
        taken, self.waiting = self.waiting, []
        self.bytes_count = self._work = 0
        return taken

    def put_back(self, proposals: list[Proposal]) -> None:
        """They were taken but not appended: before all others again."""
        self.waiting[:0] = proposals
        self.bytes_count += sum(proposal.size_bytes for proposal in proposals)
        self._work += sum(proposal.work for proposal in proposals)

    def drop_of_term(self) -> None:
        """A term is over: what only it could propose goes, the rest waits for the next leader."""
        kept = [p for p in self.take_all() if not isinstance(p.record, OF_A_TERM)]
        self.put_back(kept)


def _part_count(record: AnyRecord) -> int:
    """Applying each of these costs about as much as a small record."""
    if isinstance(record, Transfer | Intake):
        return len(record.items)
    if isinstance(record, TimersFired | PurgeExpired):
        return len(record.keys)
    return 0
