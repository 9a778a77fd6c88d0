"""The short way of an append: written on the event loop, synced by the system, no thread between.

A write into the page cache takes microseconds, the sync after it a hundred times as long. If the
system syncs asynchronously, no thread has to wait for the sync, which saves two hand-overs of the
interpreter. Everything unusual goes to the writer's thread.
"""

from collections.abc import Sequence
from typing import Final

from orchestrator.log.embedded.segment_chain import SegmentChain
from orchestrator.log.embedded.syncs import Syncs
from orchestrator.log.embedded.writer import Append, AppendOutcome, Unsynced, WriterTurns

SHORT_BYTES_MAX: Final = 256 << 10
"""More than this is copied by the thread: it would be felt on the event loop."""


class Shortcut:
    """One write at a time; only used while the writer's thread has nothing to do."""

    def __init__(self, journal: SegmentChain, turns: WriterTurns, syncs: Syncs) -> None:
        self._journal = journal
        self._turns = turns
        self._syncs = syncs
        self._unsynced: Unsynced | None = None
        self._is_open = True

    @property
    def is_busy(self) -> bool:
        return self._unsynced is not None

    def take(self, jobs: Sequence[Append]) -> bool:
        """Write them together and begin the sync. False: nothing was written, and the writer's
        thread has to take them."""
        if self._unsynced is not None or not self._is_open or not self._turns.is_calm:
            return False
        bytes_count = 0
        for job in jobs:
            bytes_count += job.bytes_count
            if job.refused or bytes_count > SHORT_BYTES_MAX:
                return False
        batch = jobs[0].batch if len(jobs) == 1 else [pair for job in jobs for pair in job.batch]
        written = self._journal.begin(batch)
        if written is None:
            return False
        self._is_open = self._syncs.begin(self._journal.tail_file)
        if not self._is_open:
            return False
        self._unsynced = Unsynced(jobs, written)
        return True

    def end(self) -> list[AppendOutcome] | Unsynced:
        """The sync is over: what became of the appends, or what the writer's thread must rescue."""
        unsynced, self._unsynced = self._unsynced, None
        assert unsynced is not None, "a sync ended that was not begun"
        try:
            self._syncs.end()
        except OSError:
            return unsynced
        firsts = iter(self._journal.keep(unsynced.written))
        return [
            (job.done, number, next(firsts), values, None)
            for job in unsynced.appends
            for number, values in job.batch
        ]
