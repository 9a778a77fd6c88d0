"""The embedded log: one file for all partitions of a process, durable before acknowledged."""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

from orchestrator.log.batches import refuse_soon, why_refused
from orchestrator.log.directory import refuse_files, take_directory
from orchestrator.log.embedded.identity import open_journal
from orchestrator.log.embedded.kernel_syncs import open_kernel_syncs
from orchestrator.log.embedded.running import OpenLog
from orchestrator.log.embedded.segment_chain import SegmentChain
from orchestrator.log.embedded.spares import SegmentSizes
from orchestrator.log.embedded.syncs import Syncs
from orchestrator.log.embedded.writer import Append, Restart
from orchestrator.log.files import Disk, Files
from orchestrator.log.following import Followers, NeverFollowed
from orchestrator.log.known import LogGone
from orchestrator.log.port import (
    STALLED_MS,
    Batch,
    ClockMs,
    Deliver,
    Done,
    FollowEnded,
    Health,
    LogCorrupt,
    LogRefused,
    LogUnavailable,
    Rest,
    Subscription,
    monotonic_ms,
    no_rest,
)

_LOG = logging.getLogger("perdure.log")
READ_CHUNK_BYTES: Final = 256 << 10  # some thousand small records: tens of milliseconds to apply


@dataclass(frozen=True, slots=True)
class EmbeddedOptions:
    """Where the log is, its partitions and its sizes."""

    directory: Path
    partitions: int = 4
    message_bytes_max: int = 64 << 20
    sizes: SegmentSizes = field(default_factory=SegmentSizes)
    mark_directory: Path | None = None  # of the durable mark; None: that of the log
    known: bytes | None = None  # which log it must be; None: it may be another one, or a new one


class EmbeddedLog:
    """The `Log` port over a `SegmentChain`.

    It is written by a thread, or on the event loop where the system syncs beside it, and read by
    two other threads. `syncs` goes with `files`: without it the thread does it all.
    """

    def __init__(
        self,
        options: EmbeddedOptions,
        *,
        files: Callable[[], Files] | None = None,
        syncs: Callable[[], Syncs | None] | None = None,
        clock_ms: ClockMs = monotonic_ms,
    ) -> None:
        self._options = options
        if files is None:
            files, syncs = partial(Disk, options.directory), syncs or open_kernel_syncs
        self._make_files = files
        self._make_syncs = syncs
        self._clock_ms = clock_ms
        self._running: OpenLog | None = None
        self._leading = False
        self._gone: LogGone | None = None
        self._on_gone: Callable[[LogRefused], None] = lambda refusal: None
        self._followers = Followers(self.read)
        self._turn = asyncio.Lock()

    may_lose_its_tail = False

    @property
    def partition_count(self) -> int:
        return self._options.partitions

    @property
    def message_bytes_max(self) -> int:
        return self._options.message_bytes_max

    @property
    def identity(self) -> bytes:
        assert self._running is not None, "which log it is, is known once it is open"
        return self._running.identity

    async def open(self) -> None:
        loop = asyncio.get_running_loop()
        threads = ThreadPoolExecutor(2, thread_name_prefix="log-files")
        try:
            files, identity, journal = await loop.run_in_executor(threads, self._open_files)
        except BaseException:
            threads.shutdown(wait=False)
            raise
        syncs = self._make_syncs() if self._make_syncs is not None else None
        appended = self._followers.appended
        self._running = OpenLog(
            loop, threads, files, identity, journal, self._clock_ms, syncs, appended
        )

    def _open_files(self) -> tuple[Files, bytes, SegmentChain]:
        options = self._options
        files = take_directory(self._make_files, options.directory)
        try:
            marks = None if options.mark_directory is None else Disk(options.mark_directory)
            journal = open_journal(files, options.partitions, options.sizes, options.known, marks)
            return files, *journal
        except OSError as error:
            files.unlock()
            raise refuse_files(error) from error
        except (LogRefused, LogCorrupt):
            files.unlock()
            raise

    async def close(self) -> None:
        self._leading = False
        if self._running is not None:
            self._followers.end(LogUnavailable("the log is closed"))
            await self._running.close()
            self._running = None

    def append(self, batch: Batch, done: Done) -> None:
        options = self._options
        refused = why_refused(batch, options.partitions, options.message_bytes_max)
        if self._gone is not None:
            refused = refused or str(self._gone)
        if self._running is None:
            refuse_soon(batch, done, "the log is not open")
            return
        bytes_count = sum(sum(map(len, messages)) for _, messages in batch)
        self._running.submit(Append(batch, bytes_count, done, refused))

    async def read(
        self, partition: int, offset: int, deliver: Deliver, rest: Rest = no_rest
    ) -> int:
        running = self._require_running()
        _, end = running.journal.bounds(partition)
        read = running.journal.read
        while True:
            try:
                messages = await running.in_thread(
                    partial(read, partition, offset, READ_CHUNK_BYTES)
                )
            except OSError as error:
                raise LogUnavailable(f"the log cannot be read: {error}") from error
            if offset >= end:
                return offset
            offset = messages[-1].offset + 1
            async with self._turn:  # one chunk a round of the loop, however many read at once
                deliver(messages)
                await asyncio.sleep(0)
            await rest()

    def follow(
        self, partition: int, offset: int, deliver: Deliver, ended: FollowEnded
    ) -> Subscription:
        if self._running is None:
            return NeverFollowed(ended, LogUnavailable("the log is not open"))
        return self._followers.follow(partition, offset, deliver, ended)

    async def bounds(self, partition: int) -> tuple[int, int]:
        return self._require_running().journal.bounds(partition)

    def _declare_gone(self) -> LogGone:
        """The log is gone: report it once, and answer nothing else any more."""
        gone = self._gone = LogGone(self.identity, "its files were deleted while they were in use")
        _LOG.error("%s", gone)
        loop = asyncio.get_running_loop()
        loop.call_soon(self._followers.end, gone)
        loop.call_soon(self._on_gone, gone)
        return gone

    def _require_running(self) -> OpenLog:
        if self._running is None:
            raise LogUnavailable("the log is not open")
        if self._gone is not None:
            raise self._gone
        return self._running

    def trim(self, partition: int, below_offset: int) -> None:
        if self._running is not None and self._running.journal.trim(partition, below_offset):
            self._running.drop()

    def lead(
        self,
        assigned: Callable[[int], None],
        revoked: Callable[[int], None],
        gone: Callable[[LogRefused], None],
    ) -> None:
        self._leading = True
        self._on_gone = gone
        loop = asyncio.get_running_loop()
        for number in range(self._options.partitions):
            loop.call_soon(assigned, number)

    def restart(self, partition: int) -> None:
        if self._running is not None:
            self._running.submit(Restart(partition))

    def health(self) -> Health:
        if self._running is None:
            return Health(writable=False, reason="the log is not open")
        oldest_ms = self._running.oldest_ms()
        reason = self._running.trouble()
        if self._running.is_gone:
            reason = str(self._gone or self._declare_gone())
        if not reason and oldest_ms >= STALLED_MS:
            reason = f"an append has been waiting for {oldest_ms} ms"
        return Health(not reason, reason, oldest_ms, self._leading)
