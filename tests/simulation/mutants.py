"""Mutants: the engine with one rule broken, made here by putting something else in its place.

Each names the row of the table, or the rule, of the design that it breaks. The product has no
switch for any of this.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import msgspec

from orchestrator.codec import records as codec_records
from orchestrator.codec.records import decode_message
from orchestrator.invoker.attempt import Attempt
from orchestrator.log.port import AppendError
from orchestrator.machine import (
    apply,
    apply_timers,
    items,
    journal,
    kv,
    life,
    objects,
    recover,
)
from orchestrator.machine.entries import promises
from orchestrator.machine.step import Step
from orchestrator.model.actions import ArmRetry, StartAttempt
from orchestrator.model.answers import Answer
from orchestrator.model.effects import RunResult
from orchestrator.model.invoke import Invoke
from orchestrator.model.records import (
    AnnounceLeader,
    Completion,
    Journal,
    PurgeExpired,
    TimersFired,
    Transfer,
)
from orchestrator.model.rows import EVENT_FAILED, Event
from orchestrator.outbox import sender
from orchestrator.processor import reading, term, waiters
from orchestrator.processor.partition import Partition
from orchestrator.processor.seat import Seat
from orchestrator.processor.source import AttemptSource
from orchestrator.store.stamp import Stamp
from orchestrator.timers.queue import TimerQueue
from tests.simulation.mutation import MUTANTS, Patch, mutant, mutated

HASHED = ("sets_are_not_sorted",)  # found by the digests of two PYTHONHASHSEEDs only


def _apply(patch: Patch, kind: type, make: Callable[[Any], Any]) -> None:
    """Replace how records of a kind are applied; `make` is given how it was."""
    patch.item(apply._TABLE, kind, make(apply._TABLE[kind]))


def _with_epoch(before: Any) -> Any:
    """Every proposal counts, whatever its epoch."""

    def applied(step: Step, record: Any) -> Any:
        epoch = step.state.partition_row.epoch
        return before(step, msgspec.structs.replace(record, epoch=epoch))

    return applied


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
        for table in self.state._tables:
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

    def opened(number: int, count: int, store: Any, stamp: Stamp) -> Partition | None:
        partition = before(number, count, store, stamp)
        if partition is not None and stamp.last_offset >= 0:
            partition.next_offset = stamp.last_offset
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

    _apply(patch, Invoke, make)


@mutant
def accepted_before_the_log_has_it(patch: Patch) -> None:
    before = Seat.propose

    def propose(self: Seat, record: Any, waiter: Any = None) -> None:
        before(self, record, waiter)
        if isinstance(waiter, waiters.InvokeWaiter):
            waiter.reply(waiters.Accepted(False))

    patch.set(Seat, "propose", propose)


@mutant
def unknown_fate_is_called_refused(patch: Patch) -> None:
    """503 for what may be in the log."""

    def doubt(self: Seat) -> None:
        flight, self.flight, self.flight_first = self.flight, None, -1
        for waiter in flight.waits if flight is not None else ():
            if waiter is not None:
                waiter.failed("try again", False)

    patch.set(Seat, "_doubt_flight", doubt)


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

    _apply(patch, Invoke, make)


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

    def send(self: Any, target: int) -> None:
        if target not in self._lanes:
            given = self._rows.partition_row.outbound.get(target, 0)
            self._lanes[target] = sender._Lane(max(0, given - 1))
        before(self, target)

    before = patch.set(sender.OutboxSender, "send", send)


@mutant
def a_failed_transfer_counts_as_taken(patch: Patch) -> None:
    def failed(self: Any, reason: str, kept: bool) -> None:
        self.settled(True)

    def look(self: Any, state: Any, results: Any, since_offset: int) -> None:
        self.settled(True)

    patch.set(waiters.TransferWaiter, "failed", failed)
    patch.set(waiters.TransferWaiter, "look", look)


@mutant
def the_outbox_is_not_recovered(patch: Patch) -> None:
    def recovered(state: Any, actions: list[Any]) -> None:
        before(state, actions)
        actions[:] = [a for a in actions if type(a).__name__ != "SendOutbox"]

    before = patch.set(term, "recover", recovered)


@mutant
def the_outbox_is_sent_for_ever(patch: Patch) -> None:
    """What was taken is never known to be."""

    def settled(self: Any, target: int, lane: Any, last: int, taken: bool) -> None:
        before(self, target, lane, last, False)

    before = patch.set(sender.OutboxSender, "_settled", settled)


@mutant
def the_outbox_is_trimmed_before_it_is_taken(patch: Patch) -> None:
    def send(self: Any, target: int, lane: Any) -> None:
        before(self, target, lane)
        if lane.is_busy:
            self._advance(((target, self._rows.partition_row.outbound[target]),))

    before = patch.set(sender.OutboxSender, "_send_next", send)


# --- attempt to journal ---


def _journal(patch: Patch, change: Callable[[Step, Journal], Journal]) -> None:
    def make(before: Any) -> Any:
        return lambda step, record: before(step, change(step, record))

    _apply(patch, Journal, make)


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
    _apply(patch, Journal, _with_epoch)


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
    def recovered(state: Any, actions: list[Any]) -> None:
        before(state, actions)
        actions[:] = [a for a in actions if not isinstance(a, StartAttempt | ArmRetry)]

    before = patch.set(term, "recover", recovered)


# --- leadership ---


@mutant
def any_announcement_is_accepted(patch: Patch) -> None:
    def make(before: Any) -> Any:
        def applied(step: Step, announce: AnnounceLeader) -> Answer:
            seen = step.state.partition_row.epoch
            answer: Answer = before(step, msgspec.structs.replace(announce, epoch_seen=seen))
            return answer

        return applied

    _apply(patch, AnnounceLeader, make)


@mutant
def it_leads_before_its_announcement_is_accepted(patch: Patch) -> None:
    from orchestrator.processor.leadership import Leadership

    patch.set(Leadership, "_is_own_epoch", lambda self: self._seat.partition is not None)


@mutant
def a_replaced_leader_goes_on(patch: Patch) -> None:
    """It never sees another epoch, and its proposals are taken."""
    patch.set(Seat, "_still_leads", lambda self: self.term is not None)
    _apply(patch, Journal, _with_epoch)
    _apply(patch, TimersFired, _with_epoch)


# --- rule 1: apply reads its own partition and nothing else ---


@mutant
def apply_looks_up_metadata(patch: Patch) -> None:
    from tests.simulation.metadata import Metadata

    known = {"deployments": 0}

    def deploy(self: Metadata) -> None:
        known["deployments"] += 1
        deploy_before(self)

    def new_row(step: Step, invoke: Invoke) -> Any:
        row = new_before(step, invoke)
        row.server = f"deployment {known['deployments']}"
        return row

    deploy_before = patch.set(Metadata, "deploy", deploy)
    new_before = patch.set(life, "new_row", new_row)


# --- rule 2: apply never asks a clock ---


@mutant
def apply_asks_a_clock(patch: Patch) -> None:
    def new_row(step: Step, invoke: Invoke) -> Any:
        row = before(step, invoke)
        with suppress(RuntimeError):  # who applies the log later has another time, or none
            now_ms = int(asyncio.get_running_loop().time() * 1000)
            row.events.append(Event(EVENT_FAILED, now_ms, 1))
        return row

    before = patch.set(life, "new_row", new_row)


@mutant
def timers_fire_early(patch: Patch) -> None:
    def due(self: TimerQueue, now_ms: int, count_max: int) -> list[bytes]:
        return before(self, now_ms + 200, count_max)

    before = patch.set(TimerQueue, "due", due)


@mutant
def timers_are_not_recovered(patch: Patch) -> None:
    def load(self: TimerQueue, now_ms: int, keys: Iterator[bytes]) -> None:
        before(self, now_ms, iter(()))

    before = patch.set(TimerQueue, "load", load)


@mutant
def chores_are_not_recovered(patch: Patch) -> None:
    """Work that goes on by follow-up records is lost with the leader that began it."""

    def recovered(state: Any, actions: list[Any]) -> None:
        before(state, actions)
        actions[:] = [a for a in actions if type(a).__name__ != "DoChore"]

    before = patch.set(term, "recover", recovered)


# --- rule 3: an id may live twice ---


@mutant
def results_ignore_the_incarnation(patch: Patch) -> None:
    def applied(step: Step, completion: Completion) -> None:
        caller = completion.caller
        row = step.state.invocations.get(caller.id)
        if row is not None:
            journal.complete_entry(step, row, caller.code, caller.completion_id, completion.outcome)

    patch.item(items.APPLY_ITEM, Completion, applied)


@mutant
def timers_ignore_the_incarnation(patch: Patch) -> None:
    """They outlive their invocation, and complete what has the same id."""

    def fire(step: Step, timer: Any) -> None:
        row = step.state.invocations.get(timer.id)
        if row is not None:
            timer.incarnation = row.incarnation
        before(step, timer)

    before = patch.set(apply_timers, "_fire", fire)
    patch.set(life, "_drop_timers", lambda step, row: None)


@mutant
def retention_ignores_the_incarnation(patch: Patch) -> None:
    def make(before: Any) -> Any:
        def applied(step: Step, record: PurgeExpired) -> Any:
            state = step.state
            for key in record.keys:
                row = state.retention.get(key)
                if row is not None:
                    named = [(i, state.completed.get(i)) for i, _ in row.items]
                    row.items = [(i, done.incarnation) for i, done in named if done is not None]
            return before(step, record)

        return applied

    _apply(patch, PurgeExpired, make)


@mutant
def promises_ignore_the_generation(patch: Patch) -> None:
    patch.set(promises, "state_prefix", lambda raw, generation: raw + bytes(8))


# --- rule 4: an attempt ignores what it replayed, an action whose target has gone does nothing ---


@mutant
def an_attempt_is_told_what_it_replayed(patch: Patch) -> None:
    def notify(self: Attempt, index: int, frame: bytes, completion_id: int) -> bytes:
        return b"" if self.over or self.input_closed else frame

    patch.set(Attempt, "notify", notify)


# --- rule 5: a service is told something only by an action of apply ---


@mutant
def run_results_are_acknowledged_at_once(patch: Patch) -> None:
    def propose(self: AttemptSource, record: Journal) -> None:
        before(self, record)
        leads = getattr(self._propose, "__self__", None)
        if leads is None or leads.term is None:
            return
        for effect in record.effects:
            if isinstance(effect, RunResult):
                frame = record.frames[effect.start : effect.end]
                leads.term._notify(
                    record.id, record.incarnation, 1 << 40, frame, effect.completion_id
                )

    before = patch.set(AttemptSource, "propose", propose)


# --- rule 6: waiting clients are not state ---


@mutant
def results_go_before_the_reply(patch: Patch) -> None:
    patch.set(life, "REPLY_RETENTION_MS", 0)
    patch.set(life, "REQUEST_DEDUPE_MS", 0)


@mutant
def waiting_clients_are_forgotten(patch: Patch) -> None:
    """Results that came while nobody led here are told to nobody."""
    patch.set(waiters.Results, "look", lambda self, state: None)


@mutant
def another_incarnation_answers(patch: Patch) -> None:
    """A client that waits for one life of an id is told the result of any."""

    def complete(self: Any, done: Any) -> None:
        for waiter in self._waiting.get(done.id, ()):
            waiter.incarnation = done.incarnation
        before(self, msgspec.structs.replace(done, outcome=b"another"))

    before = patch.set(waiters.Results, "complete", complete)


# --- rule 7: after an append of unknown fate the leader steps down ---


@mutant
def an_unknown_append_is_sent_again(patch: Patch) -> None:
    def settle(self: Seat, first: int, error: AppendError | None) -> None:
        if error is not None and not error.refused and self.flight is not None:
            error = AppendError(error.reason, refused=True)
            self._owner._log.restart(self.number)  # type: ignore[attr-defined]
        before(self, first, error)

    before = patch.set(Seat, "settle", settle)


# --- rule 9: an unknown record stops the replica ---


@mutant
def unknown_records_are_skipped(patch: Patch) -> None:
    def decode(message: bytes) -> Any:
        try:
            return decode_message(message)
        except codec_records.UndecodableMessage:
            return []

    patch.set(reading, "decode_message", decode)


# --- order of a key ---


@mutant
def the_lock_of_a_key_is_not_held(patch: Patch) -> None:
    def lock_or_queue(step: Step, row: Any) -> None:
        owner = objects.find_or_make(step, row.invoke.service, row.invoke.key)
        objects._take(step, owner, row)

    patch.set(objects, "lock_or_queue", lock_or_queue)


@mutant
def the_last_in_the_queue_is_first(patch: Patch) -> None:
    def queue(step: Step, owner: Any, entry: Any) -> int:
        number = before(step, owner, entry)
        table, raw = step.state.inbox, objects.object_key(owner.service, owner.key)
        if number > owner.inbox_head:
            first, last = (objects.inbox_key(raw, n) for n in (owner.inbox_head, number))
            one, other = table.get(first), table.get(last)
            if one is not None and other is not None and one.patch is other.patch is None:
                table.put(first, other)
                table.put(last, one)
                for key, row_entry in ((owner.inbox_head, other), (number, one)):
                    row = step.state.invocations.get(row_entry.id)
                    if row is not None:
                        row.inbox_number = key
                return owner.inbox_head
        return number

    before = patch.set(objects, "_queue", queue)


# --- rule 8, found by another PYTHONHASHSEED only ---


@mutant
def sets_are_not_sorted(patch: Patch) -> None:
    def pairs(state: Any, owner: Any) -> Any:
        found = dict(before(state, owner))
        yield from ((key, found[key]) for key in set(found))

    before = patch.set(kv, "pairs", pairs)


__all__ = ["HASHED", "MUTANTS", "mutated"]
