"""Write-behind: spills, flushes, checkpoints, and what the log may forget.

A spill is one batch with its offset. A flush bounds what a killed process replays; it runs in a
thread. Only checkpoints let the log be trimmed: two are kept, and the log is trimmed below the
older one. The embedded log holds all partitions in one run of segments and drops only what none of
them needs: so even an idle partition makes checkpoints, as the log grows.
"""

import logging
from collections.abc import Callable

from orchestrator.log.port import Log
from orchestrator.model.records import PurgeExpired
from orchestrator.processor.options import ProcessorOptions
from orchestrator.processor.pace import PACED_BYTES, PACED_FROM, rest_s
from orchestrator.processor.seat import Seat
from orchestrator.runtime.metrics import CHECKPOINTS, FLUSHES, SPILLS
from orchestrator.runtime.scheduler import Scheduler
from orchestrator.runtime.telemetry import Telemetry
from orchestrator.store.port import CHECKPOINTS_KEPT, StoreError, StoreHome, checkpoint_name

logger = logging.getLogger("perdure.processor")
QUIET_S = 1.0  # without a record: then a flush delays nothing
QUIET_FLUSH_RECORDS = 500  # fewer are replayed at once
FLUSHES_MORE = 3  # before a copy
COUNT_EVERY_RECORDS = 10  # follow-up records write some hundred rows each
COUNT_EVERY_BYTES = 32 << 10  # and others the more rows the larger they are


class Upkeep:
    """Keeps the store of one seat near what was applied."""

    def __init__(
        self,
        seat: Seat,
        log: Log,
        home: StoreHome,
        scheduler: Scheduler,
        options: ProcessorOptions,
        telemetry: Telemetry,
    ) -> None:
        self._seat = seat
        self._log = log
        self._home = home
        self._scheduler = scheduler
        self._options = options
        self._spills = telemetry.counter(SPILLS)
        self._flushes = telemetry.counter(FLUSHES)
        self._checkpoints = telemetry.counter(CHECKPOINTS)
        self._count_at = self._count_at_bytes = 0
        self._spilled_at = 0  # records applied when last spilled
        self._spilled_s = scheduler.time_s()
        self._unflushed_bytes = 0  # spilled since a flush began
        self._flushed_at = -QUIET_FLUSH_RECORDS  # what was replayed before is not flushed yet
        self._seen_at = 0  # records applied at the last look, and since when
        self._seen_s = scheduler.time_s()
        self._checkpoint_at = 0
        self._checkpoint_bytes = 0
        self._is_busy = False
        self._written_bytes = 0  # by all partitions
        self._copied_bytes = 0  # of these, when the last checkpoint was made
        self._is_lagging = False
        self._has_trimmed = False

    def is_clean(self) -> bool:
        """Nothing is left to be done until there are records again."""
        seat = self._seat
        if seat.stopped:
            return True
        return seat.record_count == self._spilled_at and not self._wants_quiet_flush()

    def _wants_quiet_flush(self) -> bool:
        return self._spilled_at - self._flushed_at >= QUIET_FLUSH_RECORDS

    def flush_if_quiet(self, now_s: float) -> bool:
        """Flush in a quiet moment, so that a killed process has little to replay. True if a
        flush begins."""
        seat = self._seat
        if seat.record_count != self._seen_at:
            self._seen_at, self._seen_s = seat.record_count, now_s
        if now_s - self._seen_s < QUIET_S or self._is_busy or not self._wants_quiet_flush():
            return False
        if seat.store is None or seat.stopped:
            return False
        self._flush_soon()
        return True

    def spill_if_due(self, now_s: float) -> bool:
        """When much is dirty, or for long; True if it spilled."""
        seat = self._seat
        if seat.record_count == self._spilled_at:
            return False
        partition = seat.state.partition
        if partition is None:
            return False
        state = partition.state
        is_late = now_s - self._spilled_s >= self._options.spill_s
        is_heavy = state.account.dirty_bytes >= self._options.spill_bytes
        # It is asked after every turn, and counting rows costs as much as a record.
        is_counted = seat.record_count < self._count_at and seat.byte_count < self._count_at_bytes
        if (is_counted and not is_late and not is_heavy) or seat.stopped:
            return False
        self._count_at = seat.record_count + COUNT_EVERY_RECORDS
        self._count_at_bytes = seat.byte_count + COUNT_EVERY_BYTES
        if not is_late and not is_heavy and state.dirty_count < self._options.spill_rows:
            return False
        self.spill()
        return True

    def spill(self) -> None:
        seat = self._seat
        if seat.partition is None or seat.stopped:
            return
        self._spilled_at = seat.record_count
        self._spilled_s = self._scheduler.time_s()
        size_bytes = seat.partition.state.dirty_bytes
        self._unflushed_bytes += size_bytes
        try:
            seat.partition.spill()
            if seat.store is not None:
                self._pace(size_bytes, seat.store.backlog)
        except StoreError as error:
            seat.lose_store(error)
            return
        self._spills.add()
        if seat.record_count - self._flushed_at >= self._options.flush_records:
            self._flush_soon()

    def _pace(self, size_bytes: int, backlog: Callable[[], int]) -> None:
        """Let a store that cannot keep up catch up, at the cost of this partition alone: a write
        that RocksDB holds up would hold up everything."""
        pause_s = rest_s(size_bytes, backlog, PACED_FROM)
        if pause_s:
            self._seat.rest(pause_s)

    def checkpoint_if_behind(self, written_bytes: int) -> None:
        """Make a checkpoint if those of others have long been ahead of the last one."""
        seat = self._seat
        self._written_bytes = written_bytes
        if seat.term is None or seat.partition is None or not self._options.trims:
            return
        if not self._has_trimmed:
            self._trim()  # the log has forgotten the trim of the process before
        if written_bytes - self._copied_bytes < self._options.lag_bytes or self._is_lagging:
            return
        if seat.partition.next_offset > max(self._home.checkpoints(), default=0):
            self._is_lagging = True
            self._flush_soon()
        elif seat.is_quiet:
            # A record, so that the next checkpoint stands for another offset.
            seat.propose(PurgeExpired(seat.term.epoch, 0, ()))

    def _flush_soon(self) -> None:
        if not self._is_busy:
            self._is_busy = True
            self._scheduler.spawn(self._flush(), f"flush-{self._seat.number}")

    async def _flush(self) -> None:
        seat = self._seat
        store, flushed_at = seat.store, seat.record_count
        self._unflushed_bytes = 0
        try:
            if store is None:
                return
            await self._scheduler.in_thread(store.flush)
            for _ in range(FLUSHES_MORE):  # what came meanwhile: a copy flushes it in this thread
                if self._unflushed_bytes < PACED_BYTES or not self._wants_checkpoint():
                    break
                self._unflushed_bytes = 0
                await self._scheduler.in_thread(store.flush)
            self._flushed_at = flushed_at
            self._flushes.add()
            if seat.store is store and self._wants_checkpoint():
                self.checkpoint()
        except StoreError as error:
            if seat.store is store:  # not if another store is open by now
                seat.lose_store(error)
        finally:
            self._is_busy = self._is_lagging = False

    def _wants_checkpoint(self) -> bool:
        seat, options = self._seat, self._options
        if seat.partition is None:
            return False
        newest = max(self._home.checkpoints(), default=0)
        return (
            self._is_lagging
            or seat.record_count - self._checkpoint_at >= options.checkpoint_records
            or seat.byte_count - self._checkpoint_bytes >= options.checkpoint_bytes
            # Counted over restarts: a message holds a record at least.
            or seat.partition.next_offset - newest >= options.checkpoint_records
        )

    def checkpoint(self) -> None:
        """Copy what is spilled, and let the log forget what both copies stand for."""
        seat = self._seat
        if seat.partition is None or seat.store is None or seat.stopped:
            return
        self._checkpoint_at = seat.record_count
        self._checkpoint_bytes = seat.byte_count
        if seat.partition.state.dirty_bytes < PACED_BYTES or not seat.partition.spilled_to:
            seat.partition.spill()  # else the copy is of the last spill: it would be flushed here
        seat.store.checkpoint(checkpoint_name(seat.partition.spilled_to))
        self._checkpoints.add()
        self._copied_bytes = self._written_bytes
        self._trim()

    def _trim(self) -> None:
        self._has_trimmed = True
        kept = self._home.checkpoints()
        if self._options.trims and len(kept) >= CHECKPOINTS_KEPT:
            # The older copy's last message stays, so that its hash can be compared.
            self._log.trim(self._seat.number, max(0, kept[-CHECKPOINTS_KEPT] - 1))
