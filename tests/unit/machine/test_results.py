"""Results that are not small: a row of their own, written once, that goes with its invocation."""

import pytest

from orchestrator.codec import keys
from orchestrator.codec.rows import encode_row
from orchestrator.machine.results import outcome_of
from orchestrator.model.answers import Answer
from orchestrator.model.invoke import Invoke
from orchestrator.model.limits import RESULT_INLINE_BYTES
from orchestrator.model.records import Completion, Purge, PurgeJournal
from orchestrator.model.values import SERVICE, Caller
from orchestrator.processor import reads
from tests.unit.machine.bench import DAY_MS, Bench

A = b"A" * 24
RESULT = b"r" * (RESULT_INLINE_BYTES + 1)


def complete(bench: Bench, result: bytes) -> None:
    invoke = Invoke(A, "S", "h", "", SERVICE, b"in", (), bench.now_ms, DAY_MS, DAY_MS)
    bench.do(invoke)
    bench.finish(A, result)


@pytest.mark.parametrize("size_bytes", [1_000_000, 2_000_000])
def test_the_row_of_what_completed_does_not_grow_with_its_result(size_bytes: int) -> None:
    bench = Bench()
    complete(bench, b"r" * size_bytes)
    bench.do(PurgeJournal(A, bench.now_ms))
    bench.state.spill()
    assert len(encode_row(bench.done(A))) < 500
    assert len(bench.store._rows[keys.COMPLETED + A]) < 500
    assert outcome_of(bench.state, bench.done(A)) == b"r" * size_bytes


def test_a_small_result_has_no_row_of_its_own() -> None:
    bench = Bench()
    complete(bench, b"r" * RESULT_INLINE_BYTES)
    assert bench.done(A).outcome == b"r" * RESULT_INLINE_BYTES
    assert not list(bench.state.results.scan())


def test_what_forgets_a_journal_writes_no_result_again() -> None:
    bench = Bench()
    complete(bench, RESULT)
    bench.state.spill()
    stored = [key for key in bench.store._rows if key[:1] == keys.RESULT]
    before = bench.store._rows[stored[0]]
    bench.do(PurgeJournal(A, bench.now_ms))
    bench.state.spill()
    assert len(stored) == 1 and bench.store._rows[stored[0]] is before


def test_whoever_asks_later_is_given_the_whole_result() -> None:
    bench = Bench(0, 2)
    complete(bench, RESULT)
    bench.state.spill()
    reply = reads.output_of(bench.state, A, bench.now_ms)
    assert isinstance(reply, reads.Result) and reply.outcome == RESULT
    caller = Caller(b"\xff" * 24, 1, 4)
    again = Invoke(A, "S", "h", "", SERVICE, b"in", (), bench.now_ms, 0, 0, caller=caller)
    assert bench.do(again) is Answer.DUPLICATE
    (sent,) = (row.item for _, row in bench.state.outbox.scan())
    assert isinstance(sent, Completion) and sent.outcome == RESULT


def test_no_result_outlives_its_invocation() -> None:
    bench = Bench()
    complete(bench, RESULT)
    bench.state.spill()
    bench.do(Purge(A, bench.now_ms))
    bench.state.spill()
    assert not [key for key in bench.store._rows if key[:1] == keys.RESULT]
