"""Mutants of the rules that keep the pure ring and the shell apart, and of the order of a key."""

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from orchestrator.codec import records as codec_records
from orchestrator.codec.keys import inbox_key, object_key
from orchestrator.codec.records import decode_message
from orchestrator.invoker.attempt import Attempt
from orchestrator.invoker.entries import ENTRIES
from orchestrator.machine import (
    apply_chore,
    apply_journal,
    apply_timers,
    ended,
    items,
    journal,
    kv,
    life,
    objects,
    promises,
)
from orchestrator.machine.step import Step
from orchestrator.model.actions import DoChore
from orchestrator.model.invoke import Invoke
from orchestrator.model.records import (
    Completion,
    PurgeExpired,
)
from orchestrator.model.rows import (
    CHORE_DROP_CHUNKS,
    CHORE_DROP_STATE,
    CHORE_END,
    EVENT_FAILED,
    Event,
)
from orchestrator.processor import reading
from orchestrator.processor.due import Due
from orchestrator.timers.queue import TimerQueue
from perdure import wire
from perdure.wire import codes
from tests.simulation.mutation import Patch, apply_otherwise, forget_recovered, mutant

HASHED = ("sets_are_not_sorted",)  # found by the digests of two PYTHONHASHSEEDs only


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
            row.events += (Event(EVENT_FAILED, now_ms, 1),)
        return row

    before = patch.set(life, "new_row", new_row)


@mutant
def timers_fire_early(patch: Patch) -> None:
    def add(self: TimerQueue, key: bytes, wait_ms: int, monotonic_ms: int) -> bool:
        is_first: bool = before(self, key, max(0, wait_ms - 200), monotonic_ms)
        return is_first

    before = patch.set(TimerQueue, "add", add)


@mutant
def timers_are_not_recovered(patch: Patch) -> None:
    def load(
        self: TimerQueue, now_ms: int, monotonic_ms: int, keys: Iterator[bytes], count_max: int
    ) -> bool:
        has_more: bool = before(self, now_ms, monotonic_ms, iter(()), count_max)
        return has_more

    before = patch.set(TimerQueue, "load", load)


@mutant
def chores_are_not_recovered(patch: Patch) -> None:
    """Work that goes on by follow-up records is lost with the leader that began it."""

    forget_recovered(patch, DoChore)


# --- rule 2: what could be large is bounded per record ---


def _at_once(patch: Patch, kind: int) -> None:
    def all_of_it(step: Step, chore: Any) -> bool:
        while not before(step, chore):
            pass
        return True

    before = patch.item(apply_chore._PARTS, kind, all_of_it)


@mutant
def a_kill_reaches_all_children_at_once(patch: Patch) -> None:
    _at_once(patch, CHORE_END)


@mutant
def the_state_of_a_key_goes_at_once(patch: Patch) -> None:
    _at_once(patch, CHORE_DROP_STATE)


@mutant
def a_journal_goes_at_once(patch: Patch) -> None:
    _at_once(patch, CHORE_DROP_CHUNKS)


@mutant
def all_that_expired_goes_at_once(patch: Patch) -> None:
    def purge(self: Due) -> bool:
        now_ms = self._clock.now_ms()
        keys = tuple(key for key, _ in self._state.retention.scan(stop=now_ms.to_bytes(8, "big")))
        if keys:
            self._host.propose(PurgeExpired(self._epoch, now_ms, keys))
        return False

    patch.set(Due, "purge", purge)


@mutant
def a_chore_ends_with_its_first_part(patch: Patch) -> None:
    """The follow-up record is never asked for."""

    def first_part(before: Any) -> Any:
        return lambda step, chore: (before(step, chore), True)[1]

    for kind, part in list(apply_chore._PARTS.items()):
        patch.item(apply_chore._PARTS, kind, first_part(part))


# --- rule 10: frames are parsed at the door, and kept as they came ---


@mutant
def apply_parses_the_frames(patch: Patch) -> None:
    """What the door did not look at stops the partition."""

    def unseen(door: Any, frame: bytes, start: int) -> Any:
        try:
            return before(door, frame, start)
        except wire.WireError:
            return None

    def store(step: Step, row: Any, frames: bytes, entries: int) -> None:
        for code, _, start, end in wire.split(frames):
            wire.decode_frame(code, frames[start:end])
        store_before(step, row, frames, entries)

    before, urgency = ENTRIES[codes.SLEEP]
    patch.item(ENTRIES, codes.SLEEP, (unseen, urgency))
    store_before = patch.set(apply_journal, "store_entries", store)


@mutant
def frames_are_encoded_anew(patch: Patch) -> None:
    """What the door does not know of a message is lost."""

    def message(self: Attempt, number: int, flags: int, frame: bytes) -> None:
        if codes.is_command(number):
            frame = wire.encode(wire.decode_frame(number, frame), version=self.protocol)
        before(self, number, flags, frame)

    before = patch.set(Attempt, "_message", message)


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
    patch.set(ended, "_drop_timer", lambda step, chore, key: None)


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

    apply_otherwise(patch, PurgeExpired, make)


@mutant
def promises_ignore_the_generation(patch: Patch) -> None:
    patch.set(promises, "state_prefix", lambda raw, generation: raw + bytes(8))


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
        number: int = before(step, owner, entry)
        table, raw = step.state.inbox, object_key(owner.service, owner.key)
        if number > owner.inbox_head:
            first, last = (inbox_key(raw, n) for n in (owner.inbox_head, number))
            one, other = table.get(first), table.get(last)
            if one is not None and other is not None and one.patch is other.patch is None:
                table.put(first, other)
                table.put(last, one)
                for key, row_entry in ((owner.inbox_head, other), (number, one)):
                    row = step.state.invocations.get(row_entry.id)
                    if row is not None:
                        row.inbox_number = key
                return int(owner.inbox_head)
        return number

    before = patch.set(objects, "_queue", queue)


# --- rule 8, found by another PYTHONHASHSEED only ---


@mutant
def sets_are_not_sorted(patch: Patch) -> None:
    def pairs(state: Any, owner: Any) -> Any:
        found = dict(before(state, owner))
        yield from ((key, found[key]) for key in set(found))

    before = patch.set(kv, "pairs", pairs)
