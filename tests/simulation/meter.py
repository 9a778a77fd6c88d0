"""Counts what every callback of the event loop does, and what a process holds meanwhile.

Units, not times: a record applied, a row read, an action performed. What grows with the size of a
world must be spread over callbacks: the most that one of them does is the same in a larger world.
"""

from asyncio import events
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from orchestrator.model.answers import Answer
from orchestrator.processor import partition
from orchestrator.processor.proposals import ProposalQueue
from orchestrator.processor.term import Term
from orchestrator.processor.waiters import OperationWaiter, ResultWaiter
from orchestrator.tables.table import Table
from tests.simulation.homes import ProcessStore
from tests.simulation.mutation import Patch
from tests.simulation.node import SimulatedInvoker

LOOK_EVERY = 50  # callbacks from one look at what is held to the next


class Meter:
    """The most of each unit that one callback did, and of each thing that was held at a time."""

    def __init__(self) -> None:
        self.work: Counter[str] = Counter()
        self.held: Counter[str] = Counter()
        self.total: Counter[str] = Counter()
        self.held_now: Callable[[], dict[str, int]] = dict
        self._now: Counter[str] = Counter()
        self._count = 0
        self._is_paused = False
        self._ends: tuple[str, int, Callable[[], None]] | None = None

    def end_beyond(self, unit: str, bound: int, end: Callable[[], None]) -> None:
        """`end` is called after the callback that did, or found held, more than `bound`."""
        self._ends = unit, bound, end

    def add(self, unit: str, count: int = 1) -> None:
        if not self._is_paused:
            self._now[unit] += count

    @contextmanager
    def paused(self) -> Iterator[None]:
        """While the world looks at a process from outside."""
        before, self._is_paused = self._is_paused, True
        try:
            yield
        finally:
            self._is_paused = before

    def callback_ended(self) -> None:
        if self._now:
            self.work |= self._now
            self.total += self._now
            self._now.clear()
        self._count += 1
        if self._count % LOOK_EVERY == 0:
            with self.paused():
                self.held |= Counter(self.held_now())
        if self._ends is not None:
            unit, bound, end = self._ends
            if max(self.work[unit], self.held[unit]) > bound:
                end()

    @contextmanager
    def on(self) -> Iterator[None]:
        """Everything that runs meanwhile is counted."""
        patch = Patch()
        self._watch_callbacks(patch)
        self._count_machine(patch)
        self._count_rows(patch)
        self._count_actions(patch)
        try:
            yield
        finally:
            patch.undo()

    def _watch_callbacks(self, patch: Patch) -> None:
        def run(handle: events.Handle) -> None:
            before(handle)
            self.callback_ended()

        before = patch.set(events.Handle, "_run", run)

    def _count_machine(self, patch: Patch) -> None:
        apply = partition.apply  # type: ignore[attr-defined]
        take = ProposalQueue.take

        def applied(*arguments: Any) -> Answer:
            self.add("records applied")
            answer: Answer = apply(*arguments)
            return answer

        def taken(queue: ProposalQueue, count_max: int, bytes_max: int) -> Any:
            taken = take(queue, count_max, bytes_max)
            self.add("proposals taken", len(taken[0]))
            return taken

        patch.set(partition, "apply", applied)
        patch.set(ProposalQueue, "take", taken)

    def _count_rows(self, patch: Patch) -> None:
        scan, stored, write = Table.scan, ProcessStore.scan, ProcessStore.write

        def scanned(*arguments: Any, **named: Any) -> Iterator[Any]:
            return self._each("rows scanned", scan(*arguments, **named))

        def read(*arguments: Any) -> Iterator[Any]:
            return self._each("rows read", stored(*arguments))

        def written(store: ProcessStore, writes: Any) -> None:
            self.add("rows written", len(writes))
            write(store, writes)

        patch.set(Table, "scan", scanned)
        patch.set(ProcessStore, "scan", read)
        patch.set(ProcessStore, "write", written)
        self._count_calls(patch, ProcessStore, "get", "rows read")

    def _count_actions(self, patch: Patch) -> None:
        perform = Term.perform

        def performed(term: Term, actions: Any) -> None:
            self.add("actions performed", len(actions))
            perform(term, actions)

        patch.set(Term, "perform", performed)
        self._count_calls(patch, SimulatedInvoker, "start", "attempts asked for")
        self._count_calls(patch, ResultWaiter, "reply", "clients told")
        self._count_calls(patch, OperationWaiter, "_reply", "clients told")

    def _count_calls(self, patch: Patch, owner: type, name: str, unit: str) -> None:
        def counted(*arguments: Any, **named: Any) -> Any:
            self.add(unit)
            return before(*arguments, **named)

        before = patch.set(owner, name, counted)

    def _each(self, unit: str, rows: Iterator[Any]) -> Iterator[Any]:
        for row in rows:
            self.add(unit)
            yield row
