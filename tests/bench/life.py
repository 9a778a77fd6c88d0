"""One life of a server: idle, filled, napping, killed, back; memory, disk and lateness with it."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from typing import Any

from tests.bench import measure
from tests.bench.endpoints import Endpoint
from tests.bench.flows import GREET, nap
from tests.bench.systems import System

_SETTLE_S = 5.0
_NAP_ROUNDS = 3
# Numbers of sleepers: seven digits, one range a purpose.
_NAPS_FIRST, _SLEEPERS_FIRST = 1_000_000, 2_000_000


@dataclass(frozen=True)
class Sizes:
    """How much is done in a life; smaller ones are for trying things out."""

    idle_s: float = 20.0
    completed: int = 100_000
    naps: int = 5_000
    sleepers: int = 10_000
    sleep_ms: int = 60_000


def live(system: System, endpoint: Endpoint, sizes: Sizes) -> dict[str, Any]:
    """Everything that is measured in the life of `system`, which has just been started."""
    result = _idle(system, sizes)
    result |= _filled(system, endpoint, sizes)
    result |= _naps(system, endpoint, sizes)
    result |= _killed(system, endpoint, sizes)
    return result


def _idle(system: System, sizes: Sizes) -> dict[str, float]:
    time.sleep(_SETTLE_S)
    before = system.cpu_s()
    time.sleep(sizes.idle_s)
    after = system.cpu_s()
    shares = {
        f"idle_{who}_percent": (after[who] - before[who]) / sizes.idle_s * 100 for who in after
    }
    memory = {"idle_resident_mb": system.resident_mb(), **system.broker_resident_mb()}
    return {**shares, **memory, "idle_disk_mb": system.disk_mb()}


def _filled(system: System, endpoint: Endpoint, sizes: Sizes) -> dict[str, Any]:
    shape = measure.Shape(connections=64, seconds=600.0, total=sizes.completed)
    filled = measure.run(system, endpoint, GREET, shape)
    assert filled["completed"] == sizes.completed, f"{system.name}: {filled['first_error']}"
    time.sleep(_SETTLE_S)
    return {
        "filled_per_second": filled["per_second"],
        "filled_resident_mb": system.resident_mb(),
        "filled_disk_mb": system.disk_mb(),
    }


def _quantile(values: list[float], share: float) -> float:
    return sorted(values)[min(int(len(values) * share), len(values) - 1)]


def _naps(system: System, endpoint: Endpoint, sizes: Sizes) -> dict[str, float]:
    """Sleeps of one second, sent as fast as they are accepted; the median of some rounds.

    Lateness is seen by the handler: from the moment its sleep was due, counted from its first
    attempt, until it goes on.
    """
    rounds = [_nap_round(system, endpoint, sizes.naps, turn) for turn in range(_NAP_ROUNDS)]
    return {name: statistics.median(one[name] for one in rounds) for name in rounds[0]}


def _nap_round(system: System, endpoint: Endpoint, count: int, turn: int) -> dict[str, float]:
    endpoint.seen(forget=True)
    first = _NAPS_FIRST + turn * count
    shape = measure.Shape(64, seconds=120.0, total=count, first=first)
    measure.run(system, endpoint, nap("nap", 1000, "/send"), shape)
    woken = _wait_for(endpoint, "woken", count)
    assert woken == count, f"{system.name}: {woken} of {count} naps ended"
    late_ms = endpoint.seen()["lateness_ms"]
    return {
        "lateness_p50_ms": _quantile(late_ms, 0.50),
        "lateness_p99_ms": _quantile(late_ms, 0.99),
    }


def _killed(system: System, endpoint: Endpoint, sizes: Sizes) -> dict[str, float]:
    endpoint.seen(forget=True)
    flow = nap("suspend", sizes.sleep_ms, "/send")
    shape = measure.Shape(64, seconds=300.0, total=sizes.sleepers, first=_SLEEPERS_FIRST)
    asleep_by = time.monotonic() + sizes.sleep_ms / 1000
    measure.run(system, endpoint, flow, shape)
    _wait_for(endpoint, "started", sizes.sleepers)
    time.sleep(_SETTLE_S)
    left_s = asleep_by - time.monotonic()
    first_answer_s = system.kill_and_restart()
    fired = _wait_for(endpoint, "woken", sizes.sleepers, patience_s=left_s + 90)
    return {
        "restart_first_answer_s": first_answer_s,
        "restart_before_due_s": left_s,
        "sleepers_fired_percent": fired / sizes.sleepers * 100,
        "restarted_resident_mb": system.resident_mb(),
    }


def _wait_for(endpoint: Endpoint, what: str, count: int, patience_s: float = 120.0) -> int:
    """Wait until so many sleepers have started, or woken; how many did within the patience."""
    deadline = time.monotonic() + patience_s
    while True:
        report = endpoint.seen()
        seen = report["started"] if what == "started" else len(report["lateness_ms"])
        if seen >= count or time.monotonic() > deadline:
            return int(seen)
        time.sleep(0.5)
