"""Forgetting what has expired: bounded in each record, and linear in all."""

import pytest

from orchestrator.model.limits import PURGE_STEP_COUNT
from orchestrator.model.records import AnyRecord, PurgeExpired
from orchestrator.processor import due
from orchestrator.processor.due import Due
from orchestrator.processor.expiry import ExpiryClock
from tests.unit.machine.bench import DAY_MS, uid
from tests.unit.machine.costs import CostBench, counted

STEP = 50


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
