"""Mutants of the embedded log: what is not durable is acknowledged, what is gone not missed."""

import contextlib
from typing import Any

from orchestrator.log.embedded import recovery
from orchestrator.log.embedded.durable_mark import DurableMark
from orchestrator.log.embedded.segment_chain import SegmentChain, Written
from orchestrator.log.embedded.shortcut import Shortcut
from tests.simulation.mutation import Patch, mutant


@mutant
def a_sync_is_not_waited_for(patch: Patch) -> None:
    """An append counts once it is in the page cache."""

    class Believing:
        def __init__(self, syncs: Any) -> None:
            self._syncs = syncs

        def begin(self, file: Any) -> bool:
            return True

        def end(self) -> None:
            pass

    def made(self: Shortcut, journal: Any, turns: Any, syncs: Any) -> None:
        before(self, journal, turns, Believing(syncs))

    before = patch.set(Shortcut, "__init__", made)


@mutant
def a_failed_sync_is_believed(patch: Patch) -> None:
    """What the system says of a sync is not looked at."""

    def end(self: Shortcut) -> Any:
        ended = before(self)
        if isinstance(ended, list):
            return ended
        firsts = iter(self._journal.keep(ended.written))
        return [
            (job.done, number, next(firsts), values, None)
            for job in ended.appends
            for number, values in job.batch
        ]

    before = patch.set(Shortcut, "end", end)


@mutant
def a_lost_tail_is_not_missed(patch: Patch) -> None:
    """How far the log was durable is written down and never looked at."""
    patch.set(recovery, "_refuse_lost_tail", lambda end, known_durable: None)


@mutant
def the_durable_mark_is_set_now_and_then(patch: Patch) -> None:
    """What was acknowledged since, and is gone, is not missed after a kill."""
    patch.set(DurableMark, "note", lambda self, position: None)


@mutant
def the_durable_mark_runs_ahead(patch: Patch) -> None:
    """It is set to where a write will end, before it is synced."""

    def begin(self: SegmentChain, appends: Any) -> Any:
        written = before(self, appends)
        if written is not None:
            with contextlib.suppress(OSError):
                self._mark.set(self._segments[-1].end + written.bytes_count)
        return written

    before = patch.set(SegmentChain, "begin", begin)


@mutant
def a_failed_sync_is_tried_again(patch: Patch) -> None:
    """On the same file, whose pages are not dirty any more."""

    def rescue(self: SegmentChain, written: Written) -> list[int]:
        self.tail_file.sync()
        return self.keep(written)

    patch.set(SegmentChain, "rescue", rescue)
