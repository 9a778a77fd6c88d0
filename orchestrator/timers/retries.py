"""Retries that wait for their time, in memory: state has the time, a recovery arms them anew.

They wait by the monotonic clock: a backoff is as long as it was meant to be, whatever becomes of
the wall clock.
"""

import heapq
from typing import NamedTuple


class Retry(NamedTuple):
    """An attempt to start at `due_ms` (monotonic); `at_ms` is the Unix time that state has."""

    due_ms: int
    id: bytes
    incarnation: int
    at_ms: int


class RetryQueue:
    """One partition's retries; the last time armed for an invocation counts."""

    __slots__ = ("_armed", "_heap")

    def __init__(self) -> None:
        self._heap: list[Retry] = []
        self._armed: dict[bytes, Retry] = {}

    def __len__(self) -> int:
        return len(self._armed)

    def arm(self, retry: Retry) -> None:
        """Armed once more for the same time, it is due when it was."""
        armed = self._armed.get(retry.id)
        if armed is not None and armed[2:] == retry[2:] and armed.due_ms <= retry.due_ms:
            return
        self._armed[retry.id] = retry
        heapq.heappush(self._heap, retry)

    def drop(self, invocation_id: bytes) -> None:
        """It starts for another reason, or is over."""
        self._armed.pop(invocation_id, None)

    def due(self, monotonic_ms: int, count_max: int) -> list[Retry]:
        """Take out at most `count_max` that are due, in order."""
        taken: list[Retry] = []
        while len(taken) < count_max and self.is_due(monotonic_ms):
            retry = heapq.heappop(self._heap)
            del self._armed[retry.id]
            taken.append(retry)
        return taken

    def is_due(self, monotonic_ms: int) -> bool:
        first_ms = self.first_ms()
        return first_ms is not None and first_ms <= monotonic_ms

    def first_ms(self) -> int | None:
        """When the first one is due, by the monotonic clock."""
        heap, armed = self._heap, self._armed
        while heap and armed.get(heap[0].id) != heap[0]:
            heapq.heappop(heap)
        return heap[0].due_ms if heap else None
