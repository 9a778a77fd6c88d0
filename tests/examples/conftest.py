"""Examples and programs of the guide are served by themselves, on one server."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import perdure
from tests.parts.client import Client as Admin
from tests.parts.processes import Process, free_port, port_open
from tests.parts.server import PerdureServer


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PerdureServer]:
    server = PerdureServer(tmp_path_factory.mktemp("examples")).start()
    yield server
    server.stop()


@pytest.fixture
def serve(server: PerdureServer, tmp_path: Path) -> Iterator[Callable[[Path], Process]]:
    """Serves a file, and registers it."""
    served: list[Process] = []

    def start(file: Path) -> Process:
        port = free_port()
        command = [sys.executable, "-m", "perdure", str(file), "--port", str(port)]
        process = Process(file.stem, command, log_dir=tmp_path)
        served.append(process)
        process.start()
        process.wait_ready(lambda: port_open(port), 60)
        Admin(server.ingress, server.admin).register(f"http://127.0.0.1:{port}")
        return process

    yield start
    for process in served:
        process.stop()


@pytest.fixture
def client(server: PerdureServer) -> Iterator[perdure.Client]:
    with perdure.Client(server.ingress, admin_url=server.admin) as client:
        yield client
