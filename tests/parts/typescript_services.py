"""The contract services on the published TypeScript SDK, run by Node without a build step."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

from tests.parts.cache import fetched
from tests.parts.node import NODE, npm_directory
from tests.parts.part import Part
from tests.parts.processes import Process, free_port

_SOURCES = Path(__file__).parent / "typescript_services"


def _files() -> list[Path]:
    return sorted([*_SOURCES.glob("*.ts"), _SOURCES / "package.json"])


def sources() -> Path:
    """A copy of the sources beside the npm packages, where Node resolves them."""
    packages = npm_directory() / "node_modules"

    def copy(directory: Path) -> None:
        for file in _files():
            shutil.copy(file, directory / file.name)
        # Relative, for the day the checkout moves.
        (directory / "node_modules").symlink_to(os.path.relpath(packages, directory))

    digest = hashlib.sha256(b"\0".join(file.read_bytes() for file in _files())).hexdigest()
    return fetched("typescript-services", digest, copy)


class TypeScriptServices(Part):
    """The services in one Node process, over HTTP/2 (full duplex)."""

    name = "typescript"
    use_http_11 = False

    def __init__(
        self,
        services: str | None = None,
        signing_key: str | None = None,
        env: dict[str, str] | None = None,
        log_dir: Path | None = None,
    ) -> None:
        self.port = free_port()
        self.uri = f"http://127.0.0.1:{self.port}"
        settings = {"PORT": str(self.port), "NODE_ENV": "production", "RESTATE_LOGGING": "ERROR"}
        settings |= env or {}
        if services is not None:
            settings["SERVICES"] = services
        if signing_key is not None:
            settings["E2E_REQUEST_SIGNING"] = signing_key
        command = [str(NODE), "--disable-warning=ExperimentalWarning", "app.ts"]
        self.process = Process(
            "typescript-services", command, settings, cwd=sources(), log_dir=log_dir
        )
