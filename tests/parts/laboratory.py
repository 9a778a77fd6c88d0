"""The laboratory: our own services in a process, with gates to open and marks to count."""

from __future__ import annotations

from pathlib import Path

from tests.parts.cache import REPOSITORY
from tests.parts.part import Part
from tests.parts.perdure_services import serving
from tests.parts.processes import Process, free_port


class Laboratory(Part):
    """The services of `laboratory_app.py`, or another's; `directory` holds its gates and marks."""

    stop_timeout_s = 0.0  # it has nothing to lose, and takes seconds to end

    def __init__(
        self,
        directory: Path,
        version: str = "v1",
        services: str | None = None,
        signing_key: str | None = None,
        app: str = "tests.parts.laboratory_app",
        way: str = "hypercorn",
        env: dict[str, str] | None = None,
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
        self.app, self.way, self.env = app, way, env or {}
        settings |= self.env
        self.use_http_11 = way == "uvicorn"
        command = serving(way, f"{app}:app", self.port, directory)
        self.process = Process(f"laboratory-{version}", command, settings, REPOSITORY, directory)

    def another(self, version: str, services: str, signing_key: str | None) -> Laboratory:
        """Another version of some of its services, in a process of its own."""
        app, way, env = self.app, self.way, self.env
        return Laboratory(self.directory, version, services, signing_key, app, way, env)

    def open_gate(self, name: str) -> None:
        (self.directory / f"gate-{name}").touch()

    def marks(self, name: str) -> list[str]:
        file = self.directory / f"marks-{name}"
        return file.read_text().split() if file.exists() else []
