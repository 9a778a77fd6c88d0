"""What attempts hold in memory, and those that wait until some is free.

A deployment that is over its share of memory has its attempts held back in the middle of a large
message: the service sends no more of it than its window. One attempt of each deployment goes on
all the same: of several large messages none would ever be complete otherwise.
"""

from collections.abc import Callable, Collection
from itertools import islice
from typing import Final

from orchestrator.invoker.port import LedPartition
from orchestrator.invoker.running import RunningAttempt
from orchestrator.invoker.slots import Slots

WAITING_MAX: Final = 64  # of one deployment, each with up to a window of what it sends
_RESUMED_AT_ONCE: Final = 4
_LOOKED_AT_ONCE: Final = 64


class AttemptMemory:
    """Of all attempts that run. `held_back`: partitions whose attempts are not read now."""

    def __init__(
        self, slots: Slots, held_back: Collection[LedPartition], freed: Callable[[], None]
    ) -> None:
        self._slots = slots
        self._held_back = held_back
        self._freed = freed
        self._waiting: dict[RunningAttempt, None] = {}

    def hold(self, running: RunningAttempt, size_bytes: int) -> bool:
        """Count memory that an attempt needs, or frees; False if that is more than there is."""
        slots = self._slots
        running.memory_bytes += size_bytes
        running.window.memory_bytes += size_bytes
        slots.memory_bytes += size_bytes
        if size_bytes > 0:
            return not slots.is_over_memory(running.deployment)
        if size_bytes < 0:
            if self._waiting:
                self._resume()
            if slots.waiting_count:
                self._freed()
        return True

    def wait(self, running: RunningAttempt) -> bool:
        """Hold it back until there is memory; False if too many wait already."""
        window = running.window
        if running not in self._waiting:
            if window.waiting_count >= WAITING_MAX or running.exchange is None:
                return False
            window.waiting_count += 1
            self._waiting[running] = None
            running.exchange.hold_back(True)
        return True

    def hold_back(self, running: RunningAttempt) -> None:
        """Its partition takes nothing for now, or takes something again."""
        if running.exchange is not None:
            is_held_back = running.source in self._held_back or running in self._waiting
            running.exchange.hold_back(is_held_back)

    def release(self, running: RunningAttempt) -> None:
        """It is over, and gives its slot and its memory back."""
        self._leave(running)
        self._slots.give(running.deployment, running.memory_bytes)
        running.window.release(running, running.memory_bytes)
        running.memory_bytes = 0
        if self._waiting:
            self._resume()

    def _leave(self, running: RunningAttempt) -> None:
        if running in self._waiting:
            del self._waiting[running]
            running.window.waiting_count -= 1

    def _resume(self) -> None:
        """Let some go on, those first that have waited longest."""
        left = _RESUMED_AT_ONCE
        for running in list(islice(self._waiting, _LOOKED_AT_ONCE)):
            window = running.window
            is_over = self._slots.is_over_memory(running.deployment)
            self._leave(running)
            if is_over and window.exceeds is not None:
                window.waiting_count += 1
                self._waiting[running] = None  # behind those of other deployments
                continue
            if is_over:
                window.exceeds = running
            self.hold_back(running)
            left -= 1
            if not left:
                return
