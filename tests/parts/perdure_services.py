"""The contract services on our own SDK, on each server that serves its apps."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.parts.cache import REPOSITORY
from tests.parts.part import Part
from tests.parts.processes import Process, free_port

# hypercorn's defaults close each connection after 1,000 requests and allow 100 streams.
HYPERCORN = """\
h2_max_concurrent_streams = 2147483647
keep_alive_max_requests = 2147483647
keep_alive_timeout = 2147483647
graceful_timeout = 0.5
"""


def serving(way: str, app: str, port: int, directory: Path) -> list[str]:
    """The command that serves `app` by our own server (HTTP/2 or 1.1), uvicorn or hypercorn, or as
    a function of AWS Lambda."""
    python = [sys.executable, "-m"]
    if way == "lambda":
        return [*python, "tests.parts.lambda_api", app, str(port)]
    if way == "uvicorn":
        return [*python, "uvicorn", app, "--port", str(port), "--log-level", "warning"]
    if way == "hypercorn":
        config = directory / f"hypercorn-{port}.toml"
        config.write_text(HYPERCORN)
        flags = ["--config", str(config), "-w", "0", "--bind", f"127.0.0.1:{port}"]
        return [*python, "hypercorn", app, *flags]
    return [*python, "perdure", app, "--port", str(port)] + ["--http1"] * (way == "http1")


def _lambda_env(url: str) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL_LAMBDA": url,
        "AWS_REGION": "eu-west-1",
        "AWS_ACCESS_KEY_ID": "OWN",
        "AWS_SECRET_ACCESS_KEY": "s",
        "AWS_EC2_METADATA_DISABLED": "true",
    }


class PerdureServices(Part):
    """The services of `tests.sdk.conformance.app` in one process."""

    name = "perdure"
    stop_timeout_s = 0.0  # they have nothing to lose

    def __init__(
        self,
        way: str,
        log_dir: Path,
        services: str | None = None,
        signing_key: str | None = None,
        app: str = "tests.sdk.conformance.app:app",
        env: dict[str, str] | None = None,
        cwd: Path = REPOSITORY,
    ) -> None:
        self.port = free_port()
        self.uri = f"http://127.0.0.1:{self.port}"
        self.server_env: dict[str, str] = {}  # what a server needs to reach them
        if way == "lambda":
            self.server_env = _lambda_env(self.uri)
            self.uri = f"arn:aws:lambda:eu-west-1:123456789012:function:contract-{self.port}:1"
        self.use_http_11 = way in ("uvicorn", "http1")
        settings = {"PYTHONUNBUFFERED": "1", **(env or {})}
        if services is not None:
            settings["SERVICES"] = services
        if signing_key is not None:
            settings["E2E_REQUEST_SIGNING"] = signing_key
        log_dir.mkdir(parents=True, exist_ok=True)
        command = serving(way, app, self.port, log_dir)
        self.process = Process(f"perdure-services-{way}", command, settings, cwd, log_dir)
