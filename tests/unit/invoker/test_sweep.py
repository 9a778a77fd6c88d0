"""The sweep: timeouts in time, and in slices when thousands are due together."""

from collections.abc import Callable
from itertools import pairwise
from operator import itemgetter
from types import SimpleNamespace
from typing import Any, cast

import pytest

from orchestrator.exchanges.pools import Pools
from orchestrator.invoker.running import RunningAttempt
from orchestrator.invoker.sweep import ACTED_AT_ONCE, Sweep


class _Timers:
    """A clock and a scheduler of which a test turns the hands."""

    def __init__(self) -> None:
        self.now = 1_000
        self.due: list[tuple[int, Callable[[], None]]] = []

    def monotonic_ms(self) -> int:
        return self.now

    def call_later(self, delay_s: float, call: Callable[[], None]) -> Any:
        entry = (self.now + round(delay_s * 1000), call)
        self.due.append(entry)
        return SimpleNamespace(cancel=lambda: self.due.remove(entry))

    def ring(self) -> None:
        """What is due next."""
        entry = min(self.due, key=itemgetter(0))
        self.due.remove(entry)
        self.now = max(self.now, entry[0])
        entry[1]()


class _NoPools:
    """No connections are left."""

    def __bool__(self) -> bool:
        return False

    def sweep(self, now_s: float) -> None: ...


class _Attempts:
    """What the invoker does for the sweep."""

    def __init__(self) -> None:
        self.timers = timers = _Timers()
        self.sweep = Sweep(cast(Any, timers), cast(Any, timers), cast(Pools, _NoPools()))
        self.running: dict[_Attempt, None] = {}
        self.looks = 0

    def begin(self, count: int, timeout_ms: int) -> list["_Attempt"]:
        begun = [_Attempt(self, timeout_ms) for _ in range(count)]
        for one in begun:
            self.running[one] = None
            self.sweep.arm(cast(RunningAttempt, one))
        return begun

    def end(self, one: "_Attempt") -> None:
        del self.running[one]
        self.sweep.disarm(cast(RunningAttempt, one))


class _Attempt:
    """One whose service does not move, unless a test says so."""

    def __init__(self, attempts: _Attempts, timeout_ms: int) -> None:
        self._attempts = attempts
        self.inactivity_ms = self.abort_ms = timeout_ms
        self.touched_ms = attempts.timers.now
        self.is_held_back = False
        self.look_ms = 0
        self.closes = False
        self.ended_ms = 0
        self.attempt = SimpleNamespace(over=False)

    @property
    def may_close(self) -> bool:
        self._attempts.looks += 1
        return self.closes

    def half_close(self) -> None:
        self.closes = False
        self.touched_ms = self._attempts.timers.now

    def time_out(self, message: str) -> None:
        assert not self.attempt.over
        self.attempt.over = True
        self.ended_ms = self._attempts.timers.now
        self._attempts.end(self)


class _Talker(_Attempt):
    """Whenever somebody looks, its service has just said something."""

    @property
    def touched_ms(self) -> int:
        return self._attempts.timers.now - 10

    @touched_ms.setter
    def touched_ms(self, now_ms: int) -> None: ...


def test_thousands_that_are_due_together_end_in_slices() -> None:
    attempts = _Attempts()
    attempts.begin(1_050, 500)
    left = [len(attempts.running)]
    while attempts.running:
        attempts.timers.ring()
        left.append(len(attempts.running))
    assert max(a - b for a, b in pairwise(left)) == ACTED_AT_ONCE
    assert len(attempts.sweep) == 0
    attempts.timers.ring()  # connections
    assert not attempts.timers.due, "there is nothing to look after"


def test_who_ends_between_two_slices_is_left_alone() -> None:
    attempts = _Attempts()
    attempts.begin(ACTED_AT_ONCE + 5, 500)
    attempts.timers.ring()
    assert len(attempts.running) == 5
    for one in list(attempts.running):
        attempts.end(one)
    while attempts.timers.due:
        attempts.timers.ring()
    assert not any(bucket for bucket in attempts.sweep._buckets.values()), "it keeps nobody"


@pytest.mark.parametrize("patient", [500, 1_000, 8_000])
def test_one_with_a_short_timeout_makes_nobody_else_looked_at(patient: int) -> None:
    attempts = _Attempts()
    attempts.begin(patient, 60_000)
    hasty = _Talker(attempts, 80)
    attempts.running[hasty] = None
    attempts.sweep.arm(cast(RunningAttempt, hasty))
    attempts.looks = 0
    while attempts.timers.now < 11_000:
        attempts.timers.ring()
    assert attempts.looks < 400 and len(attempts.running) == patient + 1


@pytest.mark.parametrize("timeout_ms", [1, 80, 500, 5_000, 60_000, 3_600_000])
def test_a_timeout_comes_in_time(timeout_ms: int) -> None:
    attempts = _Attempts()
    (one,) = attempts.begin(1, timeout_ms)
    one.closes = True
    while one.closes:
        attempts.timers.ring()
    closed_ms = one.touched_ms
    while not one.ended_ms:
        attempts.timers.ring()
    late_ms = max(20, min(timeout_ms / 4, 1_000), timeout_ms / 1_000)
    assert timeout_ms <= closed_ms - 1_000 <= timeout_ms + late_ms
    assert timeout_ms <= one.ended_ms - closed_ms <= timeout_ms + late_ms


def test_who_is_held_back_is_not_timed_out() -> None:
    attempts = _Attempts()
    (one,) = attempts.begin(1, 5_000)
    one.is_held_back = True
    while attempts.timers.now < 60_000:
        attempts.timers.ring()
        assert not one.ended_ms
    one.is_held_back = False
    began_ms = attempts.timers.now
    while not one.ended_ms:
        attempts.timers.ring()
    assert one.ended_ms - began_ms <= 7_000


def test_one_that_may_be_closed_by_others_is_broken_off_in_time() -> None:
    attempts = _Attempts()
    (one,) = attempts.begin(1, 60_000)
    one.closes, one.abort_ms = True, 5_000
    attempts.end(one)
    attempts.running[one] = None
    attempts.sweep.arm(cast(RunningAttempt, one))
    attempts.timers.ring()
    one.half_close()
    while not one.ended_ms:
        attempts.timers.ring()
    assert 5_000 <= one.ended_ms - one.touched_ms <= 6_000


def test_one_that_is_over_within_a_second_is_never_put_in_order() -> None:
    attempts = _Attempts()
    (one,) = attempts.begin(1, 60_000)
    attempts.end(one)
    assert not attempts.sweep._buckets
    (other,) = attempts.begin(1, 60_000)
    attempts.timers.ring()  # the upkeep
    assert attempts.sweep._buckets
    attempts.end(other)
    assert not any(attempts.sweep._buckets.values()) and not len(attempts.sweep)
