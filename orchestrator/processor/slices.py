"""Long work in slices: one slice a round of the event loop, so that nothing else waits for long.

Whoever has work that grows with what is stored or with who waits does a bounded part of it at a
time. All such work of a process takes turns, so that no partition holds up another one's.
"""

import asyncio
from collections import deque
from collections.abc import Callable

from orchestrator.runtime.scheduler import Scheduler

Slice = Callable[[], bool]
"""Does a bounded part, a few milliseconds of it; True if there is more. Must not raise."""


class Slices:
    """Work under way, in the order in which it gets its turn."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._queue: deque[Slice] = deque()
        self._is_due = False

    def __len__(self) -> int:
        return len(self._queue)

    def add(self, work: Slice) -> None:
        """Do it a slice at a time, beginning with the next round of the loop."""
        self._queue.append(work)
        self._run_soon()

    async def turn(self) -> None:
        """Returns in a round of the loop in which no other slice begins: for one that is part of a
        coroutine, until its next await."""
        is_now = asyncio.Event()

        def begin() -> bool:
            is_now.set()
            return False

        self.add(begin)
        await is_now.wait()

    def _run_soon(self) -> None:
        if not self._is_due:
            self._is_due = True
            self._scheduler.call_soon(self._run)

    def _run(self) -> None:
        self._is_due = False
        work = self._queue.popleft()
        if work():
            self._queue.append(work)
        if self._queue:
            self._run_soon()
