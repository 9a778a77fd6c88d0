"""Slots: how many attempts run at once, in all and per deployment, and who waits for one.

What goes on comes before what begins: whoever was woken by a timer or a result is late already,
and lets go of what it holds sooner. It can overtake only here, not in the queue of the service: so
only so many attempts of a service are opening (not answered yet) at a time.
"""

from collections import deque
from typing import Generic, TypeVar

from orchestrator.invoker.window import OpeningWindow

T = TypeVar("T")


class Slots(Generic[T]):
    """Counts what runs, queues what waits. Waiting deployments take turns."""

    def __init__(
        self,
        total_max: int,
        per_deployment_max: int,
        memory_bytes_max: int,
        memory_per_deployment_bytes_max: int,
    ) -> None:
        self._total_max = total_max
        self._per_deployment_max = per_deployment_max
        self._memory_bytes_max = memory_bytes_max
        self._memory_per_deployment_bytes_max = memory_per_deployment_bytes_max
        self._total = 0
        self._running: dict[str, int] = {}
        self._bounds: dict[str, int] = {}
        self._windows: dict[str, OpeningWindow] = {}
        self._waiting: dict[str, tuple[deque[T], deque[T]]] = {}  # those that go on, that begin
        self.memory_bytes = 0
        self.waiting_count = 0

    def is_over_memory(self, window: OpeningWindow) -> bool:
        """More is held than may be: in all, or by one deployment."""
        return (
            self.memory_bytes > self._memory_bytes_max
            or window.memory_bytes > self._memory_per_deployment_bytes_max
        )

    def has_room(self, deployment: str) -> bool:
        """Whether one more attempt of a deployment may run now."""
        return not self.is_full and not self.is_deployment_full(deployment)

    @property
    def is_full(self) -> bool:
        """No deployment gets a slot. Something always runs, however much memory it needs."""
        if self._total >= self._total_max:
            return True
        return self.memory_bytes >= self._memory_bytes_max and self._total > 0

    def is_deployment_full(self, deployment: str) -> bool:
        """It has no slot, no memory, or enough to begin with."""
        running = self._running.get(deployment, 0)
        if not running:
            return False
        if self.is_short(deployment):
            return True
        window = self._windows[deployment]
        if window.memory_bytes >= self._memory_per_deployment_bytes_max:
            return True
        return window.is_full(running - window.count)

    def is_short(self, deployment: str) -> bool:
        """All its slots are taken: one has to end before another can begin."""
        slots_max = self._bounds.get(deployment, self._per_deployment_max)
        return self._running.get(deployment, 0) >= slots_max

    def bound(self, deployment: str, slots_max: int) -> None:
        """Give it fewer slots than others."""
        self._bounds[deployment] = min(slots_max, self._per_deployment_max)

    @property
    def short_of_slots(self) -> bool:
        """Something waits until another ends."""
        return self.waiting_count > 0 and (
            self.is_full or any(self.is_short(deployment) for deployment in self._waiting)
        )

    def take(self, deployment: str) -> OpeningWindow:
        """One more runs; it is opening until the window is told otherwise."""
        self._total += 1
        self._running[deployment] = self._running.get(deployment, 0) + 1
        window = self._windows.get(deployment)
        if window is None:
            window = self._windows[deployment] = OpeningWindow()
        window.count += 1
        return window

    def give(self, deployment: str, memory_bytes: int) -> None:
        self._total -= 1
        self.memory_bytes -= memory_bytes
        left = self._running[deployment] - 1
        if left:
            self._running[deployment] = left
        else:
            del self._running[deployment]

    def wait(self, deployment: str, item: T, *, goes_on: bool = False) -> None:
        """Queue behind those of the same deployment and kind."""
        queues = self._waiting.get(deployment)
        if queues is None:
            queues = self._waiting[deployment] = (deque(), deque())
        queues[0 if goes_on else 1].append(item)
        self.waiting_count += 1

    def waiting_of(self, deployment: str) -> int:
        queues = self._waiting.get(deployment)
        return 0 if queues is None else len(queues[0]) + len(queues[1])

    def has_waiting(self, deployment: str, *, goes_on: bool) -> bool:
        """Whether one that comes now has others before it."""
        queues = self._waiting.get(deployment)
        return queues is not None and bool(queues[0] or (queues[1] and not goes_on))

    def next(self) -> T | None:
        """The next that may run now, or None; its deployment goes behind the others."""
        if not self.waiting_count or self.is_full:
            return None
        for deployment, queues in self._waiting.items():
            if not self.is_deployment_full(deployment):
                item = (queues[0] or queues[1]).popleft()
                self.waiting_count -= 1
                del self._waiting[deployment]
                if queues[0] or queues[1]:
                    self._waiting[deployment] = queues
                return item
        return None
