"""What a run of the benchmark found: repeats by cell and system, and the medians of them."""

from __future__ import annotations

import json
import os
import platform
import statistics
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

LIFE = "life"

Repeats = list[dict[str, Any]]


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def machine() -> dict[str, Any]:
    """The machine, as far as it explains the figures."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cpu": _cpu_model(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(memory / 2**30),
        "kernel": platform.release().split("-")[0],
        "python": platform.python_version(),
    }


@dataclass
class Results:
    """`found[cell][system]` lists one measurement per repeat; the cell `life` is a life."""

    settings: dict[str, Any]
    machine: dict[str, Any] = field(default_factory=machine)
    started: str = field(default_factory=lambda: time.strftime("%Y-%m-%d %H:%M:%S"))
    found: dict[str, dict[str, Repeats]] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    @property
    def is_of_sdk(self) -> bool:
        """Whether the run was of our SDK beside restate-sdk."""
        return bool(self.settings.get("sdk"))

    def add(self, cell: str, system: str, measured: dict[str, Any]) -> None:
        self.found.setdefault(cell, {}).setdefault(system, []).append(measured)

    def repeats(self, cell: str, system: str) -> Repeats:
        return self.found.get(cell, {}).get(system, [])

    def median(self, cell: str, system: str, metric: str) -> float | None:
        """The median over the repeats that have this figure; None without one."""
        measured = [found[metric] for found in self.repeats(cell, system) if metric in found]
        return float(statistics.median(measured)) if measured else None

    def spread(self, cell: str, system: str, metric: str) -> float:
        """(largest - smallest) / median over the repeats: how far to trust the median."""
        measured = [found[metric] for found in self.repeats(cell, system) if metric in found]
        middle = statistics.median(measured) if measured else 0
        return (max(measured) - min(measured)) / middle if middle else 0.0

    def errors(self, cell: str, system: str) -> int:
        return sum(found.get("errors", 0) for found in self.repeats(cell, system))

    def save(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(self), indent=1))


def load(path: Path) -> Results:
    return Results(**json.loads(path.read_text()))
