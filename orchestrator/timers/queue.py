"""Timers due soon, in order; those due later stay rows of a table until the horizon reaches them.

Pure: the caller gives the time and the rows. A key starts with its due time, big-endian.
"""

import heapq
from collections.abc import Iterator

WINDOW_MS = 60_000  # how far ahead rows are held in the heap
AHEAD_MS = 20_000  # the next window is loaded this long before the heap runs dry
LOADED_MAX = 20_000  # rows taken by one load; past this the horizon moves less far
DUE_BYTES = 8


def due_of(key: bytes) -> int:
    """The due time that a key starts with."""
    return int.from_bytes(key[:DUE_BYTES], "big")


class TimerQueue:
    """One partition's timers. Holds every timer due before `horizon_ms`, and no other."""

    __slots__ = ("_heap", "_held", "horizon_ms")

    def __init__(self) -> None:
        self._heap: list[bytes] = []  # keys sort as their due times do
        self._held: set[bytes] = set()
        self.horizon_ms = 0

    def __len__(self) -> int:
        return len(self._heap)

    def add(self, key: bytes) -> bool:
        """A timer was armed, or must be tried again; True if it is now the first one due."""
        if due_of(key) >= self.horizon_ms or key in self._held:
            return False
        self._held.add(key)
        heapq.heappush(self._heap, key)
        return self._heap[0] is key

    def needs_load(self, now_ms: int) -> bool:
        """Whether rows up to a new horizon should be loaded now."""
        return now_ms + AHEAD_MS >= self.horizon_ms and not self._is_full()

    def load(self, now_ms: int, keys: Iterator[bytes]) -> None:
        """Take keys from the table, in order, beginning at the old horizon."""
        before_ms = max(self.horizon_ms, now_ms + WINDOW_MS)
        taken: list[bytes] = []
        for key in keys:
            due_ms = due_of(key)
            if due_ms >= before_ms:
                break
            if len(taken) >= LOADED_MAX and due_ms > due_of(taken[-1]):
                before_ms = due_ms
                break
            taken.append(key)
        self.horizon_ms = before_ms
        for key in taken:
            self.add(key)

    def due(self, now_ms: int, count_max: int) -> list[bytes]:
        """Take out at most `count_max` keys that are due, the earliest first."""
        heap = self._heap
        taken: list[bytes] = []
        while heap and len(taken) < count_max and due_of(heap[0]) <= now_ms:
            key = heapq.heappop(heap)
            self._held.discard(key)
            taken.append(key)
        return taken

    def next_ms(self) -> int:
        """When to look again: something is due, or rows are to be loaded."""
        load_ms = self.horizon_ms - AHEAD_MS
        if not self._heap:
            return load_ms
        first_ms = due_of(self._heap[0])
        return first_ms if self._is_full() else min(first_ms, load_ms)

    def _is_full(self) -> bool:
        return len(self._heap) > LOADED_MAX // 2
