"""Turns: everything proposed since the last one, as one append per partition, paced.

A turn takes every partition that is ready: it has proposals, and none of its appends is in flight.
The pace makes a loaded node write few, large appends: the next turn waits for the appends of the
last one, but only for a moment, so that a slow partition holds back itself alone.
"""

from collections.abc import Callable
from typing import Protocol

from orchestrator.log.port import AppendError, Batch, Done
from orchestrator.processor.append_counts import AppendCounts
from orchestrator.processor.options import ProcessorOptions
from orchestrator.processor.seat import Seat
from orchestrator.runtime.scheduler import Scheduler
from orchestrator.runtime.telemetry import Telemetry
from orchestrator.store.port import StoreError

RECORDS_MAX = 1_000  # of a turn: applying a record and its actions cost 10 to 100 microseconds
RECORDS_LEAST = 32  # of a partition at least; each part of a large record counts as one
HEAVY_WORK = 300  # a record beyond this is the only such one of a turn, of all partitions
BYTES_MAX = 8 << 20  # of bodies in flight, of all partitions here
BYTES_LEAST = 1 << 20  # of a partition at least
SOON_S = 0.0005  # a timer of the event loop is no finer


class Appends(Protocol):
    """The part of a log that a turn needs."""

    def append(self, batch: Batch, done: Done) -> None: ...


class Turns:
    """Hands the proposals of the seats to the log, and the answers of the log to the seats."""

    def __init__(
        self,
        log: Appends,
        scheduler: Scheduler,
        options: ProcessorOptions,
        running_count: Callable[[], int],
        telemetry: Telemetry,
    ) -> None:
        self.seats: list[Seat] = []  # by number
        self._by_number: dict[int, Seat] = {}
        self.seat_of = self._by_number.get
        self._log = log
        self._scheduler = scheduler
        self._options = options
        self._running_count = running_count
        self._counts = AppendCounts(telemetry)
        self._is_due = False
        self._last_s = 0.0
        self._awaited: set[int] = set()  # partitions whose append holds back the next turn
        self._is_wanted = False  # whether a turn is to start once no append holds it back
        self._last_heavy = -1  # the partition that had the last turn with a heavy record
        self._is_patient = False  # whether the timer that ends the wait for slow appends runs
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
        if self._awaited:
            self._is_wanted = True
            self._be_patient()
            return
        self._is_due = True
        self._is_wanted = False
        options = self._options
        gap_s = min(options.turn_gap_max_s, options.turn_gap_per_attempt_s * self._running_count())
        wait_s = self._last_s + gap_s - self._scheduler.time_s()
        if wait_s < SOON_S:
            self._scheduler.call_soon(self._run)
        else:
            self._scheduler.call_later(wait_s, self._run)

    def _run(self) -> None:
        self._is_due = False
        now_s = self._scheduler.time_s()
        batch: list[tuple[int, list[bytes]]] = []
        ready = [seat for seat in self.seats if seat.can_append()]
        if not ready:
            return
        if len(ready) > 1:
            heavy = [seat for seat in ready if seat.pending.first_work > HEAVY_WORK]
            if len(heavy) > 1:
                ready = self._without_all_but_one(ready, heavy)
        work_max = max(RECORDS_LEAST, RECORDS_MAX // len(ready))
        bytes_max = max(BYTES_LEAST, BYTES_MAX // len(self.seats))
        for seat in ready:
            messages = seat.start_append(now_s, work_max, bytes_max)
            if messages:
                batch.append((seat.number, messages))
        if not batch:
            return
        self._last_s = now_s
        self._awaited.update(number for number, _ in batch)
        self._counts.started(batch, now_s)
        self._log.append(batch, self._done)
        self.after_append()

    def _without_all_but_one(self, ready: list[Seat], heavy: list[Seat]) -> list[Seat]:
        """Partitions whose next record is heavy take turns: what is answered together is applied in
        one callback."""
        later = (seat for seat in heavy if seat.number > self._last_heavy)
        chosen = next(later, heavy[0])
        self._last_heavy = chosen.number
        self._is_wanted = True
        return [seat for seat in ready if seat is chosen or seat not in heavy]

    def _done(self, number: int, first: int, count: int, error: AppendError | None) -> None:
        answered_s = self._scheduler.time_s()
        self._counts.answered(number, error, answered_s)
        self._awaited.discard(number)
        seat = self._by_number.get(number)
        if seat is not None and seat.unanswered:
            try:
                seat.append_answered(first, error)
            except StoreError as failure:
                seat.lose_store(failure)
            self._counts.applied(self._scheduler.time_s() - answered_s)
            if seat.can_append():
                self._is_wanted = True
        if self._is_wanted and not self._awaited:
            self.wake()

    def _be_patient(self) -> None:
        if not self._is_patient:
            self._is_patient = True
            self._scheduler.call_later(self._options.turn_patience_s, self._pass_over_stalled)

    def _pass_over_stalled(self) -> None:
        """Appends that are not answered in time no longer hold back the next turn."""
        self._is_patient = False
        if not self._awaited:
            return
        if self._scheduler.time_s() - self._last_s >= self._options.turn_patience_s * 0.9:
            self._awaited.clear()
            self.wake()
        else:
            self._be_patient()
