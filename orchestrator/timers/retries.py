"""Retries that wait for their time, in memory: state has the time, a recovery arms them anew."""

import heapq
from typing import NamedTuple


class Retry(NamedTuple):
    """An attempt to start at `at_ms`."""

    at_ms: int
    id: bytes
    incarnation: int


class RetryQueue:
    """One partition's retries; the last time armed for an invocation counts."""

    __slots__ = ("_armed", "_heap")

    def __init__(self) -> None:
        self._heap: list[Retry] = []
        self._armed: dict[bytes, Retry] = {}

    def __len__(self) -> int:
        return len(self._armed)

    def arm(self, retry: Retry) -> None:
        if self._armed.get(retry.id) != retry:
            self._armed[retry.id] = retry
            heapq.heappush(self._heap, retry)

    def drop(self, invocation_id: bytes) -> None:
        """It starts for another reason, or is over."""
        self._armed.pop(invocation_id, None)

    def due(self, now_ms: int) -> list[Retry]:
        """Take out what is due, in order."""
        heap, armed, taken = self._heap, self._armed, []
        while heap and heap[0].at_ms <= now_ms:
            retry = heapq.heappop(heap)
            if armed.get(retry.id) == retry:
                del armed[retry.id]
                taken.append(retry)
        return taken

    def next_ms(self) -> int | None:
        heap, armed = self._heap, self._armed
        while heap and armed.get(heap[0].id) != heap[0]:
            heapq.heappop(heap)
        return heap[0].at_ms if heap else None
