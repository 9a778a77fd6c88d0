"""Where the server's CPU goes, by room and by thread, beside the plan."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from pathlib import Path
from typing import Any

from tests.bench import measure, proc
from tests.bench.cells import Cell
from tests.bench.endpoints import TYPESCRIPT, Endpoint
from tests.bench.systems import System

CELLS = (Cell(TYPESCRIPT, "greet", 64), Cell(TYPESCRIPT, "10-steps", 64))
BUDGET = "budget "

# The plan for a greet at 64 connections, in microseconds, and the rooms and threads it is for.
PARTS: dict[str, tuple[str, tuple[str, ...]]] = {
    "HTTP face": ("45", ("uvicorn", "ingress", "admin", "door")),
    "topics": ("", ("intake", "brokers")),
    "attempt over HTTP/2": ("55", ("invoker", "wire")),
    "codec and apply": ("5", ("codec", "machine", "tables", "model", "registry")),
    "store": ("7", ("store", "rocksdb")),
    "tasks and timers": ("12", ("event loop", "processor", "timers", "outbox", "runtime", "node")),
    "log": ("50–80", ("log", "python", "rdk", "kworker")),
}
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def sample(system: System, out: Path) -> None:
    """Have the server of `system`, not yet started, run under the sampler."""
    command = system.server.process.command
    assert command[1] == "-m", command
    command[1:3] = ["-m", "tests.bench.sampled", str(out), command[2]]


def _threads_s(pid: int) -> dict[str, float]:
    """CPU by name of the threads, without the main one; a name's first word counts."""
    used: defaultdict[str, float] = defaultdict(float)
    for task in Path(f"/proc/{pid}/task").iterdir():
        if task.name == str(pid):
            continue
        try:
            text = (task / "stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        name = text[text.index("(") + 1 : text.rindex(")")].split(":")[0]
        fields = text[text.rindex(")") + 2 :].split()
        used[name] += (int(fields[11]) + int(fields[12])) / _TICKS_PER_S
    return used


def used_s(pid: int, out: Path) -> dict[str, float]:
    rooms: dict[str, float] = json.loads(out.read_text()) if out.exists() else {}
    used = rooms | _threads_s(pid) | {"kworker": proc.kernel_workers_s()}
    return {BUDGET + name: seconds for name, seconds in used.items()}


def run(
    system: System, serving: Endpoint, cell: Cell, shape: measure.Shape, out: Path
) -> dict[str, Any]:
    """A cell on a sampled server; the keys `budget <room>_cpu_us` hold the shares."""

    def probe() -> dict[str, float]:
        return used_s(system.server.pid, out)

    return measure.run(system, serving, cell.flow, shape, probe)


def by_room(measured: dict[str, Any]) -> list[tuple[str, float]]:
    """Microseconds per invocation by room and thread, the largest first."""
    rooms = [
        (key.removeprefix(BUDGET).removesuffix("_cpu_us"), float(value))
        for key, value in measured.items()
        if key.startswith(BUDGET)
    ]
    return sorted(rooms, key=lambda room: -room[1])


def part_of(room: str) -> str:
    return next((part for part, (_, rooms) in PARTS.items() if room in rooms), "other")


def by_part(rooms: list[tuple[str, float]]) -> dict[str, float]:
    """Microseconds per invocation by part of the plan; what fits none is `other`."""
    parts = dict.fromkeys([*PARTS, "other"], 0.0)
    for room, value in rooms:
        parts[part_of(room)] += value
    return parts
