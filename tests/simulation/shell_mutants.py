"""Mutants of the rules of the shell: what attempts and waiting clients are told, and when."""

from typing import Any

import msgspec

from orchestrator.invoker.delivered import Delivered
from orchestrator.log.port import AppendError
from orchestrator.machine import (
    apply_journal,
    life,
)
from orchestrator.model.effects import RequestAck, RunResult
from orchestrator.model.records import (
    Journal,
)
from orchestrator.processor import waiters
from orchestrator.processor.seat import Seat
from orchestrator.processor.source import AttemptSource
from tests.simulation.mutation import Patch, mutant

# --- rule 4: an attempt ignores what it replayed, an action whose target has gone does nothing ---


@mutant
def an_attempt_is_told_what_it_replayed(patch: Patch) -> None:
    def notify(self: Delivered, index: int, frame: bytes, completion_id: int) -> bytes:
        return b"" if self.is_closed else frame

    patch.set(Delivered, "notify", notify)


@mutant
def a_service_is_told_in_another_order(patch: Patch) -> None:
    """Run results lie among the frames of a flush, before what its commands complete."""
    patch.set(apply_journal, "_as_stored", lambda effects: effects)


# --- rule 5: a service is told something only by an action of apply ---


def _term_of(source: AttemptSource) -> Any:
    """None: it is not led any more."""
    return getattr(getattr(source._propose, "__self__", None), "term", None)


@mutant
def run_results_are_acknowledged_at_once(patch: Patch) -> None:
    def propose(self: AttemptSource, record: Journal) -> None:
        before(self, record)
        term = _term_of(self)
        if term is None:
            return
        for effect in record.effects:
            if isinstance(effect, RunResult):
                frame = record.frames[effect.start : effect.end]
                term._notify(record.id, record.incarnation, 1 << 40, frame, effect.completion_id)

    before = patch.set(AttemptSource, "propose", propose)


@mutant
def commands_are_acknowledged_at_once(patch: Patch) -> None:
    def propose(self: AttemptSource, record: Journal) -> None:
        before(self, record)
        term = _term_of(self)
        if term is None:
            return
        for effect in record.effects:
            if isinstance(effect, RequestAck):
                term._around.invoker.acknowledge(
                    record.id, record.incarnation, effect.command_index
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
    patch.set(waiters.Results, "reply_if_done", lambda self, state, invocation_id: 0.0)


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
    def answered(self: Seat, first: int, error: AppendError | None) -> None:
        if error is not None and not error.refused and self.in_flight is not None:
            error = AppendError(error.reason, refused=True)
            self._host._log.restart(self.number)  # type: ignore[attr-defined]
        before(self, first, error)

    before = patch.set(Seat, "append_answered", answered)
