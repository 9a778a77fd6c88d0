"""Waiters of records whose fate is unknown: answered once the log has been read to its end."""

from collections.abc import Sequence

from orchestrator.model.answers import Answer
from orchestrator.processor.in_flight import InFlightAppend
from orchestrator.processor.waiters import InvokeWaiter, Results, Waiter
from orchestrator.store.port import StoreError
from orchestrator.tables.state import State

NEVER = 1 << 62  # an offset that no record has


class UnknownFates:
    """Waiters in order, each with an offset: its record lies there or after it, if anywhere."""

    __slots__ = ("_waiters",)

    def __init__(self) -> None:
        self._waiters: list[tuple[Waiter, int]] = []

    def __len__(self) -> int:
        return len(self._waiters)

    def add(self, waiter: Waiter, since_offset: int) -> None:
        self._waiters.append((waiter, since_offset))

    def add_append(self, append: InFlightAppend, next_offset: int) -> None:
        """The waiters of an append that was given up."""
        since = append.first if append.is_acknowledged else next_offset
        seen: set[bytes] = set()
        for proposal in append.proposals:
            waiter = proposal.waiter
            if isinstance(waiter, InvokeWaiter):
                # Only the first of an id can have created it.
                self.add(waiter, NEVER if waiter.id in seen else since)
                seen.add(waiter.id)
            elif waiter is not None:
                self.add(waiter, since)

    def answer_known(
        self, append: InFlightAppend, answers: Sequence[Answer], state: State, results: Results
    ) -> None:
        """The records have been applied: tell who waits for one of them.

        If the store fails under that, whoever has not been told is when it has been restored.
        """
        proposals = append.proposals
        told = 0
        results.begin_turn()
        try:
            for proposal, answer in zip(proposals, answers, strict=True):
                waiter = proposal.waiter
                if waiter is not None:
                    waiter.applied(state, results, answer)
                told += 1
        except StoreError:
            for proposal, answer in zip(proposals[told:], answers[told:], strict=True):
                if proposal.waiter is not None:
                    self.add(proposal.waiter, append.first if answer is Answer.DONE else NEVER)
            raise

    def answer_some(self, state: State, results: Results, count_max: int) -> bool:
        """Tell the first of them; True if there are more. If the store fails, the others are told
        when it is restored."""
        told = 0
        try:
            for waiter, since in self._waiters[:count_max]:
                waiter.resolve_unknown(state, results, since)
                told += 1
        finally:
            del self._waiters[:told]
        return bool(self._waiters)

    def take_all(self) -> list[Waiter]:
        """The partition is not served here any more: the caller answers the waiters."""
        gone, self._waiters = self._waiters, []
        return [waiter for waiter, _ in gone]
