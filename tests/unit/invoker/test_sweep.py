"""The sweep: timeouts in time, and in slices when thousands are due together."""

from collections.abc import Callable
from itertools import pairwise
from types import SimpleNamespace
from typing import Any, cast

from orchestrator.invoker.pools import Pools
from orchestrator.invoker.running import RunningAttempt
from orchestrator.invoker.sweep import ACTED_AT_ONCE, PERIOD_S, Sweep


class _Timers:
    """A clock and a scheduler of which a test turns the hands."""

    def __init__(self) -> None:
        self.now = 1_000
        self.due: list[tuple[float, Callable[[], None]]] = []

    def monotonic_ms(self) -> int:
        return self.now

    def call_later(self, delay_s: float, call: Callable[[], None]) -> Any:
        entry = (delay_s, call)
        self.due.append(entry)
        return SimpleNamespace(cancel=lambda: self.due.remove(entry))

    def ring(self) -> float:
        """What is due next; after how long."""
        delay_s, call = self.due.pop(0)
        self.now += int(delay_s * 1000)
        call()
        return delay_s


class _Stuck:
    """An attempt whose service does not move."""

    inactivity_ms = abort_ms = 500
    may_close = False
    touched_ms = 0

    def __init__(self, running: list["_Stuck"]) -> None:
        self._running = running
        self.attempt = SimpleNamespace(over=False)

    def time_out(self, message: str) -> None:
        assert not self.attempt.over
        self.attempt.over = True
        self._running.remove(self)


def test_thousands_that_are_due_together_end_in_slices() -> None:
    timers = _Timers()
    running: list[_Stuck] = []
    running += [_Stuck(running) for _ in range(1_050)]
    listed = cast(Callable[[], list[RunningAttempt]], lambda: list(running))
    pools = cast(Pools, SimpleNamespace(sweep=lambda now_s: None))
    sweep = Sweep(cast(Any, timers), cast(Any, timers), listed, pools)
    sweep.arm(cast(RunningAttempt, running[0]))
    left = [len(running)]
    while running:
        timers.ring()
        left.append(len(running))
    assert max(a - b for a, b in pairwise(left)) == ACTED_AT_ONCE
    assert len(left) == 1 + 11
    assert [delay_s for delay_s, _ in timers.due] in ([], [PERIOD_S])


def test_who_ends_between_two_slices_is_left_alone() -> None:
    timers = _Timers()
    running: list[_Stuck] = []
    running += [_Stuck(running) for _ in range(ACTED_AT_ONCE + 5)]
    listed = cast(Callable[[], list[RunningAttempt]], lambda: list(running))
    pools = cast(Pools, SimpleNamespace(sweep=lambda now_s: None))
    sweep = Sweep(cast(Any, timers), cast(Any, timers), listed, pools)
    sweep.arm(cast(RunningAttempt, running[0]))
    timers.ring()
    for stuck in running:
        stuck.attempt.over = True
    timers.ring()
    assert len(running) == 5, "nobody timed them out"
