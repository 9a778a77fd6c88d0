"""The seats of a process, and what they share: turns, timers, transfers, housekeeping."""

from collections.abc import Callable, Sequence
from itertools import islice

from orchestrator.codec.records import encode_message
from orchestrator.invoker.port import InvokerPort
from orchestrator.log.port import AppendError, Log, LogRefused
from orchestrator.model.records import Transfer
from orchestrator.processor.expiry import ExpiryClock
from orchestrator.processor.journal_limit import JournalLimits
from orchestrator.processor.leadership import Leadership
from orchestrator.processor.options import ProcessorOptions
from orchestrator.processor.seat import ANSWERED_AT_ONCE_MAX, Seat
from orchestrator.processor.seat_gauges import measure_seats
from orchestrator.processor.slices import Slices
from orchestrator.processor.topics import NodeTopics
from orchestrator.processor.turns import Turns
from orchestrator.processor.upkeep import Upkeep
from orchestrator.processor.waiters import Failing, TransferWaiter
from orchestrator.runtime.clock import Clock
from orchestrator.runtime.entropy import Entropy
from orchestrator.runtime.metrics import PARTITIONS_STOPPED, RESTORES, STEPPED_DOWN
from orchestrator.runtime.scheduler import Scheduler, Task
from orchestrator.runtime.telemetry import Telemetry
from orchestrator.store.port import StoreHome
from orchestrator.timers.alarm import Alarm

CLOSE_LOOK_S = 0.01
NO_LEADER = "the partition has no leader"


class _Served:
    """A seat with those who look after it."""

    __slots__ = ("leadership", "seat", "task", "upkeep")

    def __init__(self, seat: Seat, leadership: Leadership, upkeep: Upkeep) -> None:
        self.seat = seat
        self.leadership = leadership
        self.upkeep = upkeep
        self.task: Task | None = None


class Seats:
    """Seats come and go as the log assigns partitions."""

    def __init__(
        self,
        log: Log,
        open_home: Callable[[int], StoreHome],
        invoker: InvokerPort,
        clock: Clock,
        entropy: Entropy,
        scheduler: Scheduler,
        options: ProcessorOptions,
        telemetry: Telemetry,
        topics: NodeTopics,
    ) -> None:
        self.topics = topics
        self.invoker = invoker
        self.clock = clock
        self.expiry = ExpiryClock(clock)
        self.scheduler = scheduler
        self.timers_per_record = options.timers_per_record
        self.timers_ahead_ms = options.timers_ahead_ms
        self.letters_kept_ms = options.dead_letter_retention_ms
        self.pending_records_max = options.pending_records_max
        self.journal_limits = JournalLimits(options.journal_entries_max, options.journal_bytes_max)
        self._log = log
        self._open_home = open_home
        self._entropy = entropy
        self._options = options
        self._telemetry = telemetry
        self._restores = telemetry.counter(RESTORES)
        self._stepped_down = telemetry.counter(STEPPED_DOWN)
        self._partitions_stopped = telemetry.counter(PARTITIONS_STOPPED)
        measure_seats(telemetry, self.all, scheduler.time_s)
        self._served: dict[int, _Served] = {}
        self._leaving: dict[int, Task] = {}
        self._turns = Turns(log, scheduler, options, lambda: invoker.running_count, telemetry)
        self._turns.after_append = self._after_append
        self.get = self._turns.seat_of  # a seat by its number
        self.slices = Slices(scheduler)
        self._alarm = Alarm(scheduler, clock, self._look_at_due, options.look_every_ms)
        self._is_ticking = False
        self._is_closed = False
        self.wake = self._turns.wake
        self.call_later = scheduler.call_later
        self.now_s = scheduler.time_s
        self.wake_by = self._alarm.by

    def all(self) -> list[Seat]:
        """By number."""
        return self._turns.seats

    # --- life ---

    def start(self) -> None:
        self._log.lead(self._assigned, self._revoked, self._gone)
        self.scheduler.call_later(self._options.cleanup_s, self._clean_up)

    async def close(self, wait_s: float) -> None:
        """Wait for the in-flight appends, spill, and close the stores."""
        until_s = self.now_s() + wait_s
        while self.now_s() < until_s and not all(seat.is_quiet for seat in self.all()):
            await self.scheduler.sleep(CLOSE_LOOK_S)
        self._is_closed = True
        self._alarm.stop()
        for number in sorted(self._served):
            self._revoked(number)  # spills what is dirty: one partition a round of the loop
            await self.scheduler.sleep(0)
        while self.slices or any(not task.done() for task in self._leaving.values()):
            await self.scheduler.sleep(CLOSE_LOOK_S)

    def _assigned(self, number: int) -> None:
        if number not in self._served and not self._is_closed:
            served = self._take_seat(number)
            served.task = self.scheduler.spawn(self._serve(served), f"partition-{number}")

    def _gone(self, refusal: LogRefused) -> None:
        """The log is gone: no partition of it is served any more."""
        for number in range(self._log.partition_count):
            served = self._served.get(number)
            if served is None:  # it was revoked before: the topic's partitions went first
                served = self._take_seat(number)
                self._partitions_stopped.add()
            served.seat.stop(str(refusal))

    def _take_seat(self, number: int) -> _Served:
        home = self._open_home(number)
        seat = Seat(number, self, self._log.message_bytes_max)
        served = self._served[number] = _Served(
            seat,
            Leadership(seat, self._log, home, self, self._entropy, self._options),
            Upkeep(seat, self._log, home, self.scheduler, self._options, self._telemetry),
        )
        self._turns.add(seat)
        return served

    async def _serve(self, served: _Served) -> None:
        number = served.seat.number
        leaving = self._leaving.get(number)
        while leaving is not None and not leaving.done():  # it may hold the store open still
            await self.scheduler.sleep(CLOSE_LOOK_S)
        self.watch()
        await served.leadership.serve()
        if served.seat.stopped:
            self._partitions_stopped.add()

    def _revoked(self, number: int) -> None:
        served = self._served.pop(number, None)
        if served is None:
            return
        self._turns.remove(served.seat)
        if served.seat.term is not None:
            served.upkeep.spill()
        served.seat.revoke()
        if served.seat.stopped:
            served.seat.close_store()
        if served.task is not None:
            self._leaving[number] = served.task

    # --- what terms and seats ask of their surroundings ---

    def store_restored(self) -> None:
        self._restores.add()

    def stepped_down(self) -> None:
        self._stepped_down.add()

    def catch_up(self, number: int) -> None:
        served = self._served.get(number)
        if served is not None:
            served.leadership.catch_up()

    def deliver(self, target: int, transfer: Transfer, settled: Callable[[bool], None]) -> None:
        """Append a transfer: by the leader if it is in this process, else straight to the log."""
        seat = self.get(target)
        if seat is not None:
            seat.propose(transfer, TransferWaiter(settled))
            self.watch()
            return

        def done(number: int, first: int, count: int, error: AppendError | None) -> None:
            if error is not None and not error.refused and number not in self._served:
                self._log.restart(number)
            settled(error is None)

        self._log.append([(target, [encode_message([transfer])])], done)

    # --- what is due, and what is done in slices ---

    def share(self, count: int) -> int:
        led = sum(seat.term is not None for seat in self.all())
        return max(1, count // max(1, led))

    def _look_at_due(self) -> None:
        for seat in self.all():
            if seat.term is not None:
                seat.term.run_due_soon()

    def _clean_up(self) -> None:
        if not self._is_closed:
            self.remove_expired()
            self.scheduler.call_later(self._options.cleanup_s, self._clean_up)

    def remove_expired(self) -> None:
        """Begin to remove what has expired by now."""
        for seat in self.all():
            if seat.term is not None:
                seat.term.purge_soon()

    def fail_waiters(self, waiters: Sequence[Failing], reason: str, kept: bool) -> None:
        """In slices: each answers a client."""
        if not waiters:
            return
        left = iter(waiters)

        def step() -> bool:
            some = list(islice(left, ANSWERED_AT_ONCE_MAX))
            for waiter in some:
                waiter.failed(reason, kept)
            return len(some) == ANSWERED_AT_ONCE_MAX

        self.slices.add(step)

    # --- housekeeping ---

    def _after_append(self) -> None:
        """The log is at work: the moment for a spill."""
        self.expiry.now_ms()  # notes steps of the clock, also one there and back between two purges
        self._spill_one()
        self.watch()

    def _spill_one(self) -> None:
        """Spill at most one partition: several in one callback would delay calls. Partitions
        take turns, so that none falls behind under load."""
        now_s = self.now_s()
        for number, served in self._served.items():
            if served.upkeep.spill_if_due(now_s):
                del self._served[number]
                self._served[number] = served
                break

    def watch(self) -> None:
        """Tick until nothing waits and each seat leads or is stopped."""
        if not self._is_ticking:
            self._is_ticking = True
            self.scheduler.call_later(self._options.tick_s, self._tick)

    def _tick(self) -> None:
        """Runs while anything is unsettled, and not when all is quiet."""
        self._is_ticking = False
        if self._is_closed:
            return
        now_s, age_s = self.now_s(), self._options.door_age_s
        is_quiet = True
        is_flushing = False
        self._spill_one()
        written_bytes = sum(seat.byte_count for seat in self.all())
        for served in list(self._served.values()):
            seat = served.seat
            served.upkeep.checkpoint_if_behind(written_bytes)
            is_flushing = is_flushing or served.upkeep.flush_if_quiet(now_s)
            if seat.term is not None:
                seat.term.hold_back(len(seat.pending.waiting), seat.pending.bytes_count)
            seat.refuse_if_stalled(now_s, age_s)
            if seat.leaderless_s(now_s) >= age_s:
                seat.fail_pending(NO_LEADER)
            is_settled = seat.term is not None or bool(seat.stopped)
            is_quiet &= is_settled and seat.is_quiet and served.upkeep.is_clean()
        if not is_quiet:
            self.watch()
