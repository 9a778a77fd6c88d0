"""Mutants of rules at the edges of topics: tails that were lost, feeds that are listened to, dead
letters as they are published."""

from typing import Any

from msgspec.structs import replace

from orchestrator.intake import term
from orchestrator.intake.reading import SourceReading
from orchestrator.machine import entries, letters
from orchestrator.machine.step import Step
from orchestrator.model.effects import Call
from orchestrator.model.invoke import Invoke
from orchestrator.model.topic_records import Produced
from tests.simulation import topic_shells
from tests.simulation.mutation import Patch, with_any_epoch
from tests.simulation.topic_mutants import otherwise, topic_mutant

# --- §1.8: what may not be guessed ---


@topic_mutant
def the_reader_goes_on_past_a_lost_tail(patch: Patch) -> None:
    """What came in the place of the lost records is never taken."""

    def troubled(self: SourceReading, problem: Any) -> None:
        if problem is None or problem.low > self._read_upto or problem.high < 0:
            before(self, problem)
        else:
            self._host.call_later(0.3, lambda: go_on(self))

    def go_on(self: SourceReading) -> None:
        if not self._is_over and self._reading is not None:
            self._reading.seek(self._read_upto, -1)

    before = patch.set(SourceReading, "_troubled", troubled)


@topic_mutant
def nobody_remembers_the_leader_epoch(patch: Patch) -> None:
    """A topic that lost its tail and grew again looks as it did."""

    def begin(self: Any, place: Any, offset: int, epoch: int, *told: Any) -> Any:
        return before(self, place, offset, -1, *told)

    before = patch.set(topic_shells.UserReader, "open", begin)


# --- §1.9: what is told of events is not told of ---


@topic_mutant
def calls_of_who_is_told_of_events_are_told(patch: Patch) -> None:
    def call(step: Step, row: Any, effect: Any, frames: bytes) -> None:
        loud = row.invoke.quiet
        if loud:
            row.invoke = replace(row.invoke, quiet=False)
        before(step, row, effect, frames)
        if loud:
            row.invoke = replace(row.invoke, quiet=True)

    before = patch.item(entries.APPLY_EFFECT, Call, call)


@topic_mutant
def who_is_told_of_events_is_told_of(patch: Patch) -> None:
    def make(record: Any, headers: Any, facts: Any, *more: Any) -> Any:
        made = before(record, headers, facts, *more)
        return replace(made, quiet=False) if isinstance(made, Invoke) else made

    before = patch.set(term, "make_sorted_item", make)


# --- §3, §5: dead letters as they are published ---


@topic_mutant
def a_published_letter_has_lost_the_original_s_headers(patch: Patch) -> None:
    def published(letter: Any, key: bytes, now_ms: int) -> Any:
        made = before(letter, key, now_ms)
        kept = tuple(one for one in made.headers if one[0].startswith("perdure-dlq"))
        return replace(made, headers=kept)

    before = patch.set(letters, "_published", published)


@topic_mutant
def a_published_letter_has_another_reason(patch: Patch) -> None:
    def reasons(letter: Any) -> Any:
        return before(replace(letter, reason="bad_input"))

    before = patch.set(letters, "_reasons", reasons)


# --- §2.2: who trims ---


@topic_mutant
def rows_are_trimmed_in_any_epoch(patch: Patch) -> None:
    """A leader that was replaced goes on, and answers what is not its own."""
    otherwise(patch, Produced, with_any_epoch)
