"""Forgetting what has expired: bounded in each record, and linear in all."""

import pytest

from orchestrator.machine import apply_letters
from orchestrator.model.limits import PURGE_STEP_COUNT
from orchestrator.model.records import AnyRecord, PurgeExpired
from orchestrator.model.topic_records import PurgeDeadLetters
from orchestrator.processor import due
from orchestrator.processor.due import Due
from orchestrator.processor.expiry import ExpiryClock
from orchestrator.processor.letters import LetterPurge
from tests.unit.machine.bench import DAY_MS, uid
from tests.unit.machine.costs import CostBench, counted
from tests.unit.machine.topic_records import intake, letters, opened, source_at, unusable

STEP = 50
SOURCE = source_at(0, 1)


class Term:
    """What a term does for `Due`, as far as purging goes; and the clock."""

    def __init__(self, bench: CostBench) -> None:
        self.bench = bench
        self.due = Due(bench.state, bench.epoch, self, ExpiryClock(self), 1_000, self)
        self.proposed: list[AnyRecord] = []
        self.has_more = False

    def now_ms(self) -> int:
        return self.bench.now_ms

    def monotonic_ms(self) -> int:
        return self.bench.now_ms

    def propose(self, record: AnyRecord) -> None:
        self.proposed.append(record)

    def start_retry(self, invocation_id: bytes, incarnation: int) -> None: ...

    def share(self, count: int) -> int:
        return count

    def wake_by(self, monotonic_ms: int) -> None: ...

    def run_due_soon(self) -> None: ...

    def purge_soon(self) -> None:
        self.has_more = True

    def clock_went_back(self) -> None: ...

    def purge(self) -> None:
        """Until nothing has expired any more."""
        self.has_more = True
        while self.has_more:
            self.has_more = False
            with counted(self.bench):
                self.due.purge()
            for record in self.proposed:
                assert isinstance(record, PurgeExpired)
                self.bench.do(record)
                self.due.purged(record)
            self.proposed.clear()


class Letters:
    """What a term does for `LetterPurge`; and the clock."""

    def __init__(self, bench: CostBench) -> None:
        self.bench = bench
        self.records = 0
        self.purge = LetterPurge(
            bench.state, bench.epoch, ExpiryClock(self), DAY_MS, self.propose, self.go_on
        )
        self.has_more = False

    def now_ms(self) -> int:
        return self.bench.now_ms

    def monotonic_ms(self) -> int:
        return self.bench.now_ms

    def propose(self, record: AnyRecord) -> None:
        assert isinstance(record, PurgeDeadLetters)
        self.records += 1
        assert self.purge.purge() is False  # one is under way
        self.bench.do(record)
        self.purge.purged(record)

    def go_on(self) -> None:
        self.has_more = True

    def run(self) -> None:
        self.has_more = True
        while self.has_more:
            self.has_more = False
            with counted(self.bench):
                self.purge.purge()


def letters_cost(count: int) -> int:
    """Looks at rows to forget so many dead letters of a day ago, and to keep one."""
    bench = CostBench()
    bench.do(opened(bench, SOURCE))
    for offset in range(count + 1):
        bench.do(intake(bench, SOURCE, offset, unusable(bench, SOURCE, offset)))
        if offset == count - 1:
            bench.now_ms += DAY_MS + 1
    bench.state.spill()
    bench.costs.clear()
    bench.looks = bench.worn.passed = 0
    term = Letters(bench)
    term.run()
    assert len(letters(bench)) == 1 and term.records == count // STEP
    assert max(bench.costs) <= 15 * STEP  # what went since the last spill is passed
    return bench.looks + bench.worn.passed


def test_dead_letters_go_in_bounded_records_and_linear(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apply_letters, "PURGE_STEP_COUNT", STEP)
    assert letters_cost(1_000) <= 2.2 * letters_cost(500)


def cost(count: int) -> int:
    """Looks at rows, those that scans pass too, to forget so many."""
    bench = CostBench()
    for number in range(count):
        bench.invoke(uid(number), retention_ms=DAY_MS)
        bench.finish(uid(number))
    bench.state.spill()
    bench.now_ms += 2 * DAY_MS
    bench.costs.clear()
    bench.looks = bench.worn.passed = 0
    Term(bench).purge()
    assert not list(bench.state.completed.scan()) and not list(bench.state.retention.scan())
    assert len(bench.costs) == count // STEP and max(bench.costs) <= 10 * STEP
    return bench.looks + bench.worn.passed


def test_bounded_and_linear(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(due, "PURGE_STEP_COUNT", STEP)
    assert PURGE_STEP_COUNT > STEP
    assert cost(2_000) <= 2.2 * cost(1_000)
