"""The contract services of the Restate Python SDK, unmodified, from its source package."""

from __future__ import annotations

import importlib.util
import shutil
import sys
import tarfile
from pathlib import Path

from tests.parts.cache import fetched, run_to_fetch
from tests.parts.part import Part
from tests.parts.processes import Process, free_port

_SDK = "restate-sdk==1.3.0"

# pip asks the build backend for metadata even when it only downloads; the real backend would
# need a Rust toolchain, so this one answers in its place and builds nothing.
_BACKEND = """\
from pathlib import Path


def get_requires_for_build_wheel(config_settings=None):
    return []


def prepare_metadata_for_build_wheel(directory, config_settings=None):
    name = "restate_sdk-1.3.0.dist-info"
    (Path(directory) / name).mkdir()
    metadata = "Metadata-Version: 2.1\\nName: restate-sdk\\nVersion: 1.3.0\\n"
    (Path(directory) / name / "METADATA").write_text(metadata)
    return name
"""

# hypercorn's defaults close each connection after 1,000 requests and allow 100 streams.
_HYPERCORN = """\
h2_max_concurrent_streams = 2147483647
keep_alive_max_requests = 2147483647
keep_alive_timeout = 2147483647
graceful_timeout = 0.5
"""


def _fetch(directory: Path) -> None:
    backend = directory / "backend"
    backend.mkdir()
    (backend / "maturin.py").write_text(_BACKEND)
    if importlib.util.find_spec("pip") is None:
        run_to_fetch([sys.executable, "-m", "ensurepip"], directory)
    flags = ["--no-deps", "--no-binary", "restate-sdk", "--no-build-isolation", "-d", "."]
    command = [sys.executable, "-m", "pip", "download", *flags, _SDK]
    run_to_fetch(command, directory, env={"PYTHONPATH": str(backend)})
    (archive,) = directory.glob("restate_sdk-*.tar.gz")
    with tarfile.open(archive) as tar:
        # The first releases of Python 3.11 lack the filter; the archive is a pinned package.
        safe = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
        tar.extractall(directory, **safe)  # type: ignore[arg-type]
    shutil.move(directory / archive.name.removesuffix(".tar.gz") / "test-services", directory)
    (directory / "test-services" / "hypercorn.toml").write_text(_HYPERCORN)


def sources() -> Path:
    """The directory of the services' own files."""
    return fetched("python-services", _SDK, _fetch) / "test-services"


class PythonServices(Part):
    """The services in one process, on hypercorn (full duplex) or uvicorn (request/response)."""

    name = "python"
    stop_timeout_s = 0.0  # it has nothing to lose, and takes seconds to end

    def __init__(
        self,
        server: str = "hypercorn",
        services: str | None = None,
        signing_key: str | None = None,
        env: dict[str, str] | None = None,
        log_dir: Path | None = None,
    ) -> None:
        self.port = free_port()
        self.uri = f"http://127.0.0.1:{self.port}"
        # uvicorn speaks HTTP/1.1 only: the deployment must be registered so.
        self.use_http_11 = server == "uvicorn"
        settings = {"RESTATE_CORE_LOG": "error", "PYTHONUNBUFFERED": "1", **(env or {})}
        if services is not None:
            settings["SERVICES"] = services
        if signing_key is not None:
            settings["E2E_REQUEST_SIGNING"] = signing_key
        self.process = Process(
            "python-services", self._command(server), settings, cwd=sources(), log_dir=log_dir
        )

    def _command(self, server: str) -> list[str]:
        if server == "uvicorn":
            flags = ["--port", str(self.port), "--no-access-log", "--log-level", "warning"]
            flags += ["--lifespan", "off"]  # the app never says that it has shut down
            return [sys.executable, "-m", "uvicorn", "testservices:app", *flags]
        # No worker processes: counters of attempts live in the module, and a start costs half.
        flags = ["--config", "hypercorn.toml", "-w", "0", "--bind", f"127.0.0.1:{self.port}"]
        return [sys.executable, "-m", "hypercorn", "testservices:app", *flags]
