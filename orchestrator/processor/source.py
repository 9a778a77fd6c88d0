"""A partition as its attempts see it, for one term of leadership."""

from collections.abc import Callable

from orchestrator.codec.keys import object_key
from orchestrator.invoker.port import AttemptInput, JournalPlace
from orchestrator.machine import kv
from orchestrator.machine.inputs import whole_invoke
from orchestrator.model.limits import STATE_SENT_COUNT_MAX
from orchestrator.model.records import Ended, Journal
from orchestrator.model.values import INVOKED
from orchestrator.processor import journal_limit, state_limit
from orchestrator.processor.journal import read_journal
from orchestrator.processor.journal_limit import JournalLimits
from orchestrator.processor.state_limit import READS, Yield, what_is_read
from orchestrator.processor.too_large import paused_instead
from orchestrator.store.port import StoreError
from orchestrator.tables.state import State


class AttemptSource:
    """Hands out what an attempt replays, and numbers attempts so that no two are confused.

    An attempt starts only when everything that an earlier attempt proposed has been applied: until
    then it is held, and `settled` starts it. If the store fails under a read, `lost` is called and
    the next term begins the attempt again.
    """

    __slots__ = (
        "_began_at_ms",
        "_bytes_max",
        "_entries_max",
        "_held",
        "_limits",
        "_lost",
        "_now_ms",
        "_numbers",
        "_propose",
        "_refused",
        "_row_of",
        "_start",
        "_state",
        "_unapplied",
        "epoch",
        "is_over",
    )

    def __init__(
        self,
        state: State,
        epoch: int,
        propose: Callable[..., None],
        start: Callable[[bytes, int], None],
        lost: Callable[[StoreError], None],
        limits: JournalLimits,
        refused: Callable[[Journal], None],
        now_ms: Callable[[], int],
    ) -> None:
        self.epoch = epoch
        self.is_over = False
        self._state = state
        self._row_of = state.invocations.get
        self._propose = propose
        self._start = start
        self._lost = lost
        self._limits = limits
        self._entries_max, self._bytes_max = limits.entries_max, limits.bytes_max
        self._refused = refused
        self._now_ms = now_ms
        self._began_at_ms = now_ms()
        self._numbers: dict[bytes, int] = {}  # the number the last attempt got
        self._unapplied: dict[bytes, int] = {}  # proposals not applied yet
        self._held: dict[bytes, int] = {}

    def attempt_input(self, invocation_id: bytes, incarnation: int) -> AttemptInput | None:
        if self.is_over:
            return None
        try:
            return self._input(invocation_id, incarnation)
        except StoreError as error:
            self._lost(error)
            return None

    def _input(self, invocation_id: bytes, incarnation: int) -> AttemptInput | None:
        row = self._row_of(invocation_id)
        if row is None or row.incarnation != incarnation or row.status != INVOKED:
            return None
        if invocation_id in self._unapplied:
            self._held[invocation_id] = incarnation
            return None
        number = row.attempt
        last = self._numbers.get(invocation_id)
        if last is not None and last >= number:
            number = last + 1
        return AttemptInput(
            whole_invoke(self._state, row),
            incarnation,
            self.epoch,
            number,
            row.deployment,
            row.protocol,
            JournalPlace(row.chunk_count, len(row.tail)),
            row.journal_bytes,
            row.entries,
            row.commands,
            row.retry_count,
            row.failures_since_entry,
            row.trying_since_ms,
            row.pause_requested,
            row.invoke.created_at_ms < self._began_at_ms,
        )

    def begins(self, invocation_id: bytes, attempt: int) -> None:
        self._numbers[invocation_id] = attempt

    def entries_from(
        self,
        invocation_id: bytes,
        incarnation: int,
        place: JournalPlace,
        end: JournalPlace | None,
        bytes_max: int,
    ) -> tuple[list[bytes], JournalPlace] | None:
        try:
            row = self._row_of(invocation_id)
            if self.is_over or row is None or row.incarnation != incarnation:
                return None
            return read_journal(self._state, row, place, end, bytes_max)
        except StoreError as error:
            self._lost(error)
            return None

    def state_of(
        self, invocation_id: bytes, bytes_max: int
    ) -> tuple[list[tuple[bytes, bytes]], bool]:
        try:
            return self._pairs(invocation_id, bytes_max)
        except StoreError as error:
            self._lost(error)
            return [], False

    def _pairs(
        self, invocation_id: bytes, bytes_max: int
    ) -> tuple[list[tuple[bytes, bytes]], bool]:
        row = self._row_of(invocation_id)
        if row is None:
            return [], False
        owner = self._state.objects.get(object_key(row.invoke.service, row.invoke.key))
        if owner is None or 0 < owner.expires_at_ms <= self._now_ms():
            return [], True
        taken: list[tuple[bytes, bytes]] = []
        for key, value in kv.pairs(self._state, owner):
            bytes_max -= len(key) + len(value)
            if bytes_max < 0 or len(taken) >= STATE_SENT_COUNT_MAX:
                return taken, False
            taken.append((key, value))
        return taken, True

    def propose(self, record: Journal) -> None:
        if self.is_over or record.epoch != self.epoch:
            return
        invocation_id, unapplied = record.id, self._unapplied
        unapplied[invocation_id] = unapplied.get(invocation_id, 0) + 1
        more = None
        if record.entries and (type(record.end) is not Ended or len(record.effects) > 1):
            record, more = self._checked(record)
        if more is None:
            self._propose(record)
        else:
            self._propose(record, None, more)

    def _checked(self, record: Journal) -> tuple[Journal, Yield | None]:
        """The record, or one that pauses the invocation instead; and what it reads."""
        try:
            row = self._row_of(record.id)
            if row is None:
                return record, None
            if type(record.end) is not Ended and (  # what ends it adds no more
                row.entries + record.entries > self._entries_max
                or row.journal_bytes + len(record.frames) > self._bytes_max
            ):
                reason = self._limits.refusal(row, record)
                return self._paused_if(reason, journal_limit.CODE, record), None
            if READS.isdisjoint(map(type, record.effects)):
                return record, None
            reason, more = what_is_read(self._state, row, record.effects)
            return self._paused_if(reason, state_limit.CODE, record), more
        except StoreError:  # applying the record fails in the same way
            return record, None

    def _paused_if(self, reason: str, code: str, record: Journal) -> Journal:
        """The record; with a reason, one that pauses the invocation instead."""
        if not reason:
            return record
        self._refused(record)
        return paused_instead(record, reason, code)

    def settled(self, record: Journal) -> None:
        """A proposal has been applied."""
        if record.epoch != self.epoch:
            return
        unapplied = self._unapplied
        invocation_id = record.id
        if record.end is not None:  # state numbers the next attempt higher than this one
            self._numbers.pop(invocation_id, None)
        left = unapplied.pop(invocation_id, 1) - 1
        if left:
            unapplied[invocation_id] = left
        elif invocation_id in self._held:
            incarnation = self._held.pop(invocation_id)
            row = self._row_of(invocation_id)
            if row is None or not row.retry_at_ms:  # else it starts when its backoff is over
                self._start(invocation_id, incarnation)

    def over(self, invocation_id: bytes) -> None:
        """The invocation is over: an id that lives again is another incarnation."""
        self._numbers.pop(invocation_id, None)
        self._held.pop(invocation_id, None)
