"""What never changes is written once: large inputs; and texts of failures, cut and kept once."""

import pytest

from orchestrator.codec import keys
from orchestrator.codec.rows import encode_row
from orchestrator.machine.inputs import whole_invoke
from orchestrator.machine.recover import recover
from orchestrator.model.invoke import Invoke, Prefix
from orchestrator.model.limits import (
    EVENTS_KEPT_COUNT,
    FAILURE_MESSAGE_CHARS_MAX,
    FAILURE_STACKTRACE_CHARS_MAX,
    INPUT_INLINE_BYTES,
    JOURNAL_INLINE_BYTES,
)
from orchestrator.model.records import Failed, Pause, Purge, PurgeJournal, Resume
from orchestrator.model.rows import EVENT_PAUSED_BY_FAILURE
from orchestrator.model.values import SERVICE, SUCCESS, THEN_PAUSE, THEN_RETRY, Attempted
from orchestrator.tables.state import State
from tests.unit.machine.bench import DAY_MS, Bench

A = b"A" * 24
BODY = b"b" * (INPUT_INLINE_BYTES + 1)


def start(bench: Bench, body: bytes, prefix: Prefix | None = None, keep_ms: int = DAY_MS) -> Invoke:
    invoke = Invoke(
        A, "S", "h", "", SERVICE, body, (("name", "value"),), bench.now_ms, DAY_MS, keep_ms,
        prefix=prefix,
    )  # fmt: skip
    bench.do(invoke)
    return invoke


def written(bench: Bench) -> list[bytes]:
    """Prefixes of the rows that a spill writes, and nothing of what it writes twice."""
    before = dict(bench.store._rows)
    bench.state.spill()
    after = bench.store._rows
    return sorted(key[:1] for key in after if before.get(key) is not after[key])


def test_a_large_input_is_written_once_however_long_its_invocation_lives() -> None:
    bench = Bench()
    invoke = start(bench, BODY)
    bench.flush(A, frames=b"\x04\x11\x00\x00\x00\x00\x00\x00")
    assert written(bench) == [keys.INVOCATION, keys.PARTITION, keys.INPUT]
    for _ in range(5):
        bench.flush(A, frames=b"\x04\x11\x00\x00\x00\x00\x00\x00")
        assert written(bench) == [keys.INVOCATION, keys.PARTITION]
    assert len(bench.store._rows[keys.INVOCATION + A]) < INPUT_INLINE_BYTES
    assert whole_invoke(bench.state, bench.live(A)) == invoke
    bench.finish(A, b"out")
    assert keys.INPUT not in written(bench)
    assert whole_invoke(bench.state, bench.done(A)) == invoke


def test_a_small_input_has_no_row_of_its_own() -> None:
    bench = Bench()
    invoke = start(bench, b"small")
    assert bench.live(A).invoke is invoke and not list(bench.state.inputs.scan())


def test_what_a_new_leader_owes_is_known_without_reading_inputs() -> None:
    bench = Bench()
    start(bench, BODY)
    bench.state.spill()
    asked: list[bytes] = []

    class Watched:
        def __init__(self) -> None:
            self.scan = bench.store.scan
            self.write = bench.store.write

        def get(self, key: bytes) -> bytes | None:
            asked.append(key[:1])
            return bench.store.get(key)

    actions: list[object] = []
    recover(State(0, 1, Watched()), actions, bench.now_ms)  # type: ignore[arg-type]
    assert len(actions) == 1 and keys.INPUT not in asked


@pytest.mark.parametrize("body", [b"small", BODY])
def test_the_input_goes_with_the_journal(body: bytes) -> None:
    bench = Bench()
    start(bench, body)
    bench.finish(A, b"out")
    bench.do(PurgeJournal(A, bench.now_ms))
    assert whole_invoke(bench.state, bench.done(A)).body == b""
    assert not list(bench.state.inputs.scan())


@pytest.mark.parametrize("keep_ms", [0, DAY_MS])
def test_no_input_outlives_its_invocation(keep_ms: int) -> None:
    bench = Bench()
    start(bench, BODY, keep_ms=keep_ms)
    bench.finish(A, b"out")
    assert len(list(bench.state.inputs.scan())) == bool(keep_ms)
    bench.do(Purge(A, bench.now_ms))
    bench.state.spill()
    assert not [key for key in bench.store._rows if key[:1] == keys.INPUT]


def test_the_journal_that_a_restart_begins_with_is_kept_once() -> None:
    bench = Bench()
    frames = b"f" * (JOURNAL_INLINE_BYTES + 1)
    start(bench, b"in", Prefix(frames, 7, 3, ((1, SUCCESS),), (), (), "dp_1", 6))
    row = bench.live(A)
    assert (row.entries, row.commands, row.completions) == (7, 3, {1: SUCCESS})
    assert row.chunk_count == 1 and len(encode_row(row)) < JOURNAL_INLINE_BYTES


# --- failures ---


def fail(bench: Bench, then: int) -> None:
    why = Attempted(500, "m" * 100_000, "s" * 100_000, "RT0007")
    bench.flush(A, end=Failed(why, then, 1, bench.now_ms + 1))


def test_texts_of_failures_are_cut_and_one_stack_trace_is_kept() -> None:
    bench = Bench()
    start(bench, b"in")
    sizes = []
    for _ in range(3 * EVENTS_KEPT_COUNT):
        fail(bench, THEN_RETRY)
        sizes.append(len(encode_row(bench.live(A))))
    texts = EVENTS_KEPT_COUNT * FAILURE_MESSAGE_CHARS_MAX + FAILURE_STACKTRACE_CHARS_MAX
    assert sizes[-1] == sizes[EVENTS_KEPT_COUNT] < texts + 1_000
    last = bench.live(A).last_failure
    assert last is not None and last.stacktrace.endswith("s...")
    assert len(last.message) == FAILURE_MESSAGE_CHARS_MAX


def test_a_pause_names_the_failure_that_led_to_it_and_does_not_repeat_it() -> None:
    bench = Bench()
    start(bench, b"in")
    fail(bench, THEN_PAUSE)
    row = bench.live(A)
    assert row.events[-1].kind == EVENT_PAUSED_BY_FAILURE and row.events[-1].why is None
    assert row.last_failure is not None
    bench.do(Resume(A, bench.now_ms))
    fail(bench, THEN_RETRY)
    bench.do(Pause(A, bench.now_ms))
    assert [event.kind for event in row.events] == [0, 2, 0, 2]
