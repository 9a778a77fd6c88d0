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

    def take(self, count_max: int, bytes_max: int) -> list[Proposal]:
        """The first ones: at most so many, and no more once their bodies exceed so many bytes."""
        proposals = self._proposals
        count = size_bytes = 0
        for proposal in proposals[:count_max]:
            count += 1
            size_bytes += _body_bytes(proposal.record)
            if size_bytes > bytes_max:
                break
        if count == len(proposals):
            return self.take_all()
        taken = proposals[:count]
        del proposals[:count]
        return taken

    def take_all(self) -> list[Proposal]:
        taken, self._proposals = self._proposals, []
        return taken

    def put_back(self, proposals: Iterable[Proposal]) -> None:
        """They were taken but not appended: before all others again."""
        self._proposals[:0] = proposals

    def drop_of_term(self) -> None:
        """A term is over: what only it could propose goes, the rest waits for the next leader."""
        self._proposals = [p for p in self._proposals if not isinstance(p.record, OF_A_TERM)]


def _body_bytes(record: AnyRecord) -> int:
    """Of what may be large."""
    kind = type(record)
    if kind is Journal:
        return len(record.frames)  # type: ignore[union-attr]
    return len(record.body) if kind is Invoke else 0  # type: ignore[union-attr]
