"""What one round of the event loop does of what is to be done to thousands of attempts."""

from collections.abc import Callable
from functools import partial
from typing import Final, TypeVar

from orchestrator.runtime.scheduler import CallSoon, Scheduler

AT_ONCE: Final = 200  # each costs some ten microseconds
VALUES_MAX: Final = 2_000
VALUE_BYTES: Final = 2 * 1024  # that many bytes, read and sent, cost as much as a value
SMALL_COUNT: Final = 100  # a state up to this does not count
LARGE_BYTES: Final = SMALL_COUNT * VALUE_BYTES
T = TypeVar("T")


def in_slices(
    scheduler: Scheduler,
    left: list[T],
    act: Callable[[T], object],
    after: Callable[[], object] = lambda: None,
) -> None:
    """Call `act` for each, from the end of the list, the first slice now, and `after` after each
    slice. An attempt may have ended before its slice comes."""
    for one in left[: -AT_ONCE - 1 : -1]:
        act(one)
    del left[-AT_ONCE:]
    after()
    if left:
        scheduler.call_later(0, partial(in_slices, scheduler, left, act, after))


class RoundBudget:
    """How much large state, input and journal may go along with the attempts that one round begins:
    reading and writing 5,000 values takes 20 ms. Attempts beyond it wait as for a slot. `refilled`
    is called in the round after one that spent it."""

    __slots__ = ("_call_soon", "_left", "_refilled")

    def __init__(self, call_soon: CallSoon, refilled: Callable[[], None]) -> None:
        self._call_soon = call_soon
        self._refilled = refilled
        self._left = VALUES_MAX

    @property
    def is_spent(self) -> bool:
        return self._left <= 0

    def spend(self, values_count: int, size_bytes: int) -> None:
        """An attempt begins with so many values of state, and so many bytes in all."""
        cost = max(values_count, size_bytes // VALUE_BYTES)
        if cost > SMALL_COUNT:
            was_spent = self.is_spent
            self._left -= cost
            if self.is_spent and not was_spent:
                self._call_soon(self._refill)

    def _refill(self) -> None:
        self._left = VALUES_MAX
        self._refilled()
