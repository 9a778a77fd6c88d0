"""Mutants of rules of sources and lanes that need an operator, other metadata or a replaced leader:
pauses, deletions, partitions that come later, handlers that go, slots of other generations."""

from typing import Any

from msgspec.structs import replace

from orchestrator.codec.keys import source_key
from orchestrator.door.refusals import RefusalCode, Refused
from orchestrator.intake import broker_topics, headers, items
from orchestrator.intake import intake as intakes
from orchestrator.intake import term as terms
from orchestrator.intake.reading import SourceReading
from orchestrator.intake.term import TermSources
from orchestrator.machine import apply_chore, apply_journal, apply_pause, origins
from orchestrator.machine.items import APPLY_ITEM
from orchestrator.machine.step import Step
from orchestrator.model.answers import Answer
from orchestrator.model.topic_records import (
    DropDeadLetter,
    OutboxRefused,
    SlotFreed,
    SourceOpened,
    SwitchFeed,
)
from orchestrator.outbox import topics as carriers
from orchestrator.outbox.topics import TopicCarrier
from orchestrator.processor.topics import TermTopics
from orchestrator.registry.stored_topics import StoredStart
from tests.simulation.mutation import Patch, with_any_epoch
from tests.simulation.topic_mutants import otherwise, topic_mutant

# --- §1.2: what is appended, and who may ---


@topic_mutant
def sources_are_opened_in_any_epoch(patch: Patch) -> None:
    otherwise(patch, SourceOpened, with_any_epoch)


@topic_mutant
def rows_are_refused_in_any_epoch(patch: Patch) -> None:
    otherwise(patch, OutboxRefused, with_any_epoch)


@topic_mutant
def late_metadata_close_sources(patch: Patch) -> None:
    """Opened again, they begin at their start."""

    def is_over(row: Any, registry: Any) -> bool:
        return row.source.subscription not in registry.topics.subscriptions

    patch.set(TermSources, "_is_over_for_good", staticmethod(is_over))


@topic_mutant
def sources_of_a_deleted_subscription_stay(patch: Patch) -> None:
    patch.set(TermSources, "_close", lambda self, key, row: None)


@topic_mutant
def what_is_paused_is_read(patch: Patch) -> None:
    def wanted_sources(subscriptions: Any, *more: Any) -> Any:
        going_on = {key: replace(one, paused=False) for key, one in subscriptions.items()}
        return before(going_on, *more)

    before = patch.set(intakes, "wanted_sources", wanted_sources)


# --- §1.4: where it starts ---


@topic_mutant
def a_partition_that_was_added_begins_at_its_second_record(patch: Patch) -> None:
    def of(start: StoredStart, partition: int) -> tuple[int, int]:
        offset, since = before(start, partition)
        is_later = start.offsets and partition >= len(start.offsets)
        return (1 if is_later else offset), since

    before = patch.set(StoredStart, "of", of)


@topic_mutant
def a_topic_made_anew_is_taken_for_the_old_one(patch: Patch) -> None:
    first: dict[str, bytes] = {}

    def known(found: Any, name: str) -> Any:
        made = before(found, name)
        if made is None or name != "once":
            return made
        first[name] = min(made.topic_id, first.get(name, made.topic_id))  # ids rise
        return replace(made, topic_id=first[name])

    before = patch.set(broker_topics, "_known", known)


# --- §1.5, §1.6: decided at the door ---


@topic_mutant
def records_of_a_handler_that_is_gone_are_dead_letters(patch: Patch) -> None:
    def make_item(self: TermSources, record: Any, facts: Any) -> Any:
        made = before(self, record, facts)
        if isinstance(made, str):
            origin = items._origin(record, facts)
            return items._letter(record, origin, "unknown_handler", made, "", "", self.now_ms())
        return made

    before = patch.set(TermSources, "make_item", make_item)


@topic_mutant
def the_idempotency_key_of_a_workflow_is_passed_over(patch: Patch) -> None:
    def check(handler: Any, key: str | None) -> str | None:
        try:
            known: str | None = before(handler, key)
        except Refused as refused:
            assert refused.refusal.code == RefusalCode.BAD_IDEMPOTENCY_KEY
            return None
        return known

    before = patch.set(items, "check_idempotency_key", check)


@topic_mutant
def the_first_header_of_a_name_counts(patch: Patch) -> None:
    def sort_headers(given: Any, names_target: bool) -> Any:
        return before(tuple(reversed(given)), names_target)

    before = patch.set(terms, "sort_headers", sort_headers)


@topic_mutant
def a_users_header_wins(patch: Patch) -> None:
    def own(record: Any, facts: Any) -> dict[str, str]:
        theirs = headers.sort_headers(record.headers, False).seen
        return {name: theirs.get(name, text) for name, text in before(record, facts).items()}

    before = patch.set(items, "_own_headers", own)


# --- §1.7: slots, and not faster than the engine ---


@topic_mutant
def a_slot_is_given_back_in_any_generation(patch: Patch) -> None:
    def freed(step: Step, record: SlotFreed) -> None:
        row = step.state.sources.get(source_key(record.source))
        generation = record.generation if row is None else row.generation
        before(step, replace(record, generation=generation))

    before = patch.item(APPLY_ITEM, SlotFreed, freed)


@topic_mutant
def who_is_paused_gives_its_slot_back(patch: Patch) -> None:
    def hold(step: Step, row: Any) -> None:
        before(step, row)
        if row.invoke.origin is not None:
            origins.free_slot(step, row)

    before = patch.set(apply_pause, "hold", hold)
    patch.set(apply_journal, "hold", hold)


@topic_mutant
def what_is_committed_passes_what_holds_a_slot(patch: Patch) -> None:
    def follow(self: SourceReading, row: Any) -> None:
        before(self, row)
        self._committed = row.position

    before = patch.set(SourceReading, "_follow", follow)


@topic_mutant
def sources_do_not_wait_for_lanes(patch: Patch) -> None:
    patch.set(TermTopics, "is_pressed", lambda self: False)


# --- §2: out ---


@topic_mutant
def who_is_fenced_comes_back_at_once(patch: Patch) -> None:
    def prove(self: TopicCarrier, given: Any, reason: str) -> None:
        self._wait(reason, 0.05)

    patch.set(TopicCarrier, "_prove", prove)


@topic_mutant
def rows_of_a_lane_change_places(patch: Patch) -> None:
    def rows_of(given: Any) -> Any:
        rows = before(given)
        return replace(rows, records=tuple(reversed(rows.records)))

    before = patch.set(carriers, "rows_of", rows_of)


# --- §3, §4: dead letters and feeds ---


@topic_mutant
def a_drop_leaves_its_letter(patch: Patch) -> None:
    def make(before: Any) -> Any:
        def applied(step: Step, record: DropDeadLetter) -> Answer:
            is_there = step.state.letters.get(record.letter) is not None
            return Answer.DONE if is_there else Answer.NOT_FOUND

        return applied

    otherwise(patch, DropDeadLetter, make)


@topic_mutant
def feeds_follow_metadata_of_any_age(patch: Patch) -> None:
    def make(before: Any) -> Any:
        def applied(step: Step, record: SwitchFeed) -> Answer:
            step.state.partition_row.feeds_version = -1
            answer: Answer = before(step, record)
            return answer

        return applied

    def owed(registry: Any, own: Any, *more: Any) -> Any:
        return owed_before(registry, replace(own, feeds_version=-1), *more)

    otherwise(patch, SwitchFeed, make)
    owed_before = patch.set(terms, "owed_switches", owed)


@topic_mutant
def a_feed_of_state_says_nothing_of_what_was_cleared(patch: Patch) -> None:
    """By an operator, or with the workflow that it was of."""
    patch.set(apply_chore, "tell_dropped", lambda step, keys: None)
