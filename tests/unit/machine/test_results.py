"""Results that are not small: a row of their own, written once, that goes with its invocation; and
those that are large: the end of their journal, as long as that is kept."""

import pytest

from orchestrator.codec import keys
from orchestrator.codec.rows import encode_row
from orchestrator.machine.results import outcome_of
from orchestrator.model.answers import Answer
from orchestrator.model.invoke import Invoke
from orchestrator.model.limits import RESULT_INLINE_BYTES, RESULT_ONCE_BYTES
from orchestrator.model.records import Completion, Purge, PurgeJournal
from orchestrator.model.values import SERVICE, Caller
from orchestrator.processor import reads
from tests.unit.machine.bench import DAY_MS, Bench
from tests.unit.machine.costs import CostBench

A = b"A" * 24
RESULT = b"r" * (RESULT_INLINE_BYTES + 1)
LARGE = b"R" * (RESULT_ONCE_BYTES + 1)
ANY = pytest.mark.parametrize("result", [RESULT, LARGE], ids=["of some size", "large"])


def complete(bench: Bench, result: bytes, kept_ms: int = DAY_MS, journal_ms: int = DAY_MS) -> None:
    invoke = Invoke(A, "S", "h", "", SERVICE, b"in", (), bench.now_ms, kept_ms, journal_ms)
    bench.do(invoke)
    bench.finish(A, result)
    bench.state.spill()


def stored(bench: Bench, table: bytes = keys.RESULT) -> list[bytes]:
    return [row for key, row in bench.store._rows.items() if key[:1] == table]


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
    before = stored(bench)
    bench.do(PurgeJournal(A, bench.now_ms))
    bench.state.spill()
    assert len(before) == 1 and stored(bench)[0] is before[0]


@ANY
def test_whoever_asks_later_is_given_the_whole_result(result: bytes) -> None:
    bench = Bench(0, 2)
    complete(bench, result)
    reply = reads.output_of(bench.state, A, bench.now_ms)
    assert isinstance(reply, reads.Result) and reply.outcome == result
    caller = Caller(b"\xff" * 24, 1, 4)
    again = Invoke(A, "S", "h", "", SERVICE, b"in", (), bench.now_ms, 0, 0, caller=caller)
    assert bench.do(again) is Answer.DUPLICATE
    (sent,) = (row.item for _, row in bench.state.outbox.scan())
    assert isinstance(sent, Completion) and sent.outcome == result


@ANY
def test_no_result_outlives_its_invocation(result: bytes) -> None:
    bench = CostBench()
    complete(bench, result)
    bench.do(Purge(A, bench.now_ms))
    bench.do_chores()
    bench.state.spill()
    assert not stored(bench) and not stored(bench, keys.CHUNK)


@pytest.mark.parametrize("size_bytes", [1_000_000, 2_000_000])
def test_a_large_result_is_written_once(size_bytes: int) -> None:
    """As the last entry of its journal."""
    bench = Bench()
    complete(bench, b"r" * size_bytes)
    assert sum(map(len, bench.store._rows.values())) < size_bytes + 2_000


@pytest.mark.parametrize("journal_ms", [0, 1, DAY_MS - 1])
def test_a_large_result_that_is_kept_longer_than_its_journal_has_its_own_row(
    journal_ms: int,
) -> None:
    bench = Bench()
    complete(bench, LARGE, DAY_MS, journal_ms)
    assert len(stored(bench)) == 1
    assert outcome_of(bench.state, bench.done(A)) == LARGE


def test_a_large_result_is_kept_when_its_journal_is_purged() -> None:
    bench = CostBench()
    complete(bench, LARGE)
    assert not stored(bench)
    for _ in range(2):
        bench.do(PurgeJournal(A, bench.now_ms))
        bench.do_chores()
        bench.state.spill()
        assert len(stored(bench)) == 1 and not stored(bench, keys.CHUNK)
        assert outcome_of(bench.state, bench.done(A)) == LARGE
    bench.do(Purge(A, bench.now_ms))
    bench.state.spill()
    assert not stored(bench)
