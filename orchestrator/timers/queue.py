"""Timers due soon, in order; those due later stay rows of a table until the horizon reaches them.

Pure: the caller gives the times and the rows. A key starts with its due time in Unix ms,
big-endian. What is held waits by the monotonic clock, so that it comes in time when the wall clock
is set; what is not held yet follows the wall clock.
"""

import heapq
from collections.abc import Iterator

WINDOW_MS = 60_000  # how far ahead rows are held in the heap
AHEAD_MS = 20_000  # the next window is loaded this long before the heap runs dry
HELD_MAX = 10_000  # no more are loaded while more than this are held; at most twice as many are
DUE_BYTES = 8


def due_of(key: bytes) -> int:
    """The due time that a key starts with, in Unix ms."""
    return int.from_bytes(key[:DUE_BYTES], "big")


class TimerQueue:
    """One partition's timers. Holds every timer whose key is below `horizon`, and a few others."""

    __slots__ = ("_heap", "_held", "_window_ms", "horizon")

    def __init__(self, window_ms: int = WINDOW_MS) -> None:
        self._window_ms = window_ms
        self._heap: list[tuple[int, bytes]] = []  # monotonic ms, key; keys break ties
        self._held: dict[bytes, int] = {}  # the latest due time by key
        self.horizon = b""

    def __len__(self) -> int:
        return len(self._held)

    def add(self, key: bytes, wait_ms: int, monotonic_ms: int) -> bool:
        """A timer was armed; True if it is now the first one due."""
        if key >= self.horizon and (wait_ms >= self._window_ms or self._is_full()):
            return False
        is_first = self._hold(key, monotonic_ms + wait_ms)
        if len(self._held) > 2 * HELD_MAX:
            self._let_go()
        return is_first

    def _hold(self, key: bytes, at_ms: int) -> bool:
        held_ms = self._held.get(key)
        if held_ms is not None and held_ms <= at_ms:
            return False
        self._held[key] = at_ms
        heapq.heappush(self._heap, (at_ms, key))
        return self._heap[0][1] is key

    def _let_go(self) -> None:
        """Too many timers were armed below the horizon: drop the later ones, which are loaded
        again in time."""
        keys = sorted(self._held)
        self.horizon = min(self.horizon, keys[HELD_MAX])
        for key in keys[HELD_MAX:]:
            del self._held[key]
        self._heap = [(at_ms, key) for key, at_ms in self._held.items()]
        heapq.heapify(self._heap)

    def needs_load(self, now_ms: int) -> bool:
        """Whether rows from the horizon on should be loaded now."""
        return now_ms + AHEAD_MS >= due_of(self.horizon) and not self._is_full()

    def load(self, now_ms: int, monotonic_ms: int, keys: Iterator[bytes], count_max: int) -> bool:
        """Take at most so many keys of the table, in order from the horizon on.

        True if there are more in the window: the next load goes on where this one ended.
        """
        end = (now_ms + self._window_ms).to_bytes(DUE_BYTES, "big")
        for taken, key in enumerate(keys):
            if key >= end:
                break
            if taken == count_max:
                self.horizon = key
                return True
            self._hold(key, monotonic_ms + max(0, due_of(key) - now_ms))
        self.horizon = max(self.horizon, end)
        return False

    def clock_set_back(self, now_ms: int) -> None:
        """The wall clock was set back: what is armed beyond the new window stays a row."""
        self.horizon = min(self.horizon, (now_ms + self._window_ms).to_bytes(DUE_BYTES, "big"))

    def due(self, monotonic_ms: int, count_max: int) -> list[bytes]:
        """Take out at most `count_max` keys that are due, the earliest first."""
        taken: list[bytes] = []
        while len(taken) < count_max and self.is_due(monotonic_ms):
            _, key = heapq.heappop(self._heap)
            del self._held[key]
            taken.append(key)
        return taken

    def is_due(self, monotonic_ms: int) -> bool:
        first_ms = self.first_ms()
        return first_ms is not None and first_ms <= monotonic_ms

    def first_ms(self) -> int | None:
        """When the first one is due, by the monotonic clock."""
        heap, held = self._heap, self._held
        while heap and held.get(heap[0][1]) != heap[0][0]:
            heapq.heappop(heap)
        return heap[0][0] if heap else None

    def load_in_ms(self, now_ms: int) -> int | None:
        """How long until rows are to be loaded; None while it holds enough."""
        return None if self._is_full() else max(0, due_of(self.horizon) - AHEAD_MS - now_ms)

    def _is_full(self) -> bool:
        return len(self._held) > HELD_MAX
