"""Mutants of the rules of topics in and out, of which a world with topics finds each.

They are kept apart from those of other worlds: these have no topics.
"""

from typing import Any

from msgspec.structs import replace

from orchestrator.codec.keys import source_key
from orchestrator.intake import items
from orchestrator.intake.intake import TopicIntake
from orchestrator.intake.reading import SourceReading
from orchestrator.machine import (
    apply,
    apply_journal,
    inputs,
    life,
    origins,
)
from orchestrator.machine.items import APPLY_ITEM
from orchestrator.machine.step import Step
from orchestrator.model.answers import Answer
from orchestrator.model.invoke import Invoke
from orchestrator.model.topic_records import (
    DeadLetter,
    Intake,
    SourceOpened,
)
from tests.simulation import user_broker
from tests.simulation.mutation import Mutant, Patch, with_any_epoch
from tests.simulation.user_broker import COMMITTED, Transaction

TOPIC_MUTANTS: dict[str, Mutant] = {}


def topic_mutant(make: Mutant) -> Mutant:
    TOPIC_MUTANTS[make.__name__] = make
    return make


def otherwise(patch: Patch, kind: type, make: Any) -> None:
    """Replace how records of a kind are applied."""
    patch.item(apply._TABLE, kind, make(apply._TABLE[kind]))


# --- §1.1, §1.2: who reads, and what is appended ---


@topic_mutant
def an_intake_counts_in_any_epoch(patch: Patch) -> None:
    otherwise(patch, Intake, with_any_epoch)


@topic_mutant
def an_intake_counts_at_any_position(patch: Patch) -> None:
    """Read again after a failure, it is taken again."""

    def make(before: Any) -> Any:
        def applied(step: Step, record: Intake) -> Answer:
            row = step.state.sources.get(source_key(record.source))
            if row is not None and row.generation == record.generation:
                row.position = record.first
            answer: Answer = before(step, record)
            return answer

        return applied

    otherwise(patch, Intake, make)


@topic_mutant
def an_intake_of_an_old_generation_counts(patch: Patch) -> None:
    def make(before: Any) -> Any:
        def applied(step: Step, record: Intake) -> Answer:
            row = step.state.sources.get(source_key(record.source))
            if row is not None and record.generation < row.generation:
                record = replace(record, generation=row.generation)
            answer: Answer = before(step, record)
            return answer

        return applied

    otherwise(patch, Intake, make)


@topic_mutant
def the_position_stays_behind(patch: Patch) -> None:
    """It moves to the last record, not past it."""

    def make(before: Any) -> Any:
        def applied(step: Step, record: Intake) -> Answer:
            answer: Answer = before(step, record)
            row = step.state.sources.get(source_key(record.source))
            if answer is Answer.DONE and row is not None and len(record.items) > 1:
                row.position = record.upto - 1
            return answer

        return applied

    otherwise(patch, Intake, make)


@topic_mutant
def gaps_do_not_move_the_position(patch: Patch) -> None:
    def make(before: Any) -> Any:
        def applied(step: Step, record: Intake) -> Answer:
            answer: Answer = before(step, record) if record.items else Answer.DONE
            return answer

        return applied

    otherwise(patch, Intake, make)


@topic_mutant
def the_reader_sees_what_is_not_committed(patch: Patch) -> None:
    def seen(held: Any, first: int, upto: int) -> Any:
        made = [r for r in held.records if first <= r.offset < upto and not r.is_gone]
        held_now, held.records = held.records, made
        states = [r.transaction for r in made]
        for one in made:
            one.transaction = Transaction(COMMITTED)
        try:
            return before(held, first, upto)
        finally:
            held.records = held_now
            for one, state in zip(made, states, strict=True):
                one.transaction = state

    before = patch.set(user_broker, "_seen", seen)


# --- §1.3: ids ---


@topic_mutant
def ids_of_all_generations_are_the_same(patch: Patch) -> None:
    """What was replayed is taken for what was done."""

    def consumed(source: Any, generation: int, offset: int, key: str | None) -> bytes:
        made: bytes = before(source, 0, offset, key)
        return made

    before = patch.set(items, "consumed_id", consumed)


@topic_mutant
def records_leave_the_partition_of_their_key(patch: Patch) -> None:
    def consumed(source: Any, generation: int, offset: int, key: str | None) -> bytes:
        made: bytes = before(source, generation, offset, key)
        return made if key is None else bytes([offset * 97 % 256]) + made[1:]

    before = patch.set(items, "consumed_id", consumed)


@topic_mutant
def a_second_record_keeps_its_slot(patch: Patch) -> None:
    def repeat(step: Step, invoke: Invoke, known: Any, incarnation: int) -> None:
        assert invoke.origin is not None
        origins.reply(step, invoke.origin, invoke.id, incarnation, known)

    patch.set(origins, "repeat", repeat)


@topic_mutant
def a_second_record_is_forgotten(patch: Patch) -> None:
    """The one that waits for the result of the first gets no reply."""

    def join(step: Step, invoke: Invoke, row: Any) -> None:
        assert invoke.origin is not None
        if invoke.origin.holds_slot:
            origins._say_freed(step, invoke.origin)

    patch.set(origins, "join", join)


@topic_mutant
def a_second_run_of_a_workflow_waits(patch: Patch) -> None:
    """Its reply says nothing of the conflict; it is told the result as its own."""

    def applied(step: Step, invoke: Invoke) -> Answer:
        live = step.state.invocations.get(invoke.id)
        if live is not None and invoke.origin is not None:
            origins.free_slot(step, live)
            return Answer.DUPLICATE
        answer: Answer = before(step, invoke)
        return answer

    before = patch.item(APPLY_ITEM, Invoke, applied)


# --- §1.4: generations ---


@topic_mutant
def a_source_opened_again_begins_again(patch: Patch) -> None:
    def make(before: Any) -> Any:
        def applied(step: Step, record: SourceOpened) -> Answer:
            key = source_key(record.source)
            row = step.state.sources.get(key)
            if row is not None and row.generation == record.generation:
                row.position = record.start
                step.state.sources.touch(key)
            answer: Answer = before(step, record)
            return answer

        return applied

    def begin(self: TopicIntake, term: Any) -> Any:
        """A new leader opens what it finds open."""
        sources = before_begin(self, term)
        for row in term.sources():
            start = row.position if row.generation > 1 else 0
            opened = SourceOpened(term.epoch, term.now_ms(), row.source, row.generation, start)
            term.propose(opened)
        return sources

    otherwise(patch, SourceOpened, make)
    before_begin = patch.set(TopicIntake, "begin", begin)


@topic_mutant
def slots_of_an_old_generation_stay(patch: Patch) -> None:
    """Nobody gives them back in the new one."""

    def make(before: Any) -> Any:
        def applied(step: Step, record: SourceOpened) -> Answer:
            key = source_key(record.source)
            row = step.state.sources.get(key)
            live = [] if row is None else row.live
            answer: Answer = before(step, record)
            opened = step.state.sources.get(key)
            if answer is Answer.DONE and opened is not None:
                opened.live = live
            return answer

        return applied

    otherwise(patch, SourceOpened, make)


# --- §1.5, §1.6: what cannot be used, and what came with a record ---


@topic_mutant
def what_cannot_be_used_is_passed_over(patch: Patch) -> None:
    def read(self: SourceReading, batch: Any) -> None:
        usable = tuple(r for r in batch.records if r.key not in (None, b"\xff"))
        kept = usable if self.facts.source.topic == "orders" else batch.records
        before(self, replace(batch, records=kept))

    before = patch.set(SourceReading, "_read", read)


@topic_mutant
def dead_letters_are_lost_on_the_way(patch: Patch) -> None:
    patch.item(APPLY_ITEM, DeadLetter, lambda step, letter: None)


@topic_mutant
def raw_headers_go_with_the_input(patch: Patch) -> None:
    """What is in a row of its own does not come back."""

    def whole(state: Any, row: Any) -> Invoke:
        made: Invoke = before(state, row)
        if row.input_bytes and made.origin is not None:
            return replace(made, origin=row.invoke.origin)
        return made

    before = patch.set(inputs, "whole_invoke", whole)
    patch.set(origins, "whole_invoke", whole)


# --- §1.7: slots ---


@topic_mutant
def more_slots_are_given_out_than_there_are(patch: Patch) -> None:
    def free(self: SourceReading) -> int:
        slots: int = before(self)
        return slots + 2

    before = patch.set(SourceReading, "_free_slots", free)


@topic_mutant
def what_suspends_holds_its_slot(patch: Patch) -> None:
    patch.set(apply_journal, "free_slot", lambda step, row: None)


@topic_mutant
def what_waits_for_its_time_holds_its_slot(patch: Patch) -> None:
    def schedule(step: Step, row: Any) -> None:
        free_before = origins.free_slot
        origins.free_slot = lambda step, row: None
        try:
            before(step, row)
        finally:
            origins.free_slot = free_before

    before = patch.set(life, "schedule", schedule)


@topic_mutant
def what_ends_holds_its_slot(patch: Patch) -> None:
    def end(step: Step, row: Any, outcome: Any, killed: bool) -> None:
        free_before = origins.free_slot
        origins.free_slot = lambda step, row: None
        try:
            before(step, row, outcome, killed)
        finally:
            origins.free_slot = free_before

    before = patch.set(origins, "end", end)


@topic_mutant
def slots_are_kept_without_a_limit(patch: Patch) -> None:
    def make(before: Any) -> Any:
        def applied(step: Step, record: Intake) -> Answer:
            answer: Answer = before(step, record)
            row = step.state.sources.get(source_key(record.source))
            if answer is Answer.DONE and row is not None:
                row.live = sorted({*row.live, *(_offsets(record))})
            return answer

        return applied

    otherwise(patch, Intake, make)


def _offsets(record: Intake) -> list[int]:
    return [item.origin.offset for item in record.items if item.origin is not None]


# --- §1.8: what may not be guessed ---


@topic_mutant
def the_reader_jumps_over_what_retention_took(patch: Patch) -> None:
    def troubled(self: SourceReading, problem: Any) -> None:
        before(self, problem)
        self.pass_gap()

    before = patch.set(SourceReading, "_troubled", troubled)
