"""Mutants of what goes out: replies, lanes to topics, dead letters and feeds."""

from typing import Any

from msgspec.structs import replace

from orchestrator.brokers.writer_port import Lost, NotCommitted
from orchestrator.machine import (
    apply_chore,
    apply_produced,
    event_feed,
    kv,
    letters,
    origins,
    sends,
    state_chores,
)
from orchestrator.machine.routing import route_item
from orchestrator.machine.step import Step
from orchestrator.model.answers import Answer
from orchestrator.model.invoke import Invoke
from orchestrator.model.rows import CHORE_CLOSE_LANE, CHORE_EMIT_STATE
from orchestrator.model.topic_records import (
    OutboxRefused,
    PurgeDeadLetters,
    RedriveDeadLetter,
)
from orchestrator.model.topics import LETTER, RecordOrigin
from orchestrator.outbox.topics import TopicCarrier
from orchestrator.processor.letters import LetterPurge
from tests.simulation import topic_trouble, user_writer
from tests.simulation.mutation import Patch
from tests.simulation.topic_mutants import otherwise, topic_mutant
from tests.simulation.user_broker import UserBroker

# --- replies ---


@topic_mutant
def failures_are_not_answered(patch: Patch) -> None:
    def reply(step: Step, origin: RecordOrigin, known: bytes, inc: int, outcome: Any) -> None:
        if isinstance(outcome, bytes):
            before(step, origin, known, inc, outcome)

    before = patch.set(origins, "reply", reply)


@topic_mutant
def a_restart_answers_again(patch: Patch) -> None:
    """What is made anew from an invocation has its reply and its slot."""

    def restarted(done: Any, *given: Any) -> Invoke:
        made: Invoke = before(done, *given)
        return replace(made, origin=done.invoke.origin)

    before = patch.set(topic_trouble, "restarted", restarted)


# --- §2: out ---


@topic_mutant
def the_ledger_is_not_part_of_the_transaction(patch: Patch) -> None:
    def note(self: Any, rows: Any, transaction: Any) -> None:
        before(self, (), transaction)

    before = patch.set(user_writer.UserWriter, "note", note)


@topic_mutant
def a_new_leader_does_not_read_the_ledger(patch: Patch) -> None:
    patch.set(TopicCarrier, "_compare", lambda self, given, last: None)


@topic_mutant
def the_ledger_is_read_before_the_fence(patch: Patch) -> None:
    def fence(self: Any, done: Any) -> None:
        found = self.look()
        self._read = lambda done: self._tell(done, found)
        self._broker.later(lambda: before(self, done), 0.3)

    before = patch.set(user_writer.UserWriter, "_fence", fence)


@topic_mutant
def a_writer_fences_nobody(patch: Patch) -> None:
    patch.set(UserBroker, "fence", lambda self, known: self.epochs.setdefault(known, 1))


@topic_mutant
def who_is_fenced_while_it_opens_needs_no_proof(patch: Patch) -> None:
    def opened(self: TopicCarrier, waiting: Any, found: Any) -> None:
        if isinstance(found, Lost):
            found = Lost(found.reason, False)
        before(self, waiting, found)

    before = patch.set(TopicCarrier, "_opened", opened)


@topic_mutant
def who_is_fenced_while_it_writes_needs_no_proof(patch: Patch) -> None:
    def written(self: TopicCarrier, chosen: Any, end: Any) -> None:
        if isinstance(end, Lost):
            end = Lost(end.reason, False)
        before(self, chosen, end)

    before = patch.set(TopicCarrier, "_written", written)


@topic_mutant
def an_unknown_commit_is_sent_again(patch: Patch) -> None:
    def written(self: TopicCarrier, chosen: Any, end: Any) -> None:
        if isinstance(end, Lost) and not end.is_fenced:
            end = NotCommitted(end.reason, {})
        before(self, chosen, end)

    before = patch.set(TopicCarrier, "_written", written)


@topic_mutant
def a_call_is_answered_before_its_record_is_committed(patch: Patch) -> None:
    def hand_over(step: Step, row: Any) -> Any:
        outcome = before(step, row)
        return sends.send_result("elsewhere", 0, 0) if outcome is None else outcome

    before = patch.set(sends, "hand_over", hand_over)


@topic_mutant
def one_that_cannot_be_sent_is_dropped(patch: Patch) -> None:
    def set_aside(step: Step, lane: Any, item: Any, reason: str, message: str) -> None:
        """Neither a dead letter nor an answer."""

    patch.set(apply_produced, "_set_aside", set_aside)


@topic_mutant
def a_row_that_is_refused_is_passed_twice(patch: Patch) -> None:
    """What comes after it is taken for it."""

    def make(before: Any) -> Any:
        def applied(step: Step, record: OutboxRefused) -> Answer:
            answer: Answer = before(step, record)
            lane = step.state.partition_row.lanes.get(record.lane)
            if answer is Answer.DONE and lane is not None and lane.trimmed < lane.given:
                again = replace(record, number=record.number + 1)
                before(step, again)
            return answer

        return applied

    otherwise(patch, OutboxRefused, make)


@topic_mutant
def a_refusal_counts_for_any_row(patch: Patch) -> None:
    def make(before: Any) -> Any:
        def applied(step: Step, record: OutboxRefused) -> Answer:
            lane = step.state.partition_row.lanes.get(record.lane)
            if lane is not None and lane.trimmed < lane.given:
                record = replace(record, number=lane.trimmed + 1)
            answer: Answer = before(step, record)
            return answer

        return applied

    def refuse(self: TopicCarrier, given: Any, problem: Any) -> None:
        """Its proposal is made twice."""
        for _ in range(2):
            before_refuse(self, given, problem)

    otherwise(patch, OutboxRefused, make)
    before_refuse = patch.set(TopicCarrier, "_refuse", refuse)


# --- broker clusters that are deleted ---


@topic_mutant
def a_lane_to_nowhere_is_never_closed(patch: Patch) -> None:
    patch.set(TopicCarrier, "_close_lane", lambda self, given: None)


@topic_mutant
def the_rows_of_a_closed_lane_are_lost(patch: Patch) -> None:
    def close_some(step: Step, chore: Any) -> bool:
        lane = step.state.partition_row.lanes[chore.generation]
        while lane.trimmed < lane.given:
            apply_produced._take_first(step, chore.generation, lane)
        del step.state.partition_row.lanes[chore.generation]
        return True

    patch.set(apply_produced, "close_some", close_some)


@topic_mutant
def a_lane_is_closed_at_once(patch: Patch) -> None:
    def all_of_it(step: Step, chore: Any) -> bool:
        while not before(step, chore):
            pass
        return True

    before = patch.set(apply_produced, "close_some", all_of_it)


@topic_mutant
def the_rest_of_a_closed_lane_is_forgotten(patch: Patch) -> None:
    patch.item(apply_chore._PARTS, CHORE_CLOSE_LANE, lambda step, chore: True)


# --- §3: dead letters ---


@topic_mutant
def who_fails_becomes_no_dead_letter(patch: Patch) -> None:
    def end(step: Step, row: Any, outcome: Any, killed: bool) -> None:
        if row.invoke.origin is not None and not killed:
            origin = replace(row.invoke.origin, dead_letter=False)
            row.invoke = replace(row.invoke, origin=origin)
        before(step, row, outcome, killed)

    def whole(state: Any, row: Any) -> Invoke:
        made: Invoke = whole_before(state, row)
        if made.origin is not None and row.invoke.origin is not None:
            origin = replace(made.origin, dead_letter=row.invoke.origin.dead_letter)
            return replace(made, origin=origin)
        return made

    before = patch.set(origins, "end", end)
    whole_before = patch.set(origins, "whole_invoke", whole)


@topic_mutant
def who_is_killed_becomes_no_dead_letter(patch: Patch) -> None:
    def end(step: Step, row: Any, outcome: Any, killed: bool) -> None:
        before(step, row, b"" if killed else outcome, killed)

    before = patch.set(origins, "end", end)


@topic_mutant
def a_redrive_leaves_its_letter(patch: Patch) -> None:
    def forget(step: Step, key: bytes, row: Any) -> None:
        pass

    patch.set(letters, "forget_letter", forget)


@topic_mutant
def a_redrive_counts_without_its_letter(patch: Patch) -> None:
    def make(before: Any) -> Any:
        def applied(step: Step, record: RedriveDeadLetter) -> Answer:
            answer: Answer = before(step, record)
            if answer is Answer.NOT_FOUND:
                route_item(step, record.invoke)
            return answer

        return applied

    otherwise(patch, RedriveDeadLetter, make)


@topic_mutant
def letters_are_not_counted(patch: Patch) -> None:
    patch.set(letters, "count_bytes", lambda own, letter, more_bytes: None)


@topic_mutant
def a_letter_that_cannot_be_published_does_not_say_so(patch: Patch) -> None:
    def set_aside(step: Step, lane: Any, item: Any, reason: str, message: str) -> None:
        before(step, lane, item, reason, "" if item.kind == LETTER else message)

    before = patch.set(apply_produced, "_set_aside", set_aside)


@topic_mutant
def letters_are_not_published(patch: Patch) -> None:
    patch.set(letters, "is_full", lambda own, feed: True)


@topic_mutant
def letters_are_never_forgotten(patch: Patch) -> None:
    patch.set(LetterPurge, "purge", lambda self: False)


@topic_mutant
def letters_are_forgotten_early(patch: Patch) -> None:
    def begin(self: LetterPurge, state: Any, epoch: int, expiry: Any, kept: int, *more: Any) -> Any:
        before(self, state, epoch, expiry, kept // 2, *more)

    before = patch.set(LetterPurge, "__init__", begin)


@topic_mutant
def all_old_letters_go_at_once(patch: Patch) -> None:
    def make(before: Any) -> Any:
        def applied(step: Step, record: PurgeDeadLetters) -> Answer:
            while (answer := before(step, record)) is Answer.ACCEPTED:
                pass
            done: Answer = answer
            return done

        return applied

    otherwise(patch, PurgeDeadLetters, make)


# --- §4: feeds ---


@topic_mutant
def a_cleared_key_is_told_late(patch: Patch) -> None:
    """A tombstone comes after the value that was set meanwhile."""

    def dropped(step: Step, keys: Any) -> None:
        get_before, kv.get = kv.get, lambda state, owner, key: None
        try:
            before(step, keys)
        finally:
            kv.get = get_before

    before = patch.set(state_chores, "tell_dropped", dropped)
    patch.set(apply_chore, "tell_dropped", dropped)


@topic_mutant
def a_state_feed_begins_with_nothing(patch: Patch) -> None:
    patch.item(apply_chore._PARTS, CHORE_EMIT_STATE, lambda step, chore: True)


@topic_mutant
def clear_all_is_not_told(patch: Patch) -> None:
    def clear_all(step: Step, owner: Any, again: Any = ()) -> None:
        before(step, owner, tuple(owner.state))

    before = patch.set(kv, "clear_all", clear_all)


@topic_mutant
def events_have_no_ids_of_their_own(patch: Patch) -> None:
    patch.set(event_feed, "_id_here", lambda step: f"{step.state.partition}-{step.offset}")
