"""Mutants of the table of paths: each breaks what makes one of them exactly once.

A mutant is the engine with something else in the place of one of its parts. The product has no
switch for any of this.
"""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import msgspec

from orchestrator.machine import (
    apply,
    items,
    life,
    recover,
)
from orchestrator.machine.step import Step
from orchestrator.model.actions import ArmRetry, SendOutbox, StartAttempt
from orchestrator.model.answers import Answer
from orchestrator.model.invoke import Invoke
from orchestrator.model.records import (
    AnnounceLeader,
    Journal,
    TimersFired,
    Transfer,
)
from orchestrator.outbox import sender
from orchestrator.processor import reading, waiters
from orchestrator.processor.partition import Partition
from orchestrator.processor.port import Accepted
from orchestrator.processor.seat import Seat
from orchestrator.processor.seat_states import Leading
from orchestrator.processor.source import AttemptSource
from orchestrator.processor.unknown_fates import UnknownFates
from orchestrator.store.stamp import Stamp
from orchestrator.timers.queue import TimerQueue
from tests.simulation.mutation import (
    Patch,
    apply_otherwise,
    forget_recovered,
    mutant,
    with_any_epoch,
)

# --- log to state ---


@mutant
def rows_without_their_offset(patch: Patch) -> None:
    """Rows are written now, the offset they stand for with the next spill."""
    spill = Partition.spill
    counts: dict[int, int] = {}

    def half(self: Partition) -> None:
        counts[self.number] = counts.get(self.number, 0) + 1
        if counts[self.number] % 2:
            spill(self)
            return
        writes: list[tuple[bytes, bytes | None]] = []
        for table in self.state.tables:
            table.drain(writes)
        self._store.inner.write(writes)

    patch.set(Partition, "spill", half)


@mutant
def any_store_fits(patch: Patch) -> None:
    """A store is used whatever log it stands for."""
    patch.set(reading, "_may_fit", lambda *args: True)
    patch.set(reading.Reading, "_verify", lambda self, message, stamp: None)


@mutant
def the_hash_is_not_compared(patch: Patch) -> None:
    """The log lost its tail and grew again: the store does not notice."""
    patch.set(reading.Reading, "_verify", lambda self, message, stamp: None)


@mutant
def a_stamp_is_older_than_its_rows(patch: Patch) -> None:
    """A restart applies the last message once more."""

    def opened(number: int, count: int, store: Any, stamp: Stamp, *more: Any) -> Any:
        partition = before(number, count, store, stamp, *more)
        if partition is not None and stamp.last_offset >= 0:
            partition.next_offset = stamp.last_offset
        assert partition is None or isinstance(partition, Partition)
        return partition

    before = patch.set(reading, "_opened", opened)


# --- client to log ---


@mutant
def accepted_for_duplicates(patch: Patch) -> None:
    def make(before: Any) -> Any:
        def applied(step: Step, invoke: Invoke) -> Answer:
            before(step, invoke)
            return Answer.DONE

        return applied

    apply_otherwise(patch, Invoke, make)


@mutant
def accepted_before_the_log_has_it(patch: Patch) -> None:
    before = Seat.propose

    def propose(self: Seat, record: Any, waiter: Any = None, more: Any = None) -> None:
        before(self, record, waiter, more)
        if isinstance(waiter, waiters.InvokeWaiter):
            waiter.reply(Accepted(False))

    patch.set(Seat, "propose", propose)


@mutant
def unknown_fate_is_called_refused(patch: Patch) -> None:
    """503 for what may be in the log."""

    def refused(self: UnknownFates, append: Any, next_offset: int) -> None:
        for proposal in append.proposals:
            if proposal.waiter is not None:
                proposal.waiter.failed("try again", False)

    patch.set(UnknownFates, "add_append", refused)


@mutant
def request_ids_are_forgotten(patch: Patch) -> None:
    patch.set(life, "REQUEST_DEDUPE_MS", 0)


@mutant
def completed_ids_start_anew(patch: Patch) -> None:
    def make(before: Any) -> Any:
        def applied(step: Step, invoke: Invoke) -> Any:
            done = step.state.completed.get(invoke.id)
            if done is not None:
                life.purge(step, done)
            return before(step, invoke)

        return applied

    apply_otherwise(patch, Invoke, make)


# --- partition to partition ---


def _transfer(patch: Patch, skips: Callable[[int, int], bool]) -> None:
    def applied(step: Step, transfer: Transfer) -> Answer:
        inbound = step.state.partition_row.inbound
        for number, item in enumerate(transfer.items, transfer.first):
            if skips(number, inbound.get(transfer.source, 0)):
                continue
            inbound[transfer.source] = max(number, inbound.get(transfer.source, 0))
            step.now_ms = item.created_at_ms if isinstance(item, Invoke) else item.now_ms
            items.apply_item(step, item)
        return Answer.DONE

    patch.item(apply._TABLE, Transfer, applied)


@mutant
def transfers_may_leave_gaps(patch: Patch) -> None:
    """`>` in place of exactly the next one."""
    _transfer(patch, lambda number, last: number <= last)


@mutant
def transfers_are_applied_again(patch: Patch) -> None:
    _transfer(patch, lambda number, last: False)


@mutant
def the_outbox_goes_on_after_what_it_gave(patch: Patch) -> None:
    """A new leader sends from the last row given, not from the first not acknowledged."""

    def send(self: Any, number: int) -> None:
        if number not in self._sending:
            given = self._rows.lane(number).given
            self._sending[number] = sender._Sending(max(0, given - 1))
        before(self, number)

    before = patch.set(sender.OutboxSender, "send", send)


@mutant
def a_failed_transfer_counts_as_taken(patch: Patch) -> None:
    def failed(self: Any, reason: str, kept: bool) -> None:
        self.settled(True)

    def look(self: Any, state: Any, results: Any, since_offset: int) -> None:
        self.settled(True)

    patch.set(waiters.TransferWaiter, "failed", failed)
    patch.set(waiters.TransferWaiter, "resolve_unknown", look)


@mutant
def the_outbox_is_not_recovered(patch: Patch) -> None:
    forget_recovered(patch, SendOutbox)


@mutant
def the_outbox_is_sent_for_ever(patch: Patch) -> None:
    """What was taken is never known to be."""

    def settled(self: Any, number: int, sending: Any, upto: int) -> None:
        before(self, number, sending, 0)

    before = patch.set(sender.OutboxSender, "_settled", settled)


@mutant
def the_outbox_is_trimmed_before_it_is_taken(patch: Patch) -> None:
    def send(self: Any, number: int, sending: Any) -> None:
        before(self, number, sending)
        if sending.is_busy:
            self._advance(((number, self._rows.lane(number).given),))

    before = patch.set(sender.OutboxSender, "_send_next", send)


# --- attempt to journal ---


def _journal(patch: Patch, change: Callable[[Step, Journal], Journal]) -> None:
    def make(before: Any) -> Any:
        return lambda step, record: before(step, change(step, record))

    apply_otherwise(patch, Journal, make)


@mutant
def attempts_are_not_told_apart(patch: Patch) -> None:
    def change(step: Step, record: Journal) -> Journal:
        row = step.state.invocations.get(record.id)
        attempt = record.attempt if row is None else max(record.attempt, row.attempt)
        return msgspec.structs.replace(record, attempt=attempt)

    _journal(patch, change)


@mutant
def journals_of_another_incarnation_count(patch: Patch) -> None:
    def change(step: Step, record: Journal) -> Journal:
        row = step.state.invocations.get(record.id)
        incarnation = record.incarnation if row is None else row.incarnation
        return msgspec.structs.replace(record, incarnation=incarnation)

    _journal(patch, change)


@mutant
def journals_of_another_epoch_count(patch: Patch) -> None:
    apply_otherwise(patch, Journal, with_any_epoch)


@mutant
def attempts_do_not_wait_for_earlier_ones(patch: Patch) -> None:
    def given(self: AttemptSource, invocation_id: bytes, incarnation: int) -> Any:
        self._unapplied.pop(invocation_id, None)
        return before(self, invocation_id, incarnation)

    before = patch.set(AttemptSource, "attempt_input", given)


@mutant
def a_recovery_forgets_the_backoff(patch: Patch) -> None:
    def owed(invocation_id: bytes, row: Any) -> Any:
        return StartAttempt(invocation_id, row.incarnation)

    patch.set(recover, "_owed", owed)


@mutant
def attempts_are_not_recovered(patch: Patch) -> None:
    forget_recovered(patch, StartAttempt, ArmRetry)


@mutant
def a_recovery_ends_with_its_first_page(patch: Patch) -> None:
    def turn_page(self: recover.Recovery) -> None:
        before(self)
        self._has_rows = False

    before = patch.set(recover.Recovery, "_turn_page", turn_page)


@mutant
def a_load_of_timers_does_not_go_on(patch: Patch) -> None:
    """Those past the first part of a window wait for another leader."""

    def load(
        self: TimerQueue, now_ms: int, monotonic_ms: int, keys: Iterator[bytes], count_max: int
    ) -> bool:
        before(self, now_ms, monotonic_ms, islice(keys, count_max), count_max)
        return False

    before = patch.set(TimerQueue, "load", load)


# --- leadership ---


@mutant
def any_announcement_is_accepted(patch: Patch) -> None:
    def make(before: Any) -> Any:
        def applied(step: Step, announce: AnnounceLeader) -> Answer:
            seen = step.state.partition_row.epoch
            answer: Answer = before(step, msgspec.structs.replace(announce, epoch_seen=seen))
            return answer

        return applied

    apply_otherwise(patch, AnnounceLeader, make)


@mutant
def it_leads_before_its_announcement_is_accepted(patch: Patch) -> None:
    from orchestrator.processor.leadership import Leadership

    patch.set(Leadership, "_is_own_epoch", lambda self: self._seat.partition is not None)


@mutant
def a_replaced_leader_goes_on(patch: Patch) -> None:
    """It never sees another epoch, and its proposals are taken."""
    patch.set(Seat, "_still_leads", lambda self: self.term is not None)
    apply_otherwise(patch, Journal, with_any_epoch)
    apply_otherwise(patch, TimersFired, with_any_epoch)


@mutant
def what_the_tail_shows_is_not_looked_at(patch: Patch) -> None:
    """What others wrote waits until the leader's own appends meet it."""
    patch.set(Leading, "note_end", lambda self, heard_to: False)


@mutant
def what_comes_back_is_taken_for_others(patch: Patch) -> None:
    """An own message that the tail shows before it is acknowledged is applied twice."""

    def heard(self: Leading, heard_to: int) -> bool:
        self.heard_to = heard_to
        return self.is_behind and not self.is_reading

    patch.set(Leading, "note_end", heard)
