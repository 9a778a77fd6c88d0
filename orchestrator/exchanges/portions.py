"""What a transport read, handed on in portions: no callback does work without a bound.

A peer can put tens of thousands of frames into one read, and libuv goes on reading while there is
more. So a large read is handed on one portion a turn of the loop, and nothing is read meanwhile.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from orchestrator.runtime.scheduler import CallSoon

PORTION_BYTES: Final = 64 * 1024  # of the smallest frames, a few milliseconds of work

Take = Callable[[bytes | memoryview], None]


def _drop(data: bytes | memoryview) -> None:
    pass


class Portions:
    """Between one transport and its connection."""

    __slots__ = (
        "_at",
        "_call_soon",
        "_data",
        "_is_held_back",
        "_portion_bytes",
        "_take",
        "has_rest",
        "transport",
    )

    def __init__(self, call_soon: CallSoon, take: Take, portion_bytes: int = PORTION_BYTES) -> None:
        self._call_soon = call_soon
        self._take = take
        self._portion_bytes = portion_bytes
        self.transport: asyncio.Transport | None = None  # None: closed, what is left is dropped
        self._data = memoryview(b"")
        self._at = 0
        self.has_rest = False  # part of an earlier read waits for the next round of the loop
        self._is_held_back = False

    def close(self) -> None:
        """Drop what is left. Its connection is forgotten too: the two would keep each other."""
        self.transport = None
        self._take = _drop
        self._data, self._at = memoryview(b""), 0

    def feed(self, data: bytes) -> None:
        """Take what was read when it is more than a portion, or a rest of earlier reads waits."""
        if self._at < len(self._data):
            # Some transports hand on what they hold although reading is paused.
            self._data, self._at = memoryview(bytes(self._data[self._at :]) + data), 0
        else:
            self._data, self._at = memoryview(data), 0
        if self.has_rest:
            return
        if self.transport is not None:
            self.transport.pause_reading()
        self._go_on()

    def hold_back(self, held_back: bool) -> None:
        """Read nothing more until it is taken back; for connections without windows."""
        self._is_held_back = held_back
        if self.transport is None or self.has_rest:
            return
        if held_back:
            self.transport.pause_reading()
        else:
            self.transport.resume_reading()

    def _go_on(self) -> None:
        self.has_rest = False
        start = self._at
        self._at = end = min(start + self._portion_bytes, len(self._data))
        if start < end and self.transport is not None:
            self._take(self._data[start:end])
        if self.transport is None:
            self._data, self._at = memoryview(b""), 0
        elif end < len(self._data) or start < end:
            # Reading begins again only in the next turn: else libuv would go on in this one.
            self.has_rest = True
            self._call_soon(self._go_on)
        else:
            self._data, self._at = memoryview(b""), 0
            if not self._is_held_back:
                self.transport.resume_reading()
