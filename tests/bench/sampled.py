"""Run a Python module and count where its main thread spends CPU, by room of the server.

`python -m tests.bench.sampled OUT MODULE ARGS…` writes `{room: seconds}` to OUT now and then.
A timer interrupts the process every few milliseconds of its CPU time; each interruption adds the
CPU that the main thread itself has used since the last one, so other threads do not count.
"""

from __future__ import annotations

import json
import os
import runpy
import signal
import sys
import time
from collections import defaultdict
from pathlib import Path
from types import FrameType

_EVERY_S = 0.002
_WRITE_EVERY_S = 0.2
_PACKAGES = ("orchestrator", "perdure")
# Libraries whose own frames count as theirs, not as the room's that called them.
_LIBRARIES = ("uvicorn",)
# The command's frames are below everything: above them alone there is only the loop, in C.
_LOOP = "event loop"
_RUNS_THE_LOOP = ("cli", "node")


def room_of(filename: str) -> str | None:
    """`ingress` for a file of that room, `uvicorn` for one of that library; else None."""
    parts = filename.split(os.sep)
    for package in _PACKAGES:
        if package in parts[:-1]:
            below = parts[len(parts) - parts[::-1].index(package) :]
            room = below[0].removesuffix(".py")
            return _LOOP if room in _RUNS_THE_LOOP else room
    return next((library for library in _LIBRARIES if library in parts), None)


class Sampler:
    """Seconds of the main thread by room, from the innermost frame that belongs to one."""

    def __init__(self, out: Path) -> None:
        self._out = out
        self._used_s: defaultdict[str, float] = defaultdict(float)
        self._last_s = time.thread_time()
        self._write_at = 0.0
        self._rooms: dict[str, str | None] = {}

    def start(self) -> None:
        signal.signal(signal.SIGPROF, self._sample)
        # The rest of a system call goes on: the program must not notice that it is sampled.
        signal.siginterrupt(signal.SIGPROF, False)
        signal.setitimer(signal.ITIMER_PROF, _EVERY_S, _EVERY_S)

    def _sample(self, _number: int, frame: FrameType | None) -> None:
        now_s = time.thread_time()
        self._used_s[self._room(frame)] += now_s - self._last_s
        self._last_s = now_s
        if time.monotonic() > self._write_at:
            self._write_at = time.monotonic() + _WRITE_EVERY_S
            self._write()

    def _room(self, frame: FrameType | None) -> str:
        while frame is not None:
            filename = frame.f_code.co_filename
            if filename not in self._rooms:
                self._rooms[filename] = room_of(filename)
            room = self._rooms[filename]
            if room is not None:
                return room
            frame = frame.f_back
        return _LOOP

    def _write(self) -> None:
        part = self._out.with_suffix(".part")
        part.write_text(json.dumps(self._used_s))
        part.replace(self._out)


def main() -> None:
    Sampler(Path(sys.argv[1])).start()
    module = sys.argv[2]
    sys.argv[1:3] = []
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
