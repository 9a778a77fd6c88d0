"""Results expire by the wall clock, but a step of it forward counts later."""

import pytest

from orchestrator.model.limits import REQUEST_DEDUPE_MS
from orchestrator.processor.expiry import ExpiryClock

HOUR_MS, YEAR_MS = 3_600_000, 365 * 86_400_000
BEGIN_MS = 1_700_000_000_000


class Clock:
    def __init__(self) -> None:
        self.wall_ms, self.mono_ms = BEGIN_MS, 5_000
        self.expiry = ExpiryClock(self)

    def now_ms(self) -> int:
        return self.wall_ms

    def monotonic_ms(self) -> int:
        return self.mono_ms

    def pass_ms(self, by_ms: int) -> int:
        """What counts then, since the beginning."""
        self.wall_ms += by_ms
        self.mono_ms += by_ms
        return self.expiry.now_ms() - BEGIN_MS


@pytest.mark.parametrize("by_ms", [HOUR_MS, YEAR_MS])
def test_a_step_forward_counts_when_who_asked_before_it_asks_no_more(by_ms: int) -> None:
    clock = Clock()
    assert clock.pass_ms(100) == 100
    clock.wall_ms += by_ms
    assert clock.pass_ms(100) == 200
    assert clock.pass_ms(REQUEST_DEDUPE_MS - 1) == REQUEST_DEDUPE_MS + 199
    assert clock.pass_ms(1) == by_ms + REQUEST_DEDUPE_MS + 200


def test_steps_that_follow_each_other_are_held_together() -> None:
    clock = Clock()
    clock.wall_ms += HOUR_MS
    assert clock.pass_ms(REQUEST_DEDUPE_MS // 2) == REQUEST_DEDUPE_MS // 2
    clock.wall_ms += YEAR_MS
    assert clock.pass_ms(REQUEST_DEDUPE_MS - 1) < 2 * REQUEST_DEDUPE_MS
    assert clock.pass_ms(REQUEST_DEDUPE_MS) > YEAR_MS + HOUR_MS


def test_a_step_that_is_taken_back_leaves_nothing() -> None:
    clock = Clock()
    clock.wall_ms += HOUR_MS
    clock.pass_ms(10)
    clock.wall_ms -= HOUR_MS
    assert clock.pass_ms(10) == 20


def test_a_step_back_counts_at_once() -> None:
    clock = Clock()
    clock.wall_ms -= YEAR_MS
    assert clock.pass_ms(10) == 10 - YEAR_MS


def test_clocks_that_drift_apart_slowly_are_no_step() -> None:
    clock = Clock()
    for _ in range(100):
        clock.wall_ms += 900
        clock.pass_ms(10_000)
    assert clock.expiry.now_ms() == clock.wall_ms
