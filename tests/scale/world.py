"""A server, its services and the load of one scenario, and what the server needed for it."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench import load
from tests.bench.flows import post
from tests.parts.client import http_request
from tests.parts.processes import Process, free_port, port_open
from tests.parts.server import PerdureServer
from tests.parts.server_options import ServerOptions
from tests.scale import process
from tests.scale.samples import samples_of

CONNECTIONS = 64
_ROOT = Path(__file__).resolve().parents[2]
_SERVICES = (("Light", "Flow", "Queue", "Store"), ("Other",))
_EVER_S = 3_600.0


@dataclass(frozen=True)
class Used:
    """What one run of a scenario took."""

    name: str
    count: int
    cpu_s: float  # of the server, beyond that of a start with nothing to do
    took_s: float
    silence_s: float  # the longest of the loop, waiting for a processor included
    busy_s: float  # the longest that was the loop's own work
    rss_mb: float  # at most
    note: str = ""
    answer_s: float = 0.0  # until a new call is answered while all that is under way


class World:
    """Real processes: one server, the light services on two deployments, the load from here."""

    def __init__(self, partitions: int = 4, options: ServerOptions | None = None) -> None:
        self._directory = directory = Path(tempfile.mkdtemp(prefix="perdure-scale-"))
        asked = options or ServerOptions(partitions=partitions)
        self.server = PerdureServer(directory, asked)
        self._services: list[Process] = []
        self._uris: list[str] = []
        for names in _SERVICES:
            port = free_port()
            command = [sys.executable, "-m", "tests.scale.light_service", str(port), *names]
            service = Process(names[0].lower(), command, {}, cwd=_ROOT, log_dir=directory)
            self._services.append(service)
            self._uris.append(f"http://127.0.0.1:{port}")
            service.start()
            service.wait_ready(lambda port=port: port_open(port), 30.0)  # type: ignore[misc]
        self._began_s = self._cpu_s = 0.0
        self.start()
        self._empty_start_cpu_s = self._cpu_s
        for uri in self._uris:
            self.register(uri)

    @property
    def light(self) -> Process:
        """What serves all but `Other`."""
        return self._services[0]

    def start(self, timeout_s: float = 60.0) -> None:
        self.server.start(timeout_s)
        self.measure()

    def measure(self) -> None:
        """From here on."""
        self._cpu_s = process.cpu_s(self.server.pid)
        self._began_s = time.monotonic()

    def start_measured(self, timeout_s: float) -> None:
        """Start anew, and measure from the start of the process on."""
        self._cpu_s = self._empty_start_cpu_s
        self._began_s = time.monotonic()
        self.server.start(timeout_s)

    def used(self, name: str, count: int, note: str = "", answer_s: float = 0.0) -> Used:
        """Since `measure`; silences and memory are the most since the server started."""
        took_s = time.monotonic() - self._began_s
        pid = self.server.pid
        cpu_s = process.cpu_s(pid) - self._cpu_s
        metrics = self.metrics()
        return Used(
            name,
            count,
            cpu_s,
            took_s,
            metrics["perdure_loop_silence_max_seconds"],
            metrics["perdure_loop_busy_max_seconds"],
            process.peak_bytes(pid) / 1e6,
            note,
            answer_s,
        )

    def close(self) -> None:
        if self.server.process.alive:
            self.server.stop()
        for service in self._services:
            service.stop()

    def __enter__(self) -> World:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.close()
        if kind is None:
            shutil.rmtree(self._directory, ignore_errors=True)  # it may be gigabytes

    # --- requests ---

    def register(self, uri: str) -> None:
        headers = {"content-type": "application/json"}
        body = json.dumps({"uri": uri}).encode()
        http_request(self.server.admin, "POST", "/deployments", body, headers).expect(201)

    def call(self, path: str, body: str = "1", timeout_s: float = 600.0) -> Any:
        """The answer, as JSON; None if it is empty."""
        headers = {"content-type": "application/json"}
        asked = http_request(
            self.server.ingress, "POST", path, body.encode(), headers, timeout_s=timeout_s
        )
        return asked.expect(200, 202).json()

    def many(self, path: str, body: str, count: int) -> None:
        """So many requests over all connections; `%d` in the path is the number."""
        self.sequences([post(path, body)], count)

    def sequences(self, requests: Sequence[str], count: int) -> None:
        """So many times these requests in their order, over all connections."""
        self._load(requests, min(CONNECTIONS, count), _EVER_S, count)

    def latency_ms(self, path: str, connections: int, seconds: float) -> float:
        """The median of a request that is repeated so long over so many connections."""
        p50_ms: float = self._load([post(path, "1")], connections, seconds, 0)["p50_ms"]
        return p50_ms

    def _load(
        self, requests: Sequence[str], connections: int, seconds: float, total: int
    ) -> dict[str, Any]:
        plan: load.Plan = {
            "port": int(self.server.ingress.rpartition(":")[2]),
            "connections": connections,
            "requests": list(requests),
            "first": 0,
            "modulo": 0,
            "warmup_s": 0.0,
            "seconds": seconds,
            "total": total,
            "repeats": True,
        }
        result = load.run(plan, lambda word: None)
        assert not result["errors"], result["first_error"]
        return result

    # --- what the server says ---

    def metrics(self) -> dict[str, float]:
        return samples_of(self.server)

    def ended(self, service: str, handlers: Sequence[str]) -> int:
        """Invocations of these handlers that succeeded since the server started."""
        metrics = self.metrics()
        prefix = f'perdure_invocations_ended_total{{service="{service}",handler="'
        names = [f'{prefix}{handler}",outcome="succeeded"}}' for handler in handlers]
        return int(sum(metrics.get(name, 0) for name in names))

    def suspended(self) -> int:
        return int(self.metrics().get('perdure_attempts_total{outcome="suspended"}', 0))

    def wait(self, look: Callable[[], int], count: int, patience_s: float = 1_800.0) -> None:
        """Until `look` counts so many."""
        deadline = time.monotonic() + patience_s
        while (seen := look()) < count:
            if not self.server.process.alive:
                raise AssertionError(f"the server died:\n{self.server.log_tail()}")
            assert time.monotonic() < deadline, f"{seen} of {count} in {patience_s:.0f} s"
            time.sleep(0.1 if count < 50_000 else 0.5)
