"""Turns: everything proposed since the last one, as one append per partition, paced.

One turn is in flight per process, so that a loaded node writes few, large appends. A partition
whose log is slow to answer holds back the next turn only for a moment, then it is left out.
"""

from collections.abc import Callable
from typing import Protocol

from orchestrator.log.port import AppendError, Batch, Done
from orchestrator.processor.options import ProcessorOptions
from orchestrator.processor.seat import Seat
from orchestrator.runtime.scheduler import Scheduler
from orchestrator.runtime.telemetry import Counters
from orchestrator.store.port import StoreError

SOON_S = 0.0005  # a timer of the event loop is no finer


class Appends(Protocol):
    """The part of a log that a turn needs."""

    def append(self, batch: Batch, done: Done) -> None: ...


class Turns:
    """Takes what waits at the seats to the log, and brings back what became of it."""

    def __init__(
        self,
        log: Appends,
        scheduler: Scheduler,
        options: ProcessorOptions,
        running_count: Callable[[], int],
        counters: Counters,
    ) -> None:
        self.seats: list[Seat] = []  # by number
        self._by_number: dict[int, Seat] = {}
        self._log = log
        self._scheduler = scheduler
        self._options = options
        self._running_count = running_count
        self._counters = counters
        self._is_due = False
        self._last_s = 0.0
        self._current: set[int] = set()  # partitions the running turn waits for
        self._watches_stall = False
        self.after_append: Callable[[], None] = lambda: None

    def add(self, seat: Seat) -> None:
        self._by_number[seat.number] = seat
        self.seats = [self._by_number[number] for number in sorted(self._by_number)]

    def remove(self, seat: Seat) -> None:
        if self._by_number.get(seat.number) is seat:
            del self._by_number[seat.number]
            self.seats = [self._by_number[number] for number in sorted(self._by_number)]

    def wake(self) -> None:
        """Something waits to be appended: start a turn as soon as the pace allows."""
        if self._is_due:
            return
        if self._current:
            self._watch_stall()
            return
        self._is_due = True
        options = self._options
        gap_s = min(options.turn_gap_max_s, options.turn_gap_per_attempt_s * self._running_count())
        wait_s = self._last_s + gap_s - self._scheduler.time_s()
        if wait_s < SOON_S:
            self._scheduler.call_soon(self._run)
        else:
            self._scheduler.call_later(wait_s, self._run)

    def _run(self) -> None:
        self._is_due = False
        if self._current:
            return
        now_s = self._scheduler.time_s()
        batch: list[tuple[int, list[bytes]]] = []
        for seat in self.seats:
            if seat.can_append():
                messages = seat.start_append(now_s)
                if messages:
                    batch.append((seat.number, messages))
        if not batch:
            return
        self._last_s = now_s
        self._current.update(number for number, _ in batch)
        self._counters.add("turns")
        self._counters.add("messages", sum(len(messages) for _, messages in batch))
        self._log.append(batch, self._done)
        self.after_append()

    def _done(self, number: int, first: int, count: int, error: AppendError | None) -> None:
        self._current.discard(number)
        seat = self._by_number.get(number)
        if seat is not None and seat.unanswered:
            try:
                seat.append_answered(first, error)
            except StoreError as failure:
                seat.lose_store(failure)
        if not self._current and any(seat.pending_count for seat in self.seats):
            self.wake()

    def _watch_stall(self) -> None:
        if not self._watches_stall:
            self._watches_stall = True
            self._scheduler.call_later(self._options.stall_s, self._stalled)

    def _stalled(self) -> None:
        """What a turn still waits for after this long goes on without the others."""
        self._watches_stall = False
        if not self._current:
            return
        if self._scheduler.time_s() - self._last_s >= self._options.stall_s * 0.9:
            self._current.clear()
            self.wake()
        else:
            self._watch_stall()
