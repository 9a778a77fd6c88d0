"""How many attempts of one service may be opening at a time: sent to it, not yet answered.

A service works through its requests in order: requests that it has not begun delay the data that
wake its open streams. So only as many are sent as keep it busy. The length of its queue is
estimated from how much longer an answer takes than the shortest did (as in TCP Vegas). A service
whose answers are late for other reasons (a proxy that buffers whole responses) gets a larger
window.
"""

from typing import Final

LARGE: Final = 64  # where few streams are open, so much may always be opening
SMALL: Final = 16
LARGEST: Final = 4_096
MANY_OPEN: Final = 128  # streams of a service that may wake
_QUEUED_MIN: Final = 8  # fewer in its queue: it may become idle
_QUEUED_MAX: Final = 16
_FORGET: Final = 1 + 2**-16  # the shortest time is forgotten slowly, since paths change


class OpeningWindow:
    """The attempts of one deployment that are opening, and how many may be."""

    __slots__ = ("_shortest_ms", "count", "exceeds", "memory_bytes", "size", "waiting_count")

    def __init__(self) -> None:
        self.count = 0
        self.size = LARGE
        self.memory_bytes = 0  # held by all attempts of the deployment
        self.exceeds: object = None  # the attempt that may exceed the share of its deployment
        self.waiting_count = 0  # attempts that wait until there is memory
        self._shortest_ms = float("inf")

    def release(self, attempt: object, memory_bytes: int) -> None:
        """An attempt that held this many bytes is over."""
        self.memory_bytes -= memory_bytes
        if self.exceeds is attempt:
            self.exceeds = None

    def is_full(self, open_count: int) -> bool:
        """Whether no more should be sent to a service with so many open streams."""
        if open_count > MANY_OPEN:
            return self.count >= self.size
        return self.count >= max(self.size, LARGE)

    def answered(self, took_ms: int) -> None:
        """An attempt was answered after `took_ms`."""
        took_ms = max(took_ms, 1)  # of a clock that counts milliseconds
        shortest_ms = self._shortest_ms = min(self._shortest_ms * _FORGET, took_ms)
        queued = self.size * (1 - shortest_ms / took_ms)
        if queued > _QUEUED_MAX:
            self.size = max(SMALL, self.size - 1)
        elif queued < _QUEUED_MIN and self.count >= self.size:
            self.size = min(LARGEST, self.size + 1)
        self.count -= 1

    def late(self) -> None:
        """An attempt has waited so long that its time says nothing about the queue of the
        service."""
        self.size = min(LARGEST, self.size + 1)
        self.count -= 1

    def left(self) -> None:
        """An attempt ended before it was answered."""
        self.count -= 1
