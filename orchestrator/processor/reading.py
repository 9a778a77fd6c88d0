"""Reading the log into a partition: restoring a store that fits, and catching up."""

import logging
from collections.abc import Awaitable, Callable

import msgspec

from orchestrator.codec.records import UNREADABLE, UndecodableMessage, decode_message, message_hash
from orchestrator.codec.rows import UnknownRowVersion
from orchestrator.log.port import (
    Log,
    LogCorrupt,
    LogMessage,
    LogRefused,
    LogUnavailable,
    OffsetOutOfRange,
)
from orchestrator.machine.apply_leader import knows_level
from orchestrator.model.operating import OperatingError
from orchestrator.model.records import AnyRecord
from orchestrator.processor.options import ProcessorOptions
from orchestrator.processor.pace import REPLAY_PACED_FROM, rest_s
from orchestrator.processor.partition import Partition
from orchestrator.processor.progress import Progress
from orchestrator.store.port import (
    DurableStore,
    StoreError,
    StoreHome,
    StoreOfAnotherVersion,
)
from orchestrator.store.stamp import Stamp, StampedStore, read_stamp
from orchestrator.tables.cache import Cache

logger = logging.getLogger("perdure.processor")
SleepFor = Callable[[float], Awaitable[None]]
Apply = Callable[[LogMessage, list[AnyRecord]], None]


class PartitionStopped(OperatingError):
    """A partition cannot go on; its data is kept and an operator must look."""


class StoreMisfit(Exception):
    """The store stands for another log, or for records the log does not have."""


class Reading:
    """Applies what `Log.read` delivers. The first failure ends it; `finish` raises it.

    A log's `deliver` must not raise: the failure waits here until the read has come back. Between
    two chunks it rests if its store cannot keep up.
    """

    def __init__(
        self,
        partition: Partition,
        apply: Apply,
        options: ProcessorOptions,
        sleep: SleepFor,
        *,
        check: Stamp | None = None,
        stop_before: int | None = None,
        is_wanted: Callable[[], bool] = lambda: True,
        reached: Callable[[int], None] = lambda offset: None,
    ) -> None:
        self._partition = partition
        self._apply = apply
        self._options = options
        self._check = check
        self._stop_before = stop_before
        self._is_wanted = is_wanted
        self._reached = reached
        self._sleep = sleep
        self._rest_s = 0.0
        self._failure: Exception | None = None

    async def rest(self) -> None:
        pause_s, self._rest_s = self._rest_s, 0.0
        if pause_s:
            await self._sleep(pause_s)

    def deliver(self, messages: list[LogMessage]) -> None:
        if self._failure is not None or not self._is_wanted():
            return
        try:
            for message in messages:
                self._take(message)
                if self._partition.state.dirty_bytes >= self._options.spill_bytes:
                    self._spill()
            self._spill_if_large()
            self._reached(self._partition.next_offset)
        except (PartitionStopped, StoreMisfit, StoreError) as failure:
            self._failure = failure

    def finish(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _take(self, message: LogMessage) -> None:
        partition = self._partition
        if self._check is not None:
            self._verify(message, self._check)
            self._check = None
        if message.offset < partition.next_offset:
            return
        if self._stop_before is not None and message.offset >= self._stop_before:
            return
        if not self._is_wanted():
            return
        try:
            records = decode_message(message.value)
        except UndecodableMessage as error:
            self._undecodable(message, error)
            return
        try:
            self._apply(message, records)
        except StoreError:
            raise
        except Exception as error:  # the supervisor of the pure ring
            reason = f"offset {message.offset} cannot be applied: {error!r}"
            raise PartitionStopped("PD0301", reason) from error

    def _verify(self, message: LogMessage, stamp: Stamp) -> None:
        """The store's last message, if the log still has it, must be the one it remembers."""
        if message.offset > stamp.last_offset:
            return
        if message_hash(message.value) != stamp.last_hash:
            raise StoreMisfit(f"the log has another message at offset {message.offset}")

    def _undecodable(self, message: LogMessage, error: UndecodableMessage) -> None:
        partition, options = self._partition, self._options
        place = (partition.number, message.offset)
        if not options.skip(*place) and place not in options.skip_messages:
            reason = f"the message at offset {message.offset} cannot be decoded: {error}"
            raise PartitionStopped("PD0300", reason) from error
        logger.warning("the message at offset %d of partition %d is skipped", *reversed(place))
        partition.skip_message(message.offset, message.value)

    def _spill_if_large(self) -> None:
        state, options = self._partition.state, self._options
        if state.dirty_count >= options.spill_rows or state.dirty_bytes >= options.spill_bytes:
            self._spill()

    def _spill(self) -> None:
        partition = self._partition
        size_bytes = partition.state.dirty_bytes
        partition.spill()
        self._rest_s += rest_s(size_bytes, partition.backlog, REPLAY_PACED_FROM)


async def restore(
    number: int,
    log: Log,
    home: StoreHome,
    options: ProcessorOptions,
    progress: Progress,
    turn: Callable[[], Awaitable[None]],
    sleep: SleepFor,
) -> tuple[Partition, DurableStore]:
    """The best store that fits the log, with everything up to the end of the log applied to it.

    Opening a store blocks the loop for some milliseconds: it awaits `turn` first, so that the
    partitions do not open theirs in the same round. Asking for the next store discards the one
    before, so only a store that does not fit or is damaged is passed over. Raises PartitionStopped
    if no store reaches what the log still has, or if one is of another version of the software;
    raises errors that may pass, and then all stores are still there.
    """
    first, end = await log.bounds(number)
    await turn()
    try:
        return await _best(number, log, home, options, first, end, progress, sleep)
    except StoreOfAnotherVersion as error:
        raise PartitionStopped(
            "PD0308",
            f"another version of the server wrote the store of partition {number}: {error}",
        ) from error


async def _best(
    number: int,
    log: Log,
    home: StoreHome,
    options: ProcessorOptions,
    first: int,
    end: int,
    progress: Progress,
    sleep: SleepFor,
) -> tuple[Partition, DurableStore]:
    for store in home.candidates():
        try:
            partition = await _filled(store, number, log, options, first, end, progress, sleep)
        except StoreError as error:
            if not error.corrupt:  # the disk may have room again
                store.close()
                raise
            logger.warning("PD0303 a store of partition %d is damaged: %s", number, error)
            continue
        except StoreMisfit as error:
            logger.warning("a store of partition %d is not used: %s", number, error)
            continue
        except (
            LogUnavailable,
            LogRefused,
            LogCorrupt,
            OffsetOutOfRange,
            PartitionStopped,
            StoreOfAnotherVersion,
        ):
            store.close()
            raise
        if partition is not None:
            return partition, store
    raise PartitionStopped(
        "PD0304",
        f"the log of partition {number} begins at offset {first}, and no store reaches it",
    )


async def _filled(
    store: DurableStore,
    number: int,
    log: Log,
    options: ProcessorOptions,
    first: int,
    end: int,
    progress: Progress,
    sleep: SleepFor,
) -> Partition | None:
    """The partition over this store with the log applied to it; None if the store does not fit
    the log."""
    stamp = read_stamp(store)
    if stamp is not None and not log.may_lose_its_tail:
        _refuse_lost_tail(stamp, number, log.identity, end)
    if stamp is None or not _may_fit(stamp, number, log.identity, first, end):
        return None
    stamp = msgspec.structs.replace(stamp, log_identity=log.identity, partition=number)
    partition = _opened(number, log.partition_count, store, stamp, options.cache)
    if partition is not None:
        progress.begin(partition.next_offset, end)
        await _replay(partition, log, options, stamp, first, progress, sleep)
    return partition


def _refuse_lost_tail(stamp: Stamp, number: int, log_identity: bytes, end: int) -> None:
    is_ours = (stamp.log_identity, stamp.partition) == (log_identity, number)
    if is_ours and stamp.applied > end:
        raise LogCorrupt(
            f"partition {number} ends at offset {end}, but its store holds what was acknowledged up"
            f" to offset {stamp.applied}"
        )


def _may_fit(stamp: Stamp, number: int, log_identity: bytes, first: int, end: int) -> bool:
    if stamp == Stamp():
        return first == 0
    if stamp.log_identity != log_identity or stamp.partition != number:
        return False
    return first <= stamp.applied <= end


def _opened(
    number: int, partition_count: int, store: DurableStore, stamp: Stamp, cache: Cache
) -> Partition | None:
    """None if the row of the partition is damaged, or does not agree with the stamp. A row or a
    level that this version does not know was written by another version: it stops the partition
    and is kept, since that version can read it."""
    stamped = StampedStore(store, stamp)
    try:
        partition = Partition(number, partition_count, stamped, cache)
    except (UnknownRowVersion, msgspec.ValidationError) as error:
        raise StoreOfAnotherVersion(str(error)) from None
    except UNREADABLE:
        return None
    level = partition.state.partition_row.level
    if not knows_level(level):
        raise StoreOfAnotherVersion(f"it is at level {level}, which this version does not know")
    return partition if partition.next_offset == stamp.applied else None


async def _replay(
    partition: Partition,
    log: Log,
    options: ProcessorOptions,
    stamp: Stamp,
    first: int,
    progress: Progress,
    sleep: SleepFor,
) -> None:
    def apply(message: LogMessage, records: list[AnyRecord]) -> None:
        partition.apply_message(message.offset, message.value, records, [])

    is_known = first <= stamp.last_offset
    check = stamp if is_known else None
    reading = Reading(partition, apply, options, sleep, check=check, reached=progress.reached)
    stamped = stamp.last_offset if is_known else partition.next_offset
    await log.read(partition.number, stamped, reading.deliver, reading.rest)
    reading.finish()
