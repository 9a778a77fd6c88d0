"""Forgetting the attempts of partitions that are not led here any more, in slices."""

from collections.abc import Callable
from itertools import islice

from orchestrator.invoker.port import LedPartition
from orchestrator.invoker.running import RunningAttempt
from orchestrator.invoker.slices import AT_ONCE, in_slices
from orchestrator.invoker.slot_queue import SlotWaiter
from orchestrator.invoker.slots import Slots
from orchestrator.runtime.scheduler import Scheduler

Attempts = list[SlotWaiter | RunningAttempt]


class Forgetting:
    """Drops the attempts that run or wait; what a service sends meanwhile is ignored."""

    def __init__(
        self,
        scheduler: Scheduler,
        slots: Slots,
        running: dict[bytes, RunningAttempt],
        drop: Callable[[RunningAttempt], None],
        dropped: Callable[[], None],
    ) -> None:
        """`dropped` is called after each slice: there is room for others."""
        self._scheduler = scheduler
        self._slots = slots
        self._running = running
        self._drop = drop
        self._dropped = dropped

    def forget(self, source: LedPartition) -> None:
        """All attempts of a partition; the first slice now."""
        self._slots.forget(source)
        known: Attempts = [*self._running.values(), *self._slots.held()]
        # From the end: those that wait first, so that none of them gets a slot that is freed.
        gone = [one for one in known if one.source is source]
        in_slices(self._scheduler, gone, self._let_go, self._dropped)

    async def drop_all(self) -> None:
        """What runs, of all partitions."""
        while self._running:
            for running in list(islice(self._running.values(), AT_ONCE)):
                self._drop(running)
            await self._scheduler.sleep(0)

    def _let_go(self, one: SlotWaiter | RunningAttempt) -> None:
        if isinstance(one, SlotWaiter):
            if not one.is_gone and self._slots.find(one.id) is one:
                self._slots.leave(one)
        elif self._running.get(one.id) is one:
            self._drop(one)
