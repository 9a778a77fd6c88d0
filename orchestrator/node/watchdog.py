"""Ends the process when its event loop stalls.

librdkafka's own threads go on sending heartbeats, so a hung leader would stay the leader. The
thread counts its own ticks, not the time, so that a process that was stopped (SIGSTOP) is not ended
when it goes on.
"""

import asyncio
import logging
import os
import threading

from orchestrator.model.operating import EXIT_CODE

_log = logging.getLogger("perdure.node")
BEAT_S = 1.0


class Watchdog:
    """A thread that wants an answer from the loop at every tick."""

    def __init__(self, loop: asyncio.AbstractEventLoop, stall_ticks: int = 5) -> None:
        self._loop = loop
        self._stall_ticks = stall_ticks
        self._answered = True
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        self._thread.join()

    def _answer(self) -> None:
        self._answered = True

    def _watch(self) -> None:
        missed = 0
        while not self._ended.wait(BEAT_S):
            missed = 0 if self._answered else missed + 1
            if missed >= self._stall_ticks:
                _log.critical("PD0201 the event loop has stalled for %d s: ending", missed)
                os._exit(EXIT_CODE)
            if self._answered:
                self._answered = False
                self._loop.call_soon_threadsafe(self._answer)
