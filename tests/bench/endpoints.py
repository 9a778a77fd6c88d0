"""The benchmark's services as processes: one endpoint for each way to serve an SDK."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

from tests.parts.cache import fetched
from tests.parts.node import NODE, npm_directory
from tests.parts.processes import Process, free_port, port_open

TYPESCRIPT, UVICORN, HYPERCORN = "typescript", "uvicorn", "hypercorn"
PERDURE, PERDURE_UVICORN = "perdure", "perdure-uvicorn"  # our SDK, on its own server and on uvicorn
ENDPOINTS = (TYPESCRIPT, PERDURE, PERDURE_UVICORN, UVICORN, HYPERCORN)

_SOURCES = Path(__file__).parent / "services"
_TYPESCRIPT = ("bench.ts", "package.json")

# hypercorn's defaults close each connection after 1,000 requests and allow 100 streams.
_HYPERCORN = """\
h2_max_concurrent_streams = 2147483647
keep_alive_max_requests = 2147483647
keep_alive_timeout = 2147483647
graceful_timeout = 0.5
"""


class Endpoint:
    """A service process and how a server is to be told of it."""

    def __init__(self, name: str, process: Process, port: int, report_port: int) -> None:
        self.name = name
        self.uri = f"http://127.0.0.1:{port}"
        self.use_http_11 = name in (UVICORN, PERDURE_UVICORN)
        self._process = process
        self._port = port
        self._report_port = report_port

    @property
    def pid(self) -> int:
        return self._process.pid

    def start(self) -> Endpoint:
        self._process.start()
        self._process.wait_ready(lambda: port_open(self._port), 30.0)
        return self

    def stop(self) -> None:
        self._process.stop(timeout_s=2.0)

    def seen(self, forget: bool = False) -> dict[str, Any]:
        """What the handlers saw: records tallied; sleepers begun, and the lateness of the woken.

        Only the services on restate-sdk and TypeScript answer; the Python ones have no sleeper.
        """
        connection = http.client.HTTPConnection("127.0.0.1", self._report_port, timeout=10)
        try:
            connection.request("DELETE" if forget else "GET", "/seen")
            report: dict[str, Any] = json.loads(connection.getresponse().read())
        finally:
            connection.close()
        return report


def _typescript_directory() -> Path:
    packages = npm_directory() / "node_modules"
    files = [_SOURCES / name for name in _TYPESCRIPT]

    def copy(directory: Path) -> None:
        for file in files:
            shutil.copy(file, directory / file.name)
        # Relative, for the day the checkout moves.
        (directory / "node_modules").symlink_to(os.path.relpath(packages, directory))

    digest = hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()
    return fetched("bench-services", digest, copy)


def _typescript(directory: Path) -> Endpoint:
    port, report_port = free_port(), free_port()
    settings = {"PORT": str(port), "REPORT_PORT": str(report_port)}
    settings |= {"NODE_ENV": "production", "RESTATE_LOGGING": "ERROR"}
    command = [str(NODE), "--disable-warning=ExperimentalWarning", "bench.ts"]
    files = _typescript_directory()
    process = Process("typescript", command, settings, cwd=files, log_dir=directory)
    return Endpoint("typescript", process, port, report_port)


def _python(name: str, command: list[str], port: int, directory: Path) -> Endpoint:
    settings = {"RESTATE_CORE_LOG": "error"}
    command = [sys.executable, "-m", *command]
    process = Process(name, command, settings, cwd=_SOURCES, log_dir=directory)
    return Endpoint(name, process, port, port)


def _uvicorn(app: str, port: int) -> list[str]:
    return ["uvicorn", "--port", str(port), "--no-access-log", "--log-level", "warning", app]


def _hypercorn(port: int, directory: Path) -> list[str]:
    settings = directory / "hypercorn.toml"
    settings.write_text(_HYPERCORN)
    flags = ["--config", str(settings), "-w", "1", "--bind", f"127.0.0.1:{port}"]
    return ["hypercorn", *flags, "bench:app"]


def endpoint(name: str, directory: Path) -> Endpoint:
    """The endpoint `name`, one of ENDPOINTS, not yet started."""
    directory.mkdir(parents=True, exist_ok=True)
    if name == TYPESCRIPT:
        return _typescript(directory)
    port = free_port()
    commands = {
        PERDURE: ["perdure", "bench_perdure:app", "--port", str(port)],
        PERDURE_UVICORN: _uvicorn("bench_perdure:app", port),
        UVICORN: _uvicorn("bench:app", port),
        HYPERCORN: _hypercorn(port, directory),
    }
    return _python(name, commands[name], port, directory)
