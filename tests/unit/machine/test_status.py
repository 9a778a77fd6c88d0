"""Every cause in every status: it leads where the table says, or nothing is changed."""

import pytest

from orchestrator.machine.apply import apply_item
from orchestrator.machine.status import CAUSE_NAMES, TRANSITIONS, change_status
from orchestrator.machine.step import Step
from orchestrator.model.values import COMPLETED, NEW, STATUS_NAMES, Future
from tests.unit.machine.bench import Bench, uid

CELLS = [(status, cause) for status in STATUS_NAMES for cause in CAUSE_NAMES]


@pytest.mark.parametrize(("status", "cause"), CELLS)
def test_a_cause_in_a_status(status: int, cause: int) -> None:
    bench = Bench()
    bench.invoke(uid(1))
    row = bench.live(uid(1))
    assert row is not None
    row.status, row.waiting, row.retry_at_ms = status, Future((1,)), 7
    step = Step(bench.state, 1, bench.now_ms + 5, [], apply_item, 0)
    if (status, cause) in TRANSITIONS:
        change_status(step, row, cause)
        assert row.status == TRANSITIONS[status, cause]
        assert (row.waiting, row.retry_at_ms, row.modified_at_ms) == (None, 0, bench.now_ms + 5)
    else:
        with pytest.raises(AssertionError, match=f"is {STATUS_NAMES[status]} cannot"):
            change_status(step, row, cause)
        assert (row.status, row.waiting, row.retry_at_ms) == (status, Future((1,)), 7)


def test_every_status_is_reached_and_left() -> None:
    assert set(TRANSITIONS.values()) == set(STATUS_NAMES) - {NEW}
    assert {status for status, _ in TRANSITIONS} == set(STATUS_NAMES) - {COMPLETED}
    assert {cause for _, cause in TRANSITIONS} == set(CAUSE_NAMES)
