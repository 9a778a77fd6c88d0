"""Where the CPU of an app in the process of the engine goes: microseconds a call, by part."""

from __future__ import annotations

import os
import signal
import time
from collections import defaultdict
from collections.abc import Callable
from types import FrameType
from typing import Final

PARTS: Final[dict[str, tuple[tuple[str, str], ...]]] = {
    "client": (("perdure", "client"), ("orchestrator", "embedding")),
    "ingress and door": (("orchestrator", "ingress"), ("orchestrator", "door")),
    "attempt, on the engine's side": (("orchestrator", "invoker"),),
    "messages of the service protocol": (("perdure", "wire"),),
    "SDK: handler, steps, replay": (("perdure", ""),),
    "turns, waiting clients": (
        ("orchestrator", "processor"),
        ("orchestrator", "runtime"),
        ("orchestrator", "timers"),
        ("orchestrator", "node"),
    ),
    "apply, tables, codec": (
        ("orchestrator", "machine"),
        ("orchestrator", "tables"),
        ("orchestrator", "codec"),
        ("orchestrator", "model"),
        ("orchestrator", "registry"),
    ),
    "store": (("orchestrator", "store"),),
    "log": (("orchestrator", "log"),),
}
"""Rooms by package; "" stands for the rest of a package."""
LOOP: Final = "event loop, and the handlers"
_EVERY_S: Final = 0.001


def part_of(filename: str) -> str | None:
    """The part that a file belongs to; None if it is of no room."""
    parts = filename.split(os.sep)
    if "tests" in parts:
        return None
    for package in ("orchestrator", "perdure"):
        if package in parts[:-1]:
            below = parts[len(parts) - parts[::-1].index(package) :]
            return _PART_OF.get((package, below[0].removesuffix(".py"))) or _PART_OF.get(
                (package, "")
            )
    return None


_PART_OF: Final = {room: part for part, rooms in PARTS.items() for room in rooms}


class Sampled:
    """Seconds of CPU of the main thread by part, while it is used by `with`: a sample counts for
    the innermost frame that belongs to one."""

    def __init__(self) -> None:
        self.used_s: defaultdict[str, float] = defaultdict(float)
        self._known: dict[str, str | None] = {}
        self._last_s = 0.0

    def __enter__(self) -> Sampled:
        self._last_s = time.thread_time()
        signal.signal(signal.SIGPROF, self._sample)
        signal.siginterrupt(signal.SIGPROF, False)
        signal.setitimer(signal.ITIMER_PROF, _EVERY_S, _EVERY_S)
        return self

    def __exit__(self, *_: object) -> None:
        signal.setitimer(signal.ITIMER_PROF, 0.0)

    def _sample(self, _number: int, frame: FrameType | None) -> None:
        now_s = time.thread_time()
        self.used_s[self._part(frame)] += now_s - self._last_s
        self._last_s = now_s

    def _part(self, frame: FrameType | None) -> str:
        while frame is not None:
            filename = frame.f_code.co_filename
            if filename not in self._known:
                self._known[filename] = part_of(filename)
            part = self._known[filename]
            if part is not None:
                return part
            frame = frame.f_back
        return LOOP


def table(columns: dict[str, dict[str, float]], line: Callable[[list[str]], str]) -> list[str]:
    """Lines of a table: microseconds a call by part, a column for each flow."""
    rows = [
        [part, *(f"{used.get(part, 0.0):.1f}" for used in columns.values())]
        for part in (*PARTS, LOOP)
    ]
    together = [f"{sum(used.values()):.0f}" for used in columns.values()]
    return list(map(line, [["us of CPU a call", *columns], *rows, ["together", *together]]))
