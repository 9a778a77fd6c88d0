"""The tail of a partition's log, as its leader follows it: others write to the partition, too.

Own appends come back by the tail and are skipped by their offsets. A message of another writer is
applied as it comes if it follows the applied position without a gap. If there is a gap, the log is
read up to the last offset heard of, and nothing is appended meanwhile. While an append is in flight
nobody knows which messages are its own: then the log is read once it has been answered.
"""

import logging
from collections.abc import Awaitable, Callable

from orchestrator.log.port import (
    FollowEnd,
    Log,
    LogCorrupt,
    LogMessage,
    LogRefused,
    LogUnavailable,
    OffsetOutOfRange,
    Subscription,
)
from orchestrator.processor.options import ProcessorOptions
from orchestrator.processor.partition import Partition
from orchestrator.processor.reading import PartitionStopped, Reading, StoreMisfit
from orchestrator.processor.seat import Seat
from orchestrator.runtime.scheduler import Scheduler
from orchestrator.store.port import StoreError

logger = logging.getLogger("perdure.processor")


class LeaderTail:
    """Reads one seat's partition to its end, and follows it while the seat leads."""

    def __init__(
        self,
        seat: Seat,
        log: Log,
        scheduler: Scheduler,
        options: ProcessorOptions,
        back_off: Callable[[], Awaitable[None]],
    ) -> None:
        self._seat = seat
        self._log = log
        self._scheduler = scheduler
        self._options = options
        self._back_off = back_off
        self._read_to = 0  # everything below this offset has been read
        self._following: Subscription | None = None

    async def read_to_end(self, stop_before: int | None = None) -> None:
        """Apply what the log has, up to its end or to an offset."""
        partition = self._seat.partition
        assert partition is not None
        reading = self._reading(stop_before)
        self._read_to = await self._log.read(
            self._seat.number, partition.next_offset, reading.deliver, reading.rest
        )
        reading.finish()

    def _reading(self, stop_before: int | None = None) -> Reading:
        seat = self._seat
        partition = seat.partition
        assert partition is not None
        return Reading(
            partition,
            seat.apply_read,
            self._options,
            self._scheduler.sleep,
            stop_before=stop_before,
            is_wanted=lambda: seat.partition is partition and seat.is_served,
        )

    # --- what comes ---

    def follow(self) -> None:
        """From what is applied on, until `leave`."""
        seat = self._seat
        assert seat.partition is not None
        self._following = self._log.follow(
            seat.number, seat.partition.next_offset, self._on_messages, self._ended
        )

    def leave(self) -> None:
        if self._following is not None:
            self._following.cancel()
            self._following = None

    def _on_messages(self, messages: list[LogMessage]) -> None:
        seat = self._seat
        first, last = messages[0].offset, messages[-1].offset
        partition = seat.partition
        if partition is None or last < partition.next_offset:
            return  # applied already: nearly always an own append
        if not seat.note_end(last + 1):
            return  # the seat looks again when its append is answered or the reading ends
        if first > partition.next_offset or last - first >= len(messages):
            self.catch_up()  # there is a gap: reading tells what the log has in it
            return
        reading = self._reading()
        reading.deliver(messages)
        try:
            reading.finish()
        except (PartitionStopped, StoreMisfit, StoreError) as error:
            self._fail(error, partition)

    def _ended(self, why: FollowEnd) -> None:
        if self._seat.term is not None and not isinstance(why, LogUnavailable):
            self._fail(why, self._seat.partition)

    def _fail(self, error: Exception, partition: Partition | None) -> None:
        """Unless the seat has another store open by now."""
        if self._seat.partition is not partition:
            return
        seat = self._seat
        if isinstance(error, PartitionStopped | LogRefused | LogCorrupt):
            logger.error("partition %d stops: %s", seat.number, error)
            seat.stop(str(error))
        elif isinstance(error, StoreError):
            seat.lose_store(error)
        else:
            seat.step_down(f"it does not fit its log: {error}")
            seat.close_store()

    # --- what was passed by ---

    def catch_up(self) -> None:
        """Read what others wrote; then apply the own append, if one is acknowledged."""
        if self._seat.start_reading():
            self._scheduler.spawn(self._catch_up(), f"catch-up-{self._seat.number}")

    async def _catch_up(self) -> None:
        seat = self._seat
        term, partition = seat.term, seat.partition
        while term is not None and seat.term is term and not seat.stopped:
            try:
                if await self._caught_up():
                    break
            except LogUnavailable:
                await self._back_off()
            except (
                PartitionStopped,
                LogRefused,
                LogCorrupt,
                StoreError,
                OffsetOutOfRange,
                StoreMisfit,
            ) as error:
                self._fail(error, partition)
        if term is not None and seat.term is term:  # None: it stepped down before this task ran
            seat.end_reading()

    async def _caught_up(self) -> bool:
        """Whether nothing is left to be read: more may have been heard of meanwhile."""
        seat, term, append = self._seat, self._seat.term, self._seat.in_flight
        assert append is None or append.is_acknowledged
        await self.read_to_end(None if append is None else append.first)
        if seat.term is not term or seat.partition is None:
            return True
        if append is not None:
            refuse_lost_tail(append.first, seat.partition.next_offset)
            if self._read_to < append.first:
                raise LogUnavailable("what was acknowledged cannot be read yet")
            seat.apply_append()
        elif seat.is_behind:
            raise LogUnavailable("what was heard cannot be read yet")
        return not seat.is_behind


def refuse_lost_tail(first: int, next_offset: int) -> None:
    """Raises StoreMisfit if an append got an offset below the applied ones: the log has lost its
    tail."""
    if first < next_offset:
        raise StoreMisfit(f"what was at offset {first} is not there any more")
