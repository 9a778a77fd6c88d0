"""Idle streams make way for attempts that wait for a slot: they are asked to suspend."""

import heapq
from collections.abc import Collection
from typing import Final

from orchestrator.invoker.running import RunningAttempt
from orchestrator.invoker.slots import Slots

_IDLE_MS: Final = 20  # a stream that was quiet for this long may be asked to suspend
_SUSPENDING_MAX: Final = 64  # asked at a time: these requests delay those that wake the service
_SUSPENDING_MS: Final = 100  # an attempt that has not suspended by then is in the middle of a step
_LOOKED_AT_PER_MS: Final = 50


class MakeWay:
    """Looks for the longest idle, as many as there are attempts waiting."""

    def __init__(self, slots: Slots) -> None:
        self._slots = slots
        self._look_at_ms = 0  # not before

    def suspend_idle(self, all_running: Collection[RunningAttempt], now_ms: int) -> None:
        """Ask idle streams to suspend. It costs about a microsecond for each running attempt, so
        the more run the later is the next call: a few percent of the time at most."""
        if now_ms < self._look_at_ms or not self._slots.short_of_slots:
            return
        self._look_at_ms = now_ms + len(all_running) // _LOOKED_AT_PER_MS
        closing = asked = 0
        idle: list[RunningAttempt] = []
        contended = self._slots.contended_count
        for running in all_running:
            if running.duplex and running.attempt.input_closed:
                closing += 1
                asked += running.touched_ms > now_ms - _SUSPENDING_MS
            elif (
                running.may_close
                and running.touched_ms <= now_ms - _IDLE_MS
                and self._is_in_the_way(running.deployment, contended)
            ):
                idle.append(running)
        wanted = min(self._slots.waiting_count - closing, _SUSPENDING_MAX - asked)
        if wanted > 0:
            for running in heapq.nsmallest(wanted, idle, key=lambda r: r.touched_ms):
                running.half_close()

    def _is_in_the_way(self, deployment: str, contended: int | None) -> bool:
        """Whether it holds a slot that others wait for, of any deployment or of its own."""
        slots = self._slots
        if contended is not None and slots.running_of(deployment) >= contended:
            return True
        return bool(slots.waiting_of(deployment)) and slots.is_short(deployment)
