"""Slots: how many attempts run at once, in all and per deployment, and who waits for one.

The rule of shares: a deployment may take one more slot while more are free than it holds. One
deployment alone gets half of all slots, a second one half of the rest, and so on; several busy ones
get equal shares. `FEW` slots are a deployment's own, even when none is free: a service that answers
gets slots however many others hang. Nothing is taken away from an attempt that runs. Memory follows
the same rule.

What a recovery brought back takes turns with what is new: a new call does not wait for all of it.
What goes on comes before what begins: an attempt that a timer or a result woke is late already, and
will free what it holds sooner. It can overtake only here, not in the queue of the service: so the
number of attempts of a service that are opening (not answered yet) is bounded.
"""

from collections import OrderedDict
from typing import Final

from orchestrator.invoker.port import LedPartition
from orchestrator.invoker.slot_queue import Index, SlotQueue, SlotWaiter
from orchestrator.invoker.window import OpeningWindow

FEW: Final = 8  # attempts_max is exceeded by no more than this for each deployment
FEW_BYTES: Final = 4 * 1024 * 1024  # the same for memory; one attempt may always hold more
_FEW_PART: Final = 8  # neither is more than this part of a small limit
_LOOKED_AT_MAX: Final = 64  # waiting deployments that are considered for one free slot


class Slots:
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
        self._few = max(min(FEW, total_max // _FEW_PART), 1)
        few_bytes = min(FEW_BYTES, memory_bytes_max // _FEW_PART)
        self._few_bytes = min(few_bytes, memory_per_deployment_bytes_max)
        self._total = 0
        self._running: dict[str, int] = {}
        self._bounds: dict[str, int] = {}
        self._windows: dict[str, OpeningWindow] = {}
        self._waiting: OrderedDict[str, SlotQueue] = OrderedDict()
        self._held: Index = {}
        self.memory_bytes = 0
        self.waiting_count = 0

    # --- room ---

    def has_room(self, deployment: str) -> bool:
        """Whether one more attempt of a deployment may run now: it has a slot and memory, and not
        too many that its service has not answered yet."""
        running = self._running.get(deployment, 0)
        if not running:
            return True
        free = self._total_max - self._total  # as `is_short`, without its calls
        if running >= free and running >= self._few:
            return False
        if running >= self._bounds.get(deployment, self._per_deployment_max):
            return False
        window = self._windows[deployment]
        memory_bytes = window.memory_bytes
        if memory_bytes >= self._few_bytes and memory_bytes >= self._memory_share_bytes:
            return False
        return not window.is_full(running - window.count)

    def is_short(self, deployment: str) -> bool:
        """Its share of slots is taken: one has to end before another can begin."""
        running = self._running.get(deployment, 0)
        return running >= self._share or running >= self._bound_of(deployment)

    def is_over_memory(self, deployment: str) -> bool:
        """It holds more memory than its share. Its only attempt may always hold what it needs."""
        memory_bytes = self._windows[deployment].memory_bytes
        if memory_bytes <= self._few_bytes or self._running.get(deployment, 0) <= 1:
            return False
        return memory_bytes > self._memory_share_bytes

    @property
    def _share(self) -> int:
        return max(self._total_max - self._total, self._few)

    @property
    def _memory_share_bytes(self) -> int:
        free_bytes = self._memory_bytes_max - self.memory_bytes
        return min(max(free_bytes, self._few_bytes), self._memory_per_deployment_bytes_max)

    def _bound_of(self, deployment: str) -> int:
        return self._bounds.get(deployment, self._per_deployment_max)

    def bound(self, deployment: str, slots_max: int) -> None:
        """Give it fewer slots than others."""
        self._bounds[deployment] = min(slots_max, self._per_deployment_max)

    # --- those that run ---

    def running_of(self, deployment: str) -> int:
        return self._running.get(deployment, 0)

    def take(self, deployment: str) -> OpeningWindow:
        """One more runs; it counts as opening until its window hears of the answer."""
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

    # --- those that wait ---

    @property
    def short_of_slots(self) -> bool:
        """Something waits until another ends."""
        return any(self.is_short(deployment) for deployment in self._waiting)

    @property
    def contended_count(self) -> int | None:
        """The fewest attempts that a deployment runs which waits because too few slots are free:
        whoever runs as many or more is in its way. None if nothing waits for that reason."""
        share = self._share
        return min(
            (
                running
                for deployment in self._waiting
                if share <= (running := self.running_of(deployment)) < self._bound_of(deployment)
            ),
            default=None,
        )

    def wait(self, waiter: SlotWaiter) -> None:
        """Queue behind those of the same deployment and kind; one that can be found must not be
        there yet."""
        line = self._waiting.get(waiter.deployment)
        if line is None:
            line = self._waiting[waiter.deployment] = SlotQueue(waiter.deployment, self._held)
        line.add(waiter)
        self.waiting_count += 1

    def find(self, invocation_id: bytes) -> SlotWaiter | None:
        """One that waits; not if very many of its kind came before it."""
        return self._held.get(invocation_id)

    def held(self) -> list[SlotWaiter]:
        """Those that can be found."""
        return list(self._held.values())

    def leave(self, waiter: SlotWaiter) -> None:
        """One that was found does not wait any more."""
        line = self._waiting[waiter.deployment]
        line.remove(waiter)
        self.waiting_count -= 1
        if not line:
            del self._waiting[waiter.deployment]

    def forget(self, source: LedPartition) -> None:
        """Those of a partition that cannot be found do not wait any more."""
        for deployment, line in list(self._waiting.items()):
            self.waiting_count -= len(line)
            line.forget(source)
            self.waiting_count += len(line)
            if not line:
                del self._waiting[deployment]

    def clear(self) -> None:
        """Nothing waits any more."""
        self._waiting.clear()
        self._held.clear()
        self.waiting_count = 0

    def waiting_of(self, deployment: str) -> int:
        line = self._waiting.get(deployment)
        return 0 if line is None else len(line)

    def has_waiting(self, deployment: str, *, goes_on: bool, is_recovered: bool = False) -> bool:
        """Whether one that comes now has others before it."""
        line = self._waiting.get(deployment)
        return line is not None and line.has_before(goes_on, is_recovered)

    def next(self) -> SlotWaiter | None:
        """The next that may run now, or None; its deployment goes behind the others. Of very many
        deployments only some are looked at, at the next call the others."""
        waiting = self._waiting
        for _ in range(min(len(waiting), _LOOKED_AT_MAX)):
            deployment, line = waiting.popitem(last=False)
            waiter = None
            if self.has_room(deployment):
                self.waiting_count -= len(line)
                waiter = line.take()
                self.waiting_count += len(line)
            if line:
                waiting[deployment] = line
            if waiter is not None:
                return waiter
        return None
