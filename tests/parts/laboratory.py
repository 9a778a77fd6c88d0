"""The laboratory: our own services in a process, with gates to open and marks to count."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.parts.cache import REPOSITORY
from tests.parts.part import Part
from tests.parts.processes import Process, free_port

_HYPERCORN = """\
h2_max_concurrent_streams = 2147483647
keep_alive_max_requests = 2147483647
keep_alive_timeout = 2147483647
graceful_timeout = 0.5
"""


class Laboratory(Part):
    """The services of `laboratory_app.py`, or another's; `directory` holds its gates and marks."""

    stop_timeout_s = 0.0  # it has nothing to lose, and takes seconds to end

    def __init__(
        self,
        directory: Path,
        version: str = "v1",
        services: str | None = None,
        signing_key: str | None = None,
        app: str = "laboratory_app",
    ) -> None:
        self.directory = directory
        self.port = free_port()
        self.uri = f"http://127.0.0.1:{self.port}"
        directory.mkdir(parents=True, exist_ok=True)
        settings = {"LAB_DIR": str(directory), "LAB_VERSION": version, "RESTATE_CORE_LOG": "error"}
        if services is not None:
            settings["SERVICES"] = services
        if signing_key is not None:
            settings["E2E_REQUEST_SIGNING"] = signing_key
        config = directory / "hypercorn.toml"
        config.write_text(_HYPERCORN)
        command = [sys.executable, "-m", "hypercorn", f"tests.parts.{app}:app"]
        command += ["--config", str(config), "-w", "0", "--bind", f"127.0.0.1:{self.port}"]
        self.process = Process(f"laboratory-{version}", command, settings, REPOSITORY, directory)

    def open_gate(self, name: str) -> None:
        (self.directory / f"gate-{name}").touch()

    def marks(self, name: str) -> list[str]:
        file = self.directory / f"marks-{name}"
        return file.read_text().split() if file.exists() else []
