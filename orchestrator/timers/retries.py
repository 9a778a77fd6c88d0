"""Retries that wait for their time, in memory: state has the time, a recovery arms them anew.

They wait by the monotonic clock: a backoff is as long as it was meant to be, whatever becomes of
the wall clock. While very many wait (a service with a million invocations is down), the others are
packed by the second in which they are due, about 50 bytes each, and looked at when it comes.
"""

import heapq
import struct
from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple

ARMED_MAX: Final = 1_000  # past this, another one that is armed is packed
PACKED_PAGE_BYTES: Final = 16 << 10  # of packed ones: about 300, loaded at once
_BUCKET_MS: Final = 1_000
_NUMBERS: Final = struct.Struct(">QQQ")


class Retry(NamedTuple):
    """An attempt to start at `due_ms` (monotonic); `at_ms` is the Unix time that state has."""

    due_ms: int
    id: bytes
    incarnation: int
    at_ms: int


class RetryQueue:
    """One partition's retries; the last time armed for an invocation counts."""

    __slots__ = ("_armed", "_buckets", "_heap", "_is_owed", "_packed", "_packed_count")

    def __init__(self, is_owed: Callable[[Retry], bool]) -> None:
        """`is_owed`: whether state still has a retry; one that is packed cannot be dropped."""
        self._is_owed = is_owed
        self._heap: list[Retry] = []
        self._armed: dict[bytes, Retry] = {}
        self._buckets: list[int] = []  # a heap of the seconds in which packed ones are due
        self._packed: dict[int, deque[bytearray]] = {}
        self._packed_count = 0

    def __len__(self) -> int:
        return len(self._armed) + self._packed_count

    def arm(self, retry: Retry) -> None:
        """Arm a retry. Arming it again for the same time does not put it off."""
        armed = self._armed.get(retry.id)
        if armed is None and len(self._armed) >= ARMED_MAX:
            self._pack(retry)
        elif armed is None or armed[2:] != retry[2:] or retry.due_ms < armed.due_ms:
            self._hold(retry)

    def _hold(self, retry: Retry) -> None:
        self._armed[retry.id] = retry
        heapq.heappush(self._heap, retry)

    def drop(self, invocation_id: bytes) -> None:
        """The attempt starts for another reason, or the invocation is over."""
        self._armed.pop(invocation_id, None)

    def due(self, monotonic_ms: int, count_max: int) -> list[Retry]:
        """Take out at most `count_max` that are due, in order. Fewer, or none, may be taken while
        packed ones are loaded: `is_due` tells whether there are more."""
        if self._buckets and self._buckets[0] * _BUCKET_MS <= monotonic_ms:
            self._load()
        taken: list[Retry] = []
        first_ms = self._first_held_ms()
        while len(taken) < count_max and first_ms is not None and first_ms <= monotonic_ms:
            retry = heapq.heappop(self._heap)
            del self._armed[retry.id]
            taken.append(retry)
            first_ms = self._first_held_ms()
        return taken

    def is_due(self, monotonic_ms: int) -> bool:
        first_ms = self.first_ms()
        return first_ms is not None and first_ms <= monotonic_ms

    def first_ms(self) -> int | None:
        """When to look at the first one, by the monotonic clock."""
        held_ms = self._first_held_ms()
        if not self._buckets:
            return held_ms
        packed_ms = self._buckets[0] * _BUCKET_MS
        return packed_ms if held_ms is None else min(held_ms, packed_ms)

    def _first_held_ms(self) -> int | None:
        heap, armed = self._heap, self._armed
        while heap and armed.get(heap[0].id) != heap[0]:
            heapq.heappop(heap)
        return heap[0].due_ms if heap else None

    # --- packed ones ---

    def _pack(self, retry: Retry) -> None:
        bucket = retry.due_ms // _BUCKET_MS
        pages = self._packed.get(bucket)
        if pages is None:
            pages = self._packed[bucket] = deque((bytearray(),))
            heapq.heappush(self._buckets, bucket)
        elif len(pages[-1]) >= PACKED_PAGE_BYTES:
            pages.append(bytearray())
        page = pages[-1]
        page.append(len(retry.id))
        page += retry.id
        page += _NUMBERS.pack(retry.due_ms, retry.incarnation, retry.at_ms)
        self._packed_count += 1

    def _load(self) -> None:
        """Hold one page of those whose second has come."""
        bucket = self._buckets[0]
        pages = self._packed[bucket]
        data = bytes(pages.popleft())
        if not pages:
            del self._packed[bucket]
            heapq.heappop(self._buckets)
        at = 0
        while at < len(data):
            end = at + 1 + data[at]
            due_ms, incarnation, at_ms = _NUMBERS.unpack_from(data, end)
            retry = Retry(due_ms, data[at + 1 : end], incarnation, at_ms)
            at = end + _NUMBERS.size
            self._packed_count -= 1
            if self._is_owed(retry):
                self._hold(retry)
