"""What waits to be appended to a partition: records, each with who waits for it."""

from collections.abc import Iterable

import msgspec

from orchestrator.model.records import (
    AnyRecord,
    ChoreStep,
    Journal,
    OutboxAdvanced,
    PurgeExpired,
    RaiseLevel,
    TimersFired,
)
from orchestrator.processor.waiters import TransferWaiter, Waiter

OF_A_TERM = (Journal, TimersFired, PurgeExpired, ChoreStep, OutboxAdvanced, RaiseLevel)
"""Records that carry their epoch: under another one they would only be dropped."""


class Proposal(msgspec.Struct):
    """A record to be appended, and who is told what became of it."""

    record: AnyRecord
    waiter: Waiter | None = None

    @property
    def is_of_client(self) -> bool:
        """Somebody outside asked for it, who can be told to come back; else the engine owes it."""
        return self.waiter is not None and not isinstance(self.waiter, TransferWaiter)


class ProposalQueue:
    """Proposals in the order in which they will be appended."""

    __slots__ = ("_proposals",)

    def __init__(self) -> None:
        self._proposals: list[Proposal] = []

    def __len__(self) -> int:
        return len(self._proposals)

    def add(self, record: AnyRecord, waiter: Waiter | None) -> None:
        self._proposals.append(Proposal(record, waiter))

    def take_all(self) -> list[Proposal]:
        taken, self._proposals = self._proposals, []
        return taken

    def put_back(self, proposals: Iterable[Proposal]) -> None:
        """They were taken but not appended: before all others again."""
        self._proposals[:0] = proposals

    def drop_of_term(self) -> None:
        """A term is over: what only it could propose goes, the rest waits for the next leader."""
        self._proposals = [p for p in self._proposals if not isinstance(p.record, OF_A_TERM)]

    def refuse_clients(self, reason: str) -> None:
        """Tell clients that their records are not in the log; what the engine owes stays."""
        self.put_back(refuse_clients(self.take_all(), reason))

    def fail_all(self, reason: str) -> None:
        """Certainly not in the log: clients may go elsewhere or come back."""
        for proposal in self.take_all():
            if proposal.waiter is not None:
                proposal.waiter.failed(reason, False)


def refuse_clients(proposals: list[Proposal], reason: str) -> list[Proposal]:
    """Tell clients that theirs is not in the log; returns what the engine itself owes."""
    owed: list[Proposal] = []
    for proposal in proposals:
        if proposal.is_of_client:
            assert proposal.waiter is not None
            proposal.waiter.failed(reason, False)
        else:
            owed.append(proposal)
    return owed
