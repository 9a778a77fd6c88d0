"""Waiters of records whose fate is unknown: answered once the log has been read to its end."""

from collections.abc import Sequence

from orchestrator.model.answers import Answer
from orchestrator.processor.in_flight import InFlightAppend
from orchestrator.processor.waiters import InvokeWaiter, Results, Waiter
from orchestrator.store.port import StoreError
from orchestrator.tables.state import State

NEVER = 1 << 62  # an offset that no record has


class UnknownFates:
    """Waiters in order, each with an offset: if its record is in the log, it is at this offset
    or after it."""

    __slots__ = ("_waiters",)

    def __init__(self) -> None:
        self._waiters: list[tuple[Waiter, int]] = []

    def __len__(self) -> int:
        return len(self._waiters)

    def add(self, waiter: Waiter, since_offset: int) -> None:
        self._waiters.append((waiter, since_offset))

    def add_append(self, append: InFlightAppend, next_offset: int) -> None:
        """Add the waiters of an append that was never answered, or whose term ended before it
        was applied."""
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
        """The records of an append have been applied: answer their waiters.

        Each waiter is answered exactly once. If the store fails meanwhile, StoreError is raised and
        the waiters that have no answer yet get it from `answer_some`, after the restore.
        """
        known = zip(append.proposals, answers, strict=True)
        results.begin_turn()
        for proposal, answer in known:
            waiter = proposal.waiter
            if waiter is None:
                continue
            try:
                waiter.applied(state, results, answer)
            except StoreError:
                for untold, its_answer in ((proposal, answer), *known):
                    if untold.waiter is not None:
                        since = append.first if its_answer is Answer.DONE else NEVER
                        self.add(untold.waiter, since)
                raise

    def answer_some(self, state: State, results: Results, count_max: int) -> bool:
        """Answer the first `count_max` waiters; True if there are more. If the store fails,
        StoreError is raised and the others are answered after the restore."""
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
