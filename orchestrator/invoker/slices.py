"""What is done to thousands of attempts, a slice of them in each round of the event loop."""

from collections.abc import Callable
from functools import partial
from typing import Final, TypeVar

from orchestrator.runtime.scheduler import Scheduler

AT_ONCE: Final = 200  # each costs some ten microseconds
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
