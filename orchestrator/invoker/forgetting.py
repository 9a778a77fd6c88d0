"""Forgetting the attempts of a partition that is not led here any more, in slices."""

from collections.abc import Callable
from functools import partial
from typing import Final

from orchestrator.invoker.port import LedPartition
from orchestrator.invoker.running import RunningAttempt
from orchestrator.invoker.slot_queue import SlotWaiter
from orchestrator.invoker.slots import Slots
from orchestrator.runtime.scheduler import Scheduler

FORGOTTEN_AT_ONCE: Final = 200

Attempts = list[SlotWaiter | RunningAttempt]


class Forgetting:
    """Drops what runs and what waits; what a service says meanwhile is proposed to nobody."""

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
        self._slice([one for one in known if one.source is source])

    def _slice(self, gone: Attempts) -> None:
        """From the end: those that wait first, so that none of them gets the slot of another."""
        for one in gone[-FORGOTTEN_AT_ONCE:]:
            if isinstance(one, SlotWaiter):
                if not one.is_gone and self._slots.find(one.id) is one:
                    self._slots.leave(one)
            elif self._running.get(one.id) is one:
                self._drop(one)
        del gone[-FORGOTTEN_AT_ONCE:]
        self._dropped()
        if gone:
            self._scheduler.call_later(0, partial(self._slice, gone))
