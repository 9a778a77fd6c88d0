"""Mutants of work that goes on by follow-up records, and of what is removed with its cause."""

from typing import Any

from orchestrator.machine import (
    apply_journal,
    details,
    ended,
    futures,
    journal,
    kv,
    life,
    objects,
    waiting,
)
from orchestrator.machine.step import Step
from orchestrator.model.rows import InvocationRow, ObjectRow
from tests.simulation.mutation import Patch, mutant

# --- the queue of a key ---


@mutant
def the_rest_of_a_queue_is_forgotten(patch: Patch) -> None:
    """The record that frees a key looks at some places, and nobody at the others."""
    patch.set(objects, "add_chore", lambda step, chore: None)


@mutant
def who_comes_goes_before_the_queue(patch: Patch) -> None:
    """A key that is free for the moment between two follow-up records is taken."""

    def lock_or_queue(step: Step, row: Any) -> None:
        owner = objects.find_or_make(step, row.invoke.service, row.invoke.key)
        if owner.lock:
            before(step, row)
        else:
            objects._take(step, owner, row)

    before = patch.set(objects, "lock_or_queue", lock_or_queue)


# --- what a suspended invocation waits for ---


@mutant
def what_is_left_of_a_future_is_not_told(patch: Patch) -> None:
    """What comes after the first leaf is forgotten."""

    def is_resolved_by(state: Any, row: Any, leaf: Any) -> Any:
        known = state.derived.get(row.invoke.id)
        if known is not None and known.future is row.waiting:
            return known.is_resolved
        return before(state, row, leaf)

    before = patch.set(journal, "is_resolved_by", is_resolved_by)


# --- what is kept by number, and goes with its cause ---


@mutant
def what_is_in_pages_is_not_found(patch: Patch) -> None:
    """What was completed comes again, and what it was needed for never resolves."""
    looked = details.look_up

    def look_up(state: Any, row: Any, detail: Any, number: int) -> Any:
        return None if row.paged & detail.bit else looked(state, row, detail, number)

    for module in (futures, journal, apply_journal):
        patch.set(module, "look_up", look_up)


@mutant
def pages_outlive_their_invocation(patch: Patch) -> None:
    def clear_up(step: Step, row: Any, kill: bool) -> None:
        row.paged = 0
        before(step, row, kill)

    before = patch.set(life, "clear_up", clear_up)


@mutant
def only_the_first_callers_are_answered(patch: Patch) -> None:
    """Those that are rows of their own are left."""
    patch.set(waiting, "add_chore", lambda step, chore: None)


@mutant
def who_is_over_still_waits(patch: Patch) -> None:
    patch.set(ended, "_wait_no_longer", lambda step, chore, number, target: None)


@mutant
def rows_of_a_state_are_not_counted(patch: Patch) -> None:
    """A key whose state once outgrew its row keeps that row for ever."""

    def clear_row(step: Step, owner: Any, key: bytes) -> None:
        step.state.state_rows.delete(key)

    patch.set(kv, "_clear_row", clear_row)


@mutant
def names_in_pages_are_not_found(patch: Patch) -> None:
    """Who waits for a signal by name sleeps on."""
    patch.set(futures, "look_up_name", lambda state, row, name: (row.names or {}).get(name))


@mutant
def who_ended_is_counted_as_alive(patch: Patch) -> None:
    change_status = life.change_status  # type: ignore[attr-defined]

    def uncounted(step: Step, row: InvocationRow, cause: int) -> None:
        live = list(step.state.partition_row.live)
        change_status(step, row, cause)
        step.state.partition_row.live = live

    patch.set(life, "change_status", uncounted)


@mutant
def bytes_of_a_state_in_rows_are_not_counted(patch: Patch) -> None:
    put_row = kv._put_row

    def uncounted(step: Step, owner: ObjectRow, key: bytes, value: bytes) -> None:
        size_bytes = owner.state_bytes
        put_row(step, owner, key, value)
        owner.state_bytes = size_bytes

    patch.set(kv, "_put_row", uncounted)
