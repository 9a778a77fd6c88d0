"""`python -m tests.bench.lists [COUNT] [SYSTEM …]`: how long questions about many invocations take.

Each system (`embedded`, `restate-24`, `restate-4`) gets COUNT completed invocations, a hundredth
of them of objects, and a few that are live; then each question is asked once, and five times more.
Milliseconds over HTTP: of the first time, and the median of the others. Beside them the longest
silence of the server's loop that was its own work, and the memory of its largest SQL process.
"""

from __future__ import annotations

import json
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.bench import load
from tests.bench.flows import post
from tests.bench.systems import EMBEDDED, RESTATE, TITLES, Server, System
from tests.parts.client import http_request
from tests.parts.processes import Process, free_port, port_open
from tests.scale.samples import samples_of

COUNT = 100_000
LIVE_COUNT = 200
CONNECTIONS = 64
REPEATS = 5
_ROOT = Path(__file__).resolve().parents[2]
_LISTED = (
    "inv.id, inv.target, inv.target_service_ty, inv.idempotency_key, inv.status, inv.created_at,"
    " inv.modified_at, inv.pinned_deployment_id, inv.retry_count, inv.last_failure,"
    " inv.invoked_by_id, inv.trace_id, inv.completion_result, inv.completion_failure"
)
_NEWEST = "ORDER BY inv.created_at DESC, inv.id LIMIT 100"
_LIST = f"SELECT {_LISTED} FROM sys_invocation inv WHERE"

QUESTIONS = {
    "count": "SELECT COUNT(*) FROM sys_invocation",
    "count by status": "SELECT status, COUNT(1) FROM sys_invocation GROUP BY status",
    "count by service and status": (
        "SELECT target_service_name, status, COUNT(1) FROM sys_invocation GROUP BY 1, 2"
    ),
    "newest": f"{_LIST} true {_NEWEST}",
    "newest of a service": f"{_LIST} target_service_name = 'Light' {_NEWEST}",
    "newest of a key": f"{_LIST} target_service_key = 'key-0000000000000007' {_NEWEST}",
    "newest of a deployment": f"{_LIST} pinned_deployment_id LIKE 'dp_%' {_NEWEST}",
    "newest that are live": f"{_LIST} status != 'completed' {_NEWEST}",
    "live by age": (
        f"{_LIST} status != 'completed' AND created_at < now() - INTERVAL '1 second' {_NEWEST}"
    ),
    "failed": f"{_LIST} completion_result = 'failure' {_NEWEST}",
    "ids of `restate invocations list`": f"SELECT id FROM sys_invocation inv {_NEWEST}",
    "count of `restate invocations list`": (
        "SELECT COUNT(1) FROM (SELECT * FROM sys_invocation inv LIMIT 50000)"
        " WHERE status != 'completed'"
    ),
    "`restate services status`": (
        "SELECT target_service_name, target_handler_name, status, COUNT(1), MIN(created_at),"
        " FIRST_VALUE(id ORDER BY created_at ASC) FROM sys_invocation"
        " WHERE target_service_name IN ('Light', 'Queue') GROUP BY 1, 2, 3"
    ),
    "any ten, all columns": "SELECT * FROM sys_invocation LIMIT 10",
}


class Filled:
    """A system with its service and COUNT completed invocations."""

    def __init__(self, name: str, count: int) -> None:
        self._directory = Path(tempfile.mkdtemp(prefix="perdure-lists-"))
        port = free_port()
        command = [sys.executable, "-m", "tests.scale.light_service", str(port), "Light", "Queue"]
        self._service = Process("light", command, {}, cwd=_ROOT, log_dir=self._directory)
        self._service.start()
        self._service.wait_ready(lambda: port_open(port), 30.0)
        self.system = System(name, self._directory / "system").start()
        self._uri = f"http://127.0.0.1:{port}"
        self._ask("/deployments", {"uri": self._uri})
        self._many("/Light/add/send", count - count // 100)
        self._many("/Queue/key-%016d/add/send", count // 100)
        holding = LIVE_COUNT // 2
        self._many("/Queue/held-%016d/hold/send", holding)
        self._many("/Light/add/send?delay=1h", LIVE_COUNT - holding)
        self._wait(count)

    @property
    def server(self) -> Server:
        return self.system.server

    def query(self, sql: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._ask("/query", {"query": sql})["rows"]
        return found

    def close(self) -> None:
        self.system.stop()
        self._service.stop()
        shutil.rmtree(self._directory, ignore_errors=True)

    def _ask(self, path: str, body: dict[str, Any]) -> Any:
        headers = {"content-type": "application/json", "accept": "application/json"}
        raw = json.dumps(body).encode()
        asked = http_request(self.server.admin, "POST", path, raw, headers, timeout_s=120.0)
        return asked.expect(200, 201).json()

    def _many(self, path: str, count: int) -> None:
        plan: load.Plan = {
            "port": self.system.port,
            "connections": min(CONNECTIONS, count),
            "requests": [post(path, "1")],
            "first": 0,
            "modulo": 0,
            "warmup_s": 0.0,
            "seconds": 7_200.0,
            "total": count,
            "repeats": True,
        }
        result = load.run(plan, lambda word: None)
        assert not result["errors"], result["first_error"]

    def _wait(self, count: int) -> None:
        while True:
            (row,) = self.query("SELECT COUNT(1) AS n FROM sys_invocation WHERE status='completed'")
            if row["n"] >= count:
                return
            time.sleep(1.0)


def measure(filled: Filled) -> dict[str, tuple[float, float]]:
    """Of each question, in ms: the first time, and the median of the others."""
    return {name: _measured(filled, sql) for name, sql in QUESTIONS.items()}


def _measured(filled: Filled, sql: str) -> tuple[float, float]:
    took_ms = []
    for _ in range(1 + REPEATS):
        began_s = time.perf_counter()
        filled.query(sql)
        took_ms.append((time.perf_counter() - began_s) * 1000)
    return took_ms[0], statistics.median(took_ms[1:])


def main(count: int, names: list[str]) -> None:
    found, notes = {}, []
    for name in names:
        filled = Filled(name, count)
        try:
            found[name] = measure(filled)
            if name == EMBEDDED:
                busy_s = samples_of(filled.server)["perdure_loop_busy_max_seconds"]
                notes.append(f"longest own work of the loop: {busy_s * 1000:.0f} ms")
        finally:
            filled.close()
    print(f"\n{count:,} completed, {LIVE_COUNT} live; ms: the first time, the median of five\n")
    print("| question | " + " | ".join(TITLES[name] for name in names) + " |")
    print("|---" * (1 + len(names)) + "|")
    for question in QUESTIONS:
        cells = ("{:.0f}, {:.0f}".format(*found[name][question]) for name in names)
        print(f"| {question} | " + " | ".join(cells) + " |")
    print("\n" + "\n".join(notes))


if __name__ == "__main__":
    numbers = [int(one) for one in sys.argv[1:] if one.isdigit()]
    chosen = [one for one in sys.argv[1:] if not one.isdigit()]
    main(numbers[0] if numbers else COUNT, chosen or [EMBEDDED, RESTATE])
