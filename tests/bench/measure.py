"""One run of the load generator against one system, with the CPU that everybody used meanwhile."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.bench import proc
from tests.bench.endpoints import Endpoint
from tests.bench.flows import Flow
from tests.bench.load import Plan
from tests.bench.systems import System

_WITHOUT_ANSWERS = ("completed", "seconds", "per_second", "errors", "first_error")


@dataclass(frozen=True)
class Shape:
    """How hard and how long: connections, seconds before and in the window, or a total."""

    connections: int
    seconds: float
    warmup_s: float = 0.0
    total: int = 0
    first: int | None = None


def _plan(system: System, flow: Flow, shape: Shape) -> Plan:
    return {
        "port": system.port,
        "connections": shape.connections,
        "requests": list(flow.requests),
        "first": flow.first() if shape.first is None else shape.first,
        "modulo": flow.modulo,
        "warmup_s": shape.warmup_s,
        "seconds": shape.seconds,
        "total": shape.total,
    }


def used_s(system: System, endpoint: Endpoint) -> dict[str, float]:
    used = {**system.cpu_s(), "service": proc.cpu_s(endpoint.pid)}
    # Syncs that the kernel does for whoever keeps the log are that one's work.
    used[system.keeps_the_log] += proc.kernel_workers_s()
    return used


def strangers_percent(
    before: dict[str, float], after: dict[str, float], busy_s: float, result: dict[str, Any]
) -> float:
    """CPU of everybody who has no part in the run, in percent of a core: the noise."""
    ours_s = sum(after.values()) - sum(before.values())
    load_s: float = result["load_cpu_us_per_request"] * result["requests"] / 1e6
    seconds: float = result["seconds"]
    return max(busy_s - ours_s - load_s, 0.0) / seconds * 100


def cpu_us(before: dict[str, float], after: dict[str, float], count: int) -> dict[str, float]:
    """CPU in microseconds of each of `count` by who used it."""
    return {
        f"{who}_cpu_us": (used - before.get(who, 0.0)) / count * 1e6 for who, used in after.items()
    }


def run(
    system: System,
    endpoint: Endpoint,
    flow: Flow,
    shape: Shape,
    probe: Callable[[], dict[str, float]] = dict,
) -> dict[str, Any]:
    """The result of the load generator, and CPU in microseconds per completed sequence.

    `probe` may name further users of CPU and the seconds they have used so far.
    """
    command = [sys.executable, "-m", "tests.bench.load"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as load:
        assert load.stdin is not None and load.stdout is not None
        json.dump(_plan(system, flow, shape), load.stdin)
        load.stdin.close()
        load.stdout.readline()  # "begin"
        before, busy_before_s, probed_before = used_s(system, endpoint), proc.busy_s(), probe()
        load.stdout.readline()  # "end"
        after, busy_after_s, probed_after = used_s(system, endpoint), proc.busy_s(), probe()
        text = load.stdout.read()
    if not text:
        raise RuntimeError(f"the load generator died; {system.name}:\n{system.server.log_tail()}")
    result: dict[str, Any] = json.loads(text)
    busy_s = busy_after_s - busy_before_s
    result["strangers_percent"] = strangers_percent(before, after, busy_s, result)
    count = result["completed"]
    if count == 0:
        # Nothing was answered in the window: there is a rate, and nothing else to say.
        return {key: result[key] for key in _WITHOUT_ANSWERS}
    result |= cpu_us(before | probed_before, after | probed_after, count)
    result["step_p50_ms"] = result["p50_ms"] / flow.per
    return result
