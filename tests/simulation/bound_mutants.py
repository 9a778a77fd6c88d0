"""Mutants of work that goes on by follow-up records, and of what is removed with its cause."""

from typing import Any

from orchestrator.machine import journal, objects
from orchestrator.machine.step import Step
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
