"""The result of a completed invocation.

A small one, and every failure, is in its row. A larger one is a row of its own, written once:
otherwise each listing of invocations would read it. It is deleted with the invocation. One that is
very large is not written again beside its journal, where it is the end of the last entry.
"""

from orchestrator.codec.keys import result_key
from orchestrator.machine.step import Step
from orchestrator.machine.stored_journal import chunks_of
from orchestrator.model.limits import RESULT_INLINE_BYTES, RESULT_ONCE_BYTES
from orchestrator.model.rows import CompletedRow, ResultRow
from orchestrator.model.values import Outcome
from orchestrator.tables.state import State


def set_result_apart(step: Step, done: CompletedRow) -> None:
    """Move a large result of a new row to a row of its own, unless the journal has it."""
    value = done.outcome
    if not isinstance(value, bytes) or len(value) <= RESULT_INLINE_BYTES:
        return
    done.outcome, done.result_bytes = b"", len(value)
    done.result_in_journal = _is_in_journal(step.state, done, value)
    if not done.result_in_journal:
        _set_apart(step, done, value)


def _is_in_journal(state: State, done: CompletedRow, value: bytes) -> bool:
    """Whether it is the end of a chunk row that is kept as long as the result."""
    invoke = done.invoke
    if len(value) <= RESULT_ONCE_BYTES or not done.chunk_count or done.tail:
        return False
    kept_ms = invoke.journal_retention_ms
    if not kept_ms or kept_ms < invoke.completion_retention_ms:
        return False
    return _last_frames(state, done).endswith(value)


def _last_frames(state: State, done: CompletedRow) -> bytes:
    """The end of the last chunk row."""
    chunks = chunks_of(state, done, done.chunk_count - 1)
    assert chunks, "a journal that has the result is kept as long"
    return chunks[-1].frames


def _set_apart(step: Step, done: CompletedRow, value: bytes) -> None:
    step.state.results.add(_key(done), ResultRow(value))
    step.state.account.dirty_bytes += len(value)  # it is in the journal, too


def outcome_of(state: State, done: CompletedRow) -> Outcome:
    """The result, wherever it is."""
    if not done.result_bytes:
        return done.outcome
    if done.result_in_journal:
        return _last_frames(state, done)[-done.result_bytes :]
    apart = state.results.get(_key(done))
    assert apart is not None, "a result is kept as long as its invocation"
    return apart.value


def leave_journal(step: Step, done: CompletedRow) -> None:
    """The journal is dropped, the result is kept."""
    if done.result_in_journal:
        value = outcome_of(step.state, done)
        assert isinstance(value, bytes)
        done.result_in_journal = False
        _set_apart(step, done, value)


def drop_result(step: Step, done: CompletedRow) -> None:
    """The invocation is forgotten."""
    if done.result_bytes and not done.result_in_journal:
        step.state.results.delete(_key(done))


def _key(done: CompletedRow) -> bytes:
    return result_key(done.invoke.id, done.incarnation)
