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
    """Act on each, from the end of the list, the first slice now; `after` each slice. What is on
    the list may be over by the time of its turn."""
    for one in left[: -AT_ONCE - 1 : -1]:
        act(one)
    del left[-AT_ONCE:]
    after()
    if left:
        scheduler.call_later(0, partial(in_slices, scheduler, left, act, after))
