"""Mutants of what an invocation keeps from attempt to attempt, and a leader from term to term."""

from typing import Any

import msgspec

from orchestrator.codec.keys import input_key
from orchestrator.invoker import placing
from orchestrator.invoker.invoker import Invoker
from orchestrator.log.port import AppendError
from orchestrator.machine import apply_journal, apply_leader, apply_signal, inputs, life, results
from orchestrator.machine.step import Step
from orchestrator.model.answers import Answer
from orchestrator.model.invoke import Invoke
from orchestrator.model.records import Resume
from orchestrator.processor.leadership import Leadership
from orchestrator.processor.seat import Seat
from orchestrator.processor.source import AttemptSource
from orchestrator.processor.upkeep import Upkeep
from tests.simulation.mutation import Patch, apply_otherwise, mutant

# --- table: log to state ---


@mutant
def the_log_is_trimmed_to_the_newest_copy(patch: Patch) -> None:
    """When that one is damaged, the older one does not reach what the log has left."""

    def checkpoint(self: Upkeep) -> None:
        before(self)
        if kept := self._home.checkpoints():
            self._log.trim(self._seat.number, kept[-1])

    before = patch.set(Upkeep, "checkpoint", checkpoint)


# --- table: client to log ---


@mutant
def live_ids_are_admitted_again(patch: Patch) -> None:
    def make(before: Any) -> Any:
        def applied(step: Step, invoke: Invoke) -> Answer:
            live = step.state.invocations.get(invoke.id)
            if live is not None:
                life.enter(step, life.new_row(step, invoke))
                return Answer.DONE
            answer: Answer = before(step, invoke)
            return answer

        return applied

    apply_otherwise(patch, Invoke, make)


# --- suspensions that nobody ends ---


@mutant
def what_suspends_on_what_it_has_goes_on_at_once(patch: Patch) -> None:
    """So it is asked again and again, as fast as its service answers."""

    def why_idle(state: Any, row: Any, end: Any, is_resolved: bool) -> str:
        why: str = before(state, row, end, is_resolved)
        return "" if is_resolved else why

    before = patch.set(apply_journal, "why_idle", why_idle)


@mutant
def what_suspends_on_nothing_is_left_alone(patch: Patch) -> None:
    """No command of it asks for what it waits for: it waits for ever, and holds its key."""

    def why_idle(state: Any, row: Any, end: Any, is_resolved: bool) -> str:
        why: str = before(state, row, end, is_resolved)
        return why if is_resolved else ""

    before = patch.set(apply_journal, "why_idle", why_idle)


# --- inputs that are rows of their own ---


@mutant
def inputs_outlive_their_invocations(patch: Patch) -> None:
    patch.set(inputs, "drop_input", lambda step, done: None)


@mutant
def inputs_go_when_their_invocations_complete(patch: Patch) -> None:
    def complete(step: Step, row: Any, *how: Any, **more: Any) -> None:
        before(step, row, *how, **more)
        step.state.inputs.delete(input_key(row.invoke.id, row.incarnation))

    before = patch.set(life, "complete", complete)


# --- results that are rows of their own ---


@mutant
def results_outlive_what_completed(patch: Patch) -> None:
    patch.set(results, "drop_result", lambda step, done: None)


@mutant
def results_go_with_the_journal(patch: Patch) -> None:
    def drop_journal(step: Step, done: Any) -> None:
        before(step, done)
        results.drop_result(step, done)

    before = patch.set(life, "drop_journal", drop_journal)


# --- table: attempt to journal ---


@mutant
def a_recovery_forgets_the_count_of_retries(patch: Patch) -> None:
    def given(self: AttemptSource, invocation_id: bytes, incarnation: int) -> Any:
        is_first = invocation_id not in self._numbers
        found = before(self, invocation_id, incarnation)
        if found is not None and is_first:
            found.retry_count = 0
        return found

    before = patch.set(AttemptSource, "attempt_input", given)


@mutant
def a_cancel_waits_for_the_retry(patch: Patch) -> None:
    def go_on(step: Step, row: Any, cause: int) -> None:
        if not row.retry_at_ms:
            before(step, row, cause)

    before = patch.set(apply_signal, "go_on", go_on)


@mutant
def a_cancel_is_lost_on_an_attempt_that_fails(patch: Patch) -> None:
    patch.set(apply_journal, "look_up", lambda state, row, detail, number: None)


@mutant
def a_resume_keeps_the_count_of_retries(patch: Patch) -> None:
    def make(before: Any) -> Any:
        def applied(step: Step, resume: Resume) -> Answer:
            row = step.state.invocations.get(resume.target_id)
            count = 0 if row is None else row.retry_count
            answer: Answer = before(step, resume)
            if row is not None:
                row.retry_count = count
            return answer

        return applied

    apply_otherwise(patch, Resume, make)


# --- rule 1: what was chosen is in the log ---


@mutant
def what_began_moves_to_the_newest_deployment(patch: Patch) -> None:
    def place(registry: Any, given: Any, protocol_max: int) -> Any:
        return before(
            registry, msgspec.structs.replace(given, deployment="", protocol=0), protocol_max
        )

    before = patch.set(placing, "place", place)


# --- rule 4: an action whose target has gone is nothing ---


@mutant
def an_action_needs_its_target(patch: Patch) -> None:
    def notify(self: Invoker, invocation_id: bytes, incarnation: int, *rest: Any) -> None:
        assert self._running[invocation_id].incarnation == incarnation
        before(self, invocation_id, incarnation, *rest)

    before = patch.set(Invoker, "notify", notify)


# --- rule 7: slow is not lost; after an unknown fate another epoch ---


@mutant
def a_slow_append_is_given_up(patch: Patch) -> None:
    def refuse(self: Seat, now_s: float, age_s: float) -> None:
        append = self.in_flight
        if append is not None and now_s - append.at_s > 0.02 and not append.is_acknowledged:
            self.append_answered(-1, AppendError("it takes too long", refused=True))

    patch.set(Seat, "refuse_if_stalled", refuse)


@mutant
def a_new_term_keeps_the_epoch(patch: Patch) -> None:
    """What the term before had under way is taken when it lands at last."""

    async def hold_office(self: Leadership) -> None:
        nonce = self._nonce
        await before(self)
        self._nonce = nonce

    before = patch.set(Leadership, "_lead", hold_office)


# --- rule 9: behaviour follows the level ---


@mutant
def any_level_is_taken(patch: Patch) -> None:
    patch.set(apply_leader, "LEVEL_MAX", 99)
