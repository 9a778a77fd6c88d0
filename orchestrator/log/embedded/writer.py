"""The thread that writes the embedded log: takes all that waits, one write and one sync for it."""

import logging
import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from orchestrator.log.embedded.segment_chain import SegmentChain, Written
from orchestrator.log.port import AppendError, Batch, Done, LogCorrupt
from orchestrator.model.operating import EXIT_CODE
from orchestrator.runtime.wake_up import WakeUp

TURN_BYTES_MAX: Final = 16 << 20
"""Appends beyond this wait for the next turn, so that one write does not take seconds."""

_LOG = logging.getLogger("perdure.log")
_BEHIND_UNKNOWN: Final = AppendError("an earlier append is of unknown fate", refused=True)


class Append(NamedTuple):
    """An append and its callback; with a reason it is refused, in its turn."""

    batch: Batch
    bytes_count: int
    done: Done
    refused: str = ""


class Restart(NamedTuple):
    """Let appends to a partition through again after one of unknown fate."""

    partition: int


class Mend(NamedTuple):
    """Try to get out of the last failure though nothing is to be appended."""


class Unsynced(NamedTuple):
    """Appends that were written together, and whose sync has failed."""

    appends: Sequence[Append]
    written: Written


Job = Append | Restart | Mend | Unsynced
AppendOutcome = tuple[Done, int, int, Sequence[bytes], AppendError | None]
"""(callback, partition, first offset or -1, the messages, why not)"""


def refusals(job: Append, reason: str) -> list[AppendOutcome]:
    """The outcomes of an append that was certainly not written."""
    error = AppendError(reason, refused=True)
    return [(job.done, number, -1, values, error) for number, values in job.batch]


class Standing(NamedTuple):
    """Health of the log after the last turn; the reason is empty when it could be written."""

    reason: str
    corrupt: bool


class WriterTurns:
    """What the thread does, without the thread; runs where it is called."""

    def __init__(self, journal: SegmentChain) -> None:
        self._journal = journal
        self._unknown: set[int] = set()
        self.standing = Standing("", False)

    @property
    def is_calm(self) -> bool:
        """Whether no earlier append failed, so that the next one can take the short way."""
        return not self._unknown and not self.standing.reason

    def run(self, jobs: list[Job]) -> list[AppendOutcome]:
        """Do the jobs in order; appends in a row are written together."""
        outcomes: list[AppendOutcome] = []
        together: list[Append] = []
        size = 0
        for job in jobs:
            if isinstance(job, Append) and not job.refused:
                if size + job.bytes_count > TURN_BYTES_MAX:
                    outcomes += self._write(together)
                    together, size = [], 0
                together.append(job)
                size += job.bytes_count
                continue
            outcomes += self._write(together)
            together, size = [], 0
            if isinstance(job, Append):
                outcomes += refusals(job, job.refused)
            elif isinstance(job, Unsynced):
                outcomes += self._rescue(job)
            else:
                self._serve(job)
        return outcomes + self._write(together)

    def _serve(self, job: Restart | Mend) -> None:
        if isinstance(job, Restart):
            self._unknown.discard(job.partition)
            return
        try:
            self._journal.mend()
            self.standing = Standing("", False)
        except (AppendError, LogCorrupt) as error:
            self._note(error)

    def _rescue(self, job: Unsynced) -> list[AppendOutcome]:
        asked = [(one.done, number, values) for one in job.appends for number, values in one.batch]
        return self._judge(asked, *self._try(lambda: self._journal.rescue(job.written)))

    def _write(self, together: list[Append]) -> list[AppendOutcome]:
        """Write what may be written; an outcome for each partition of each append, in order."""
        if not together:
            return []
        unknown = self._unknown
        asked = [(job.done, number, values) for job in together for number, values in job.batch]
        admitted = [(number, values) for _, number, values in asked if number not in unknown]
        firsts, error = self._try(lambda: self._journal.write(admitted)) if admitted else ([], None)
        if error is None and not unknown:
            return [
                (done, number, first, values, None)
                for (done, number, values), first in zip(asked, firsts, strict=True)
            ]
        return self._judge(asked, firsts, error)

    def _judge(
        self,
        asked: list[tuple[Done, int, Sequence[bytes]]],
        firsts: list[int],
        error: AppendError | None,
    ) -> list[AppendOutcome]:
        """The outcomes when some were not admitted or nothing could be written."""
        outcomes: list[AppendOutcome] = []
        offsets = iter(firsts)
        failed: set[int] = set()
        for done, number, values in asked:
            if number in self._unknown:
                outcomes.append((done, number, -1, values, _BEHIND_UNKNOWN))
            elif error is not None:
                outcomes.append((done, number, -1, values, error))
                failed.add(number)
            else:
                outcomes.append((done, number, next(offsets), values, None))
        if error is not None and not error.refused:
            self._unknown |= failed
        return outcomes

    def _try(self, put: Callable[[], list[int]]) -> tuple[list[int], AppendError | None]:
        """The first offset of each append that was put, or why not."""
        try:
            firsts = put()
        except AppendError as error:
            self._note(error)
            return [], error
        except LogCorrupt as error:
            self._note(error)
            return [], AppendError(str(error), refused=False)
        if self.standing.reason:
            self.standing = Standing("", False)
        return firsts, None

    def _note(self, error: AppendError | LogCorrupt) -> None:
        self.standing = Standing(str(error), isinstance(error, LogCorrupt))


class Foreseen:
    """Any unexpected error in here ends the process: after a bug, or without memory, the content
    of the file is unknown, and the next start reads it."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: object, raised: BaseException | None, __: object) -> None:
        if isinstance(raised, Exception):
            try:
                _LOG.critical("PD0107 the log cannot be written any more: ending", exc_info=raised)
            finally:
                os._exit(EXIT_CODE)


FORESEEN: Final = Foreseen()


class WriterThread:
    """Runs turns in a thread of its own; `deliver` is called there after each, with how many jobs
    it did."""

    def __init__(
        self, turns: WriterTurns, deliver: Callable[[int, list[AppendOutcome]], None]
    ) -> None:
        self._turns = turns
        self._deliver = deliver
        self._wake_up = WakeUp(blocking=True)
        self._jobs: deque[Job] = deque()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)
        self._thread.start()

    def submit(self, job: Job) -> None:
        self._jobs.append(job)
        self._wake_up.wake()

    def stop(self) -> None:
        """Do what was submitted, then end; waits for it."""
        self._stopping = True
        self._wake_up.wake()
        self._thread.join()
        self._wake_up.close()

    def _run(self) -> None:
        with FORESEEN:
            self._take_turns()

    def _take_turns(self) -> None:
        while True:
            self._wake_up.take()
            stopping = self._stopping
            jobs = [self._jobs.popleft() for _ in range(len(self._jobs))]
            if jobs:
                self._deliver(len(jobs), self._turns.run(jobs))
            del jobs  # they hold their messages, and the next ones may be a long time coming
            if stopping:
                return
