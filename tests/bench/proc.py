"""What the kernel says about processes: CPU time, resident memory, and the disk they fill."""

from __future__ import annotations

import os
from pathlib import Path

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PROC = Path("/proc")
_KERNEL_THREADS = "2"  # their parent, kthreadd


def _stat(pid: int) -> list[str] | None:
    """The fields of `/proc/<pid>/stat` after the command's name; None if the process is gone."""
    try:
        text = (_PROC / str(pid) / "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return text[text.rindex(")") + 2 :].split()


def tree(root: int) -> list[int]:
    """`root` and its living descendants."""
    parents: dict[int, list[int]] = {}
    for name in os.listdir(_PROC):
        fields = _stat(int(name)) if name.isdigit() else None
        if fields is not None:
            parents.setdefault(int(fields[1]), []).append(int(name))
    found, waiting = [], [root]
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        waiting += parents.get(pid, [])
    return found


def cpu_s(root: int) -> float:
    """User and system time of all threads of `root`, its children and those it has buried."""
    ticks = 0
    for pid in tree(root):
        fields = _stat(pid)
        if fields is not None:
            # utime, stime, and the same of children that were waited for
            ticks += sum(int(field) for field in fields[11:15])
    return ticks / _TICKS_PER_S


def threads_s(pid: int, names: tuple[str, ...]) -> dict[str, float]:
    """User and system time of the living threads of a process whose names begin so, by id."""
    found = {}
    for at in (_PROC / str(pid) / "task").iterdir():
        try:
            if (at / "comm").read_text().startswith(names):
                fields = (at / "stat").read_text().rsplit(")", 1)[1].split()
                found[at.name] = (int(fields[11]) + int(fields[12])) / _TICKS_PER_S
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def kernel_workers_s() -> float:
    """CPU time of the kernel's own workers so far: they sync and write back what others wrote."""
    ticks = 0
    for name in os.listdir(_PROC):
        fields = _stat(int(name)) if name.isdigit() else None
        if fields is not None and fields[1] == _KERNEL_THREADS and _is_worker(name):
            ticks += int(fields[11]) + int(fields[12])
    return ticks / _TICKS_PER_S


def _is_worker(pid: str) -> bool:
    try:
        return (_PROC / pid / "comm").read_text().startswith("kworker/")
    except (FileNotFoundError, ProcessLookupError):
        return False


def busy_s() -> float:
    """CPU time that the whole machine has spent on anything since it started."""
    fields = (_PROC / "stat").read_text().split("\n", 1)[0].split()[1:]
    user, nice, system, _idle, _iowait, irq, softirq, *_ = (int(field) for field in fields)
    return (user + nice + system + irq + softirq) / _TICKS_PER_S


def resident_mb(pid: int) -> float:
    """VmRSS of the process itself, without its children."""
    for line in (_PROC / str(pid) / "status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1000 * 1.024
    return 0.0


def disk_mb(*directories: Path) -> float:
    """Space allocated to every file below `directories`."""
    blocks = 0
    for directory in directories:
        for at, _, files in os.walk(directory):
            for file in files:
                try:
                    blocks += (Path(at) / file).stat().st_blocks
                except FileNotFoundError:
                    continue  # a compaction took it away meanwhile
    return blocks * 512 / 1e6
