"""From assignment to leadership, and back: the log says who leads, by an accepted announcement.

Restore, read to the end, announce, and lead only once the own announcement has been applied.
A seat that loses to another announcement, or steps down, reads on and announces itself again with
backoff, as long as the partition is assigned to it.
"""

import asyncio
import logging

from orchestrator.codec.records import encode_message
from orchestrator.log.port import (
    AppendError,
    Log,
    LogCorrupt,
    LogMessage,
    LogRefused,
    LogUnavailable,
    OffsetOutOfRange,
)
from orchestrator.model.records import AnnounceLeader, AnyRecord
from orchestrator.processor.options import ProcessorOptions
from orchestrator.processor.progress import Progress
from orchestrator.processor.reading import PartitionStopped, StoreMisfit, restore
from orchestrator.processor.seat import Seat
from orchestrator.processor.tail import LeaderTail, refuse_lost_tail
from orchestrator.processor.term import Surroundings, Term
from orchestrator.runtime.backoff import backoff_s
from orchestrator.runtime.entropy import Entropy
from orchestrator.store.port import StoreError, StoreHome

logger = logging.getLogger("perdure.processor")
NONCE_BITS = 62
LASTING_S = 1.0  # after a term this long the backoff begins anew


class Leadership:
    """Serves one seat while it is assigned."""

    def __init__(
        self,
        seat: Seat,
        log: Log,
        home: StoreHome,
        around: Surroundings,
        entropy: Entropy,
        options: ProcessorOptions,
    ) -> None:
        self._seat = seat
        self._log = log
        self._home = home
        self._around = around
        self._entropy = entropy
        self._options = options
        self._nonce = entropy.random64() >> (64 - NONCE_BITS)
        self._failures = 0
        self._tail = LeaderTail(seat, log, around.scheduler, options, self._back_off)
        self.catch_up = self._tail.catch_up

    async def serve(self) -> None:
        seat = self._seat
        try:
            await self._serve()
        except Exception as error:  # the supervisor of a seat
            logger.exception("PD0305 partition %d cannot be served", seat.number)
            seat.stop(f"PD0305 it cannot be served: {error!r}")
        if not seat.stopped:
            seat.close_store()

    async def _serve(self) -> None:
        seat = self._seat
        while seat.is_served:
            try:
                if await self._announce_until_latest():
                    await self._lead()
            except (PartitionStopped, LogRefused, LogCorrupt) as stop:
                logger.error("partition %d stops: %s", seat.number, stop)
                seat.stop(str(stop))
                return
            except StoreError as error:
                seat.lose_store(error)
            except (OffsetOutOfRange, StoreMisfit) as error:
                logger.warning("partition %d does not fit its log: %s", seat.number, error)
                seat.close_store()
            except LogUnavailable as error:
                logger.info("partition %d waits for its log: %s", seat.number, error)
            if seat.is_served:
                await self._back_off()

    async def _back_off(self) -> None:
        options = self._options
        delay_s = backoff_s(options.retry_first_s, options.retry_max_s, self._failures)
        self._failures += 1
        await self._around.scheduler.sleep(delay_s * (0.5 + self._entropy.uniform() / 2))

    async def _announce_until_latest(self) -> bool:
        """True once an announcement of this seat has been applied as the latest one."""
        seat = self._seat
        # The last append of the term before must have been answered before the log is read to its
        # end.
        while seat.unanswered and seat.is_served:
            seat.changed.clear()
            await seat.changed.wait()
        if not seat.is_served:
            return False
        self._log.restart(seat.number)
        if seat.partition is None:
            progress = Progress(seat.number, self._around.scheduler.time_s)
            seat.restoring(progress)
            partition, store = await restore(
                seat.number,
                self._log,
                self._home,
                self._options,
                progress,
                self._around.slices.turn,
                self._around.scheduler.sleep,
            )
            seat.restored(partition, store)
            if not seat.is_served:
                return False
        await self._tail.read_to_end()
        while seat.resolve():
            await self._around.scheduler.sleep(0)
        if seat.partition is None or not seat.is_served:  # its store failed, or its log is gone
            return False
        if not self._is_own_epoch():
            await self._announce()
        if not (seat.is_served and self._is_own_epoch()):
            return False
        self._begin()
        return True

    def _is_own_epoch(self) -> bool:
        partition = self._seat.partition
        if partition is None:  # its store failed while it announced itself
            return False
        row = partition.state.partition_row
        return row.leader == self._options.node and row.nonce == self._nonce and row.epoch >= 0

    async def _announce(self) -> None:
        """Append an announcement that names the epoch it saw, alone in its message; apply it."""
        seat = self._seat
        partition = seat.partition
        assert partition is not None
        epoch_seen = partition.state.partition_row.epoch
        record: AnyRecord = AnnounceLeader(self._options.node, self._nonce, epoch_seen)
        message = encode_message([record])
        first, error = await self._append(message)
        if error is not None or seat.partition is not partition or not seat.is_served:
            return
        refuse_lost_tail(first, partition.next_offset)
        if first == partition.next_offset:
            seat.apply_read(LogMessage(first, message), [record])
        else:
            await self._tail.read_to_end()

    async def _append(self, message: bytes) -> tuple[int, AppendError | None]:
        answered = asyncio.Event()
        answer: list[tuple[int, AppendError | None]] = []

        def done(number: int, first: int, count: int, error: AppendError | None) -> None:
            answer.append((first, error))
            answered.set()

        self._log.append([(self._seat.number, [message])], done)
        await answered.wait()
        return answer[0]

    def _begin(self) -> None:
        seat = self._seat
        assert seat.partition is not None
        state = seat.partition.state
        term = Term(state, self._around, seat.results, seat.propose, seat.fail_term)
        logger.info("partition %d is led here, epoch %d", seat.number, term.epoch)
        seat.begin(term)

    async def _lead(self) -> None:
        """Until the term is over; what others write to the partition is applied as it comes."""
        seat = self._seat
        since_s = self._around.scheduler.time_s()
        try:
            if seat.term is not None:
                self._tail.follow()
            while seat.term is not None and seat.is_served:
                seat.changed.clear()
                await seat.changed.wait()
        finally:
            self._tail.leave()
        if self._around.scheduler.time_s() - since_s > LASTING_S:
            self._failures = 0
        self._nonce = self._entropy.random64() >> (64 - NONCE_BITS)
