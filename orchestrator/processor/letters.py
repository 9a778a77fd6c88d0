"""Forgets dead letters that were kept for long enough: one bounded record at a time."""

from collections.abc import Callable

from orchestrator.model.records import AnyRecord
from orchestrator.model.topic_records import PurgeDeadLetters
from orchestrator.processor.expiry import ExpiryClock
from orchestrator.tables.state import State


class LetterPurge:
    """Of one partition, for one term. `go_on` calls `purge` soon."""

    def __init__(
        self,
        state: State,
        epoch: int,
        expiry: ExpiryClock,
        kept_ms: int,
        propose: Callable[[AnyRecord], None],
        go_on: Callable[[], None],
    ) -> None:
        self._state = state
        self._epoch = epoch
        self._expiry = expiry
        self._kept_ms = kept_ms
        self._propose = propose
        self._go_on = go_on
        self._is_purging = False

    def purge(self) -> bool:
        """Propose to forget the oldest, if they are due; what is left goes when that is applied."""
        oldest = next(self._state.letters.scan(), None)
        if self._is_purging or oldest is None:
            return False
        now_ms = self._expiry.now_ms()
        before_ms = now_ms - self._kept_ms
        if oldest[1].letter.now_ms < before_ms:
            self._is_purging = True
            self._propose(PurgeDeadLetters(self._epoch, now_ms, before_ms))
        return False

    def purged(self, record: PurgeDeadLetters) -> None:
        """An own record has been applied."""
        self._is_purging = False
        self._go_on()
