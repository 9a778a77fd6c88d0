"""The threads of an open embedded log, and the way of their outcomes back to the event loop."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from orchestrator.log.embedded.segment_chain import SegmentChain
from orchestrator.log.embedded.shortcut import Shortcut
from orchestrator.log.embedded.syncs import Syncs
from orchestrator.log.embedded.writer import (
    FORESEEN,
    Append,
    AppendOutcome,
    Job,
    Mend,
    Restart,
    Unsynced,
    WriterThread,
    WriterTurns,
    refusals,
)
from orchestrator.log.files import Files
from orchestrator.log.port import ClockMs
from orchestrator.runtime.wake_up import WakeUp

T = TypeVar("T")
Appended = Callable[[int, int, Sequence[bytes]], None]
_LOG = logging.getLogger("perdure.log")

_MARK_AFTER_S: Final = 1.0
"""How long after an append its end is noted as durable, in the file that tells a lost tail."""

_VERIFY_EVERY_MS: Final = 500
"""How often health looks at the free space and asks for a repair."""


class OpenLog:
    """What there is while the log is open; every method is called on the event loop."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        threads: ThreadPoolExecutor,
        files: Files,
        identity: bytes,
        journal: SegmentChain,
        clock_ms: ClockMs,
        syncs: Syncs | None,
        appended: Appended,
    ) -> None:
        self.identity = identity
        self.journal = journal
        self._loop = loop
        self._threads = threads
        self._files = files
        self._appended = appended
        self._clock_ms = clock_ms
        self._turns = WriterTurns(journal)
        self._syncs = syncs
        self._shortcut = Shortcut(journal, self._turns, syncs) if syncs is not None else None
        self._held: list[Job] = []  # jobs that wait until the short way is idle
        self._at_writer = 0  # jobs that its thread has
        self._ended: deque[tuple[int, list[AppendOutcome]]] = deque()
        self._since_ms: deque[int] = deque()  # one for each partition of each append in flight
        self._late: list[Append] | None = None  # appends that came while closing
        self._space_trouble = ""
        self.is_gone = False  # its files were deleted while they were in use
        self._verified_ms = clock_ms() - _VERIFY_EVERY_MS
        self._preparing = False
        self._mark_timer: asyncio.TimerHandle | None = None
        self._wake_up = WakeUp(blocking=False)
        loop.add_reader(self._wake_up.fd, self._take_results)
        if syncs is not None:
            loop.add_reader(syncs.fd, self._take_sync)
        self._writer = WriterThread(self._turns, self._turn_ended)

    async def in_thread(self, call: Callable[[], T]) -> T:
        return await self._loop.run_in_executor(self._threads, call)

    def submit(self, job: Append | Restart) -> None:
        if isinstance(job, Append):
            if self._late is not None:
                self._late.append(job)
                return
            self._since_ms.extend([self._clock_ms()] * len(job.batch))
            shortcut = self._shortcut
            if shortcut is not None and not self._at_writer:
                with FORESEEN:
                    if shortcut.take((job,)):
                        return
        self._hand_over(job)

    def _hand_over(self, job: Job) -> None:
        """Hand a job to the writer's thread once the short way is idle: only one of them may
        write."""
        if self._shortcut is not None and self._shortcut.is_busy:
            self._held.append(job)
        else:
            self._at_writer += 1
            self._writer.submit(job)

    def _turn_ended(self, job_count: int, outcomes: list[AppendOutcome]) -> None:
        """Called by the writer's thread."""
        self._ended.append((job_count, outcomes))
        self._wake_up.wake()

    def _take_results(self) -> None:
        self._wake_up.take()
        while self._ended:
            job_count, outcomes = self._ended.popleft()
            self._at_writer -= job_count
            self._answer(outcomes)
        self._see_to_files()

    def _take_sync(self) -> None:
        assert self._shortcut is not None
        with FORESEEN:
            ended = self._shortcut.end()
        if isinstance(ended, Unsynced):
            self._hand_over(ended)
            ended = []
        held, self._held = self._held, []
        if held and not self._take_together(held):
            for job in held:
                self._hand_over(job)
        self._answer(ended)
        self._see_to_files()

    def _take_together(self, held: list[Job]) -> bool:
        """Appends that came during a sync take the short way, too, in one write."""
        assert self._shortcut is not None
        appends = [job for job in held if isinstance(job, Append)]
        if self._at_writer or len(appends) < len(held):
            return False
        with FORESEEN:
            return self._shortcut.take(appends)

    def _mark_soon(self) -> None:
        self._mark_timer = None
        if self._late is None:
            self._threads.submit(self._mark)

    def _mark(self) -> None:
        try:
            self.journal.mark()
        except OSError as error:
            _LOG.warning("how far the log is durable could not be noted: %s", error)

    def _answer(self, outcomes: list[AppendOutcome]) -> None:
        for done, partition, first, values, error in outcomes:
            self._since_ms.popleft()
            done(partition, first, len(values), error)
            if error is None:
                self._appended(partition, first, values)

    def _see_to_files(self) -> None:
        """After appends: start what the other threads have to do."""
        if self._late is not None:
            return
        if self._mark_timer is None:
            self._mark_timer = self._loop.call_later(_MARK_AFTER_S, self._mark_soon)
        if not self._preparing and self.journal.wants_spare():
            self._preparing = True
            self._threads.submit(self._prepare)

    def _prepare(self) -> None:
        try:
            self.journal.prepare()
        except OSError as error:
            _LOG.warning("no spare segment could be made: %s", error)
        finally:
            self._loop.call_soon_threadsafe(self._prepared)

    def _prepared(self) -> None:
        self._preparing = False

    def drop(self) -> None:
        self._threads.submit(self._drop)

    def _drop(self) -> None:
        try:
            self.journal.drop()
        except OSError as error:
            _LOG.warning("a segment that is no longer needed could not be deleted: %s", error)

    def oldest_ms(self) -> int:
        return self._clock_ms() - self._since_ms[0] if self._since_ms else 0

    def trouble(self) -> str:
        """Why no new work should be let in, or nothing; asks for a repair when there is one."""
        standing = self._turns.standing
        if self._clock_ms() - self._verified_ms >= _VERIFY_EVERY_MS:
            self._verified_ms = self._clock_ms()
            self._space_trouble = self._look_at_space()
            self.is_gone = self.is_gone or not self._is_in_place()
            if standing.reason and not standing.corrupt and self._late is None:
                self._hand_over(Mend())
        return standing.reason or self._space_trouble

    def _is_in_place(self) -> bool:
        try:
            return self.journal.is_in_place()
        except FileNotFoundError:
            return False
        except OSError:
            return True  # an error here proves nothing

    def _look_at_space(self) -> str:
        try:
            return "the device has little space left" if self.journal.below_reserve() else ""
        except OSError as error:
            return f"the free space of the device cannot be seen: {error}"

    async def close(self) -> None:
        if self._late is not None:
            return
        self._late = []
        if self._mark_timer is not None:
            self._mark_timer.cancel()
        if self._syncs is not None and self._shortcut is not None:
            # Only one may wait for the sync: if the loop took its end, a thread would wait for
            # ever.
            self._loop.remove_reader(self._syncs.fd)
            while self._shortcut.is_busy:  # appends that came meanwhile take the short way next
                await asyncio.to_thread(self._syncs.wait)
                self._take_sync()
        await asyncio.to_thread(self._writer.stop)
        await asyncio.to_thread(self._threads.shutdown)
        self._loop.remove_reader(self._wake_up.fd)
        self._take_last_results()
        if self._syncs is not None:
            self._syncs.close()
        self._wake_up.close()
        self.journal.close()
        self._files.unlock()

    def _take_last_results(self) -> None:
        self._preparing = True
        self._take_results()
        for job in self._late or []:
            for done, partition, first, values, error in refusals(job, "the log is closed"):
                done(partition, first, len(values), error)
