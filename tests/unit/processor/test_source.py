"""Attempts are numbered, held until all before them is applied, and keep their backoff."""

import msgspec
import pytest

from orchestrator.codec import keys
from orchestrator.model.effects import AnyEffect, GetState, GetStateKeys, SetState
from orchestrator.model.invoke import Invoke
from orchestrator.model.limits import STATE_KEYS_MAX, STATE_LISTED_MAX, STATE_SENT_COUNT_MAX
from orchestrator.model.records import Ended, Failed, Journal
from orchestrator.model.rows import InvocationRow, ObjectRow
from orchestrator.model.values import INVOKED, SERVICE, THEN_PAUSE, THEN_RETRY, Attempted
from orchestrator.processor.journal_limit import JournalLimits
from orchestrator.processor.source import AttemptSource
from orchestrator.processor.state_limit import Yield
from orchestrator.store.memory import MemoryStore
from orchestrator.store.port import StoreError
from orchestrator.tables.state import State

ID = bytes(24)
FAILED = Journal(
    0, ID, 0, 1, 0, None, b"", 0, 0, (), Failed(Attempted(500, "no"), THEN_RETRY, 1, 900)
)


def _drop(record: Journal) -> None:
    """What an attempt says after a flush that was refused does not count."""


def _source(row: InvocationRow) -> tuple[AttemptSource, list[bytes]]:
    state = State(0, 1, MemoryStore())
    state.invocations.add(ID, row)
    started: list[bytes] = []
    source = AttemptSource(
        state,
        0,
        lambda record: None,
        lambda id_, _: started.append(id_),
        lambda error: None,
        JournalLimits(10, 1_000),
        _drop,
        lambda: 0,
    )
    return source, started


def _row() -> InvocationRow:
    invoke = Invoke(ID, "S", "run", "", SERVICE, b"", (), 0, 0, 0)
    return InvocationRow(invoke, 0, INVOKED, 0)


def test_an_attempt_is_held_until_what_was_proposed_is_applied() -> None:
    source, started = _source(_row())
    source.propose(FAILED)
    assert source.attempt_input(ID, 0) is None
    assert started == []
    source.settled(FAILED)
    assert started == [ID]


def test_an_attempt_that_was_held_does_not_begin_before_its_backoff_is_over() -> None:
    row = _row()
    source, started = _source(row)
    source.propose(FAILED)
    assert source.attempt_input(ID, 0) is None
    row.retry_at_ms = 900  # what applying the failure does
    source.settled(FAILED)
    assert started == []
    assert source.attempt_input(ID, 0) is not None  # when its time has come


@pytest.mark.parametrize(("budget_bytes", "keys_taken"), [(6, "abc"), (5, "ab"), (0, "")])
def test_state_past_the_budget_is_partial(budget_bytes: int, keys_taken: str) -> None:
    """What is left out an attempt asks for, unless it was told that it has all."""
    source, _ = _source(_row())
    state = {b"a": b"1", b"b": b"", b"c": b"22"}
    owner = ObjectRow(1, "S", "", state=state, state_bytes=6)
    source._state.objects.add(keys.object_key("S", ""), owner)
    taken = [(key, value) for key, value in state.items() if key.decode() in keys_taken]
    assert source.state_of(ID, budget_bytes) == (taken, len(taken) == len(state))


@pytest.mark.parametrize("count", [STATE_SENT_COUNT_MAX, 2 * STATE_SENT_COUNT_MAX])
def test_a_state_of_many_keys_is_partial(count: int) -> None:
    source, _ = _source(_row())
    state = {b"%d" % number: b"" for number in range(count)}
    source._state.objects.add(keys.object_key("S", ""), ObjectRow(1, "S", "", state=state))
    taken, whole = source.state_of(ID, 1 << 20)
    assert len(taken) == STATE_SENT_COUNT_MAX and whole is (count == STATE_SENT_COUNT_MAX)


@pytest.mark.parametrize(
    ("count", "size_bytes", "is_paused"),
    [
        (STATE_LISTED_MAX, 1 << 20, False),
        (STATE_LISTED_MAX + 1, 1 << 20, True),
        (STATE_KEYS_MAX, 1 << 30, False),
        (STATE_KEYS_MAX + 1, 1 << 30, True),
    ],
)
def test_all_keys_of_a_large_state_are_not_asked_for(
    count: int, size_bytes: int, is_paused: bool
) -> None:
    proposed, dropped = asked(count, size_bytes, GetStateKeys(1))
    if is_paused:
        assert f"{count} keys" in why_paused(proposed, dropped)
    else:
        ((record, more),) = proposed
        assert record.effects and not dropped and more == Yield(count // 32, 0)


@pytest.mark.parametrize(("times", "is_paused"), [(3, False), (4, False), (5, True)])
@pytest.mark.parametrize("end", [None, Ended()])
def test_a_flush_lists_the_keys_of_a_large_state_a_few_times_at_most(
    times: int, is_paused: bool, end: Ended | None
) -> None:
    asks = [GetStateKeys(number + 1) for number in range(times)]
    proposed, dropped = asked(STATE_LISTED_MAX // 2, 1 << 20, *asks, end=end)
    if is_paused:
        assert f"{times} times at once" in why_paused(proposed, dropped)
    else:
        assert proposed[0][1] == Yield(times * (STATE_LISTED_MAX // 2) // 32, 0)


def test_values_that_a_flush_reads_count_by_their_size() -> None:
    reads = [GetState(b"a", number + 1) for number in range(5)]
    proposed, _ = asked(10, 10 << 20, *reads)
    assert [more for _, more in proposed] == [Yield(0, 5 << 20)]
    proposed, _ = asked(10, 10 << 20, SetState(b"a", 0, 0))
    assert [more for _, more in proposed] == [None]


Proposed = list[tuple[Journal, Yield | None]]


def asked(
    count: int, size_bytes: int, *effects: AnyEffect, end: Ended | None = None
) -> tuple[Proposed, list[Journal]]:
    """What becomes of a flush with these effects, of an object with so much state."""
    proposed: Proposed = []
    dropped: list[Journal] = []

    def propose(record: Journal, waiter: None = None, more: Yield | None = None) -> None:
        proposed.append((record, more))

    state = State(0, 1, MemoryStore())
    state.invocations.add(ID, _row())
    owner = ObjectRow(1, "S", "", state_generation=1, state_count=count, state_bytes=size_bytes)
    state.objects.add(keys.object_key("S", ""), owner)
    source = AttemptSource(
        state,
        0,
        propose,
        lambda id_, _: None,
        lambda error: None,
        JournalLimits(),
        dropped.append,
        lambda: 0,
    )
    source.propose(Journal(0, ID, 0, 1, 0, None, b"", 1, 1, effects, end))
    return proposed, dropped


def why_paused(proposed: Proposed, dropped: list[Journal]) -> str:
    ((record, _),) = proposed
    assert isinstance(record.end, Failed) and not record.effects and len(dropped) == 1
    assert record.end.why.restate_code == "PD0309"
    return record.end.why.message


def test_a_store_that_fails_under_a_read_is_said_and_no_attempt_begins() -> None:
    class Failing(MemoryStore):
        def __init__(self) -> None:
            super().__init__()
            self.get = self._get  # type: ignore[assignment]

        def _get(self, key: bytes) -> bytes | None:
            if key == keys.PARTITION:
                return None
            raise error

    error = StoreError("no longer readable")
    lost: list[StoreError] = []
    state = State(0, 1, Failing())
    source = AttemptSource(
        state,
        0,
        lambda record: None,
        lambda id_, _: None,
        lost.append,
        JournalLimits(),
        _drop,
        lambda: 0,
    )
    assert source.attempt_input(ID, 0) is None
    assert source.state_of(ID, 100) == ([], False)
    assert lost == [error, error]


def _flush(entries: int, frames: bytes = b"", ended: bool = False) -> Journal:
    end = Ended() if ended else None
    return Journal(0, ID, 0, 1, 0, None, frames, entries, entries, (), end)


@pytest.mark.parametrize(
    ("flush", "reason"),
    [
        (_flush(3), ""),
        (_flush(4), "more than 10 entries"),
        (_flush(1, b"x" * 900), ""),
        (_flush(1, b"x" * 901), "more than 1000 bytes"),
        (_flush(9, b"x" * 2000, ended=True), ""),
    ],
)
def test_a_journal_that_would_be_too_long_pauses_its_invocation(
    flush: Journal, reason: str
) -> None:
    row = _row()
    row.entries, row.journal_bytes = 7, 100
    source, _ = _source(row)
    proposed: list[Journal] = []
    dropped: list[Journal] = []
    source._propose, source._refused = proposed.append, dropped.append
    source.propose(flush)
    if not reason:
        assert (proposed, dropped) == ([flush], [])
        return
    (record,) = proposed
    assert dropped == [flush] and record.entries == 0 and record.attempt == flush.attempt
    assert isinstance(record.end, Failed) and record.end.then == THEN_PAUSE
    assert reason in record.end.why.message and record.end.why.restate_code == "PD0307"


def test_what_was_called_before_the_term_began_is_told_from_what_came_later() -> None:
    state = State(0, 1, MemoryStore())
    source = AttemptSource(
        state,
        0,
        lambda record: None,
        lambda id_, _: None,
        lambda error: None,
        JournalLimits(10, 1_000),
        _drop,
        lambda: 5_000,
    )
    for number, created_at_ms in enumerate((4_999, 5_000)):
        row = _row()
        row.invoke = msgspec.structs.replace(row.invoke, created_at_ms=created_at_ms)
        state.invocations.add(bytes([number]) * 24, row)
    given = [source.attempt_input(bytes([number]) * 24, 0) for number in range(2)]
    assert [one is not None and one.is_recovered for one in given] == [True, False]


def test_asking_for_an_attempt_that_then_waits_uses_up_no_number() -> None:
    source, _ = _source(_row())
    first = source.attempt_input(ID, 0)
    again = source.attempt_input(ID, 0)
    assert first is not None and again is not None and first.attempt == again.attempt
    source.begins(ID, again.attempt)
    later = source.attempt_input(ID, 0)
    assert later is not None and later.attempt == first.attempt + 1
