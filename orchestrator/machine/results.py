"""The result of a completed invocation.

A small one, and every failure, is in its row. A larger one is a row of its own, written once:
otherwise each listing of invocations would read it. It is deleted with the invocation.
"""

from orchestrator.codec.keys import result_key
from orchestrator.machine.step import Step
from orchestrator.model.limits import RESULT_INLINE_BYTES
from orchestrator.model.rows import CompletedRow, ResultRow
from orchestrator.model.values import Outcome
from orchestrator.tables.state import State


def set_result_apart(step: Step, done: CompletedRow) -> None:
    """Move a large result of a new row to a row of its own."""
    value = done.outcome
    if isinstance(value, bytes) and len(value) > RESULT_INLINE_BYTES:
        step.state.results.add(_key(done), ResultRow(value))
        step.state.account.dirty_bytes += len(value)  # it is in the journal, too
        done.outcome, done.result_bytes = b"", len(value)


def outcome_of(state: State, done: CompletedRow) -> Outcome:
    """The result, wherever it is."""
    if not done.result_bytes:
        return done.outcome
    apart = state.results.get(_key(done))
    assert apart is not None, "a result is kept as long as its invocation"
    return apart.value


def drop_result(step: Step, done: CompletedRow) -> None:
    """The invocation is forgotten."""
    if done.result_bytes:
        step.state.results.delete(_key(done))


def _key(done: CompletedRow) -> bytes:
    return result_key(done.invoke.id, done.incarnation)
