"""The real Restate server and its command line, from npm: the reference the suites run against."""

from __future__ import annotations

import platform
import sys
from pathlib import Path

from tests.parts.cache import PartUnavailable
from tests.parts.node import npm_directory
from tests.parts.part import ServerPart
from tests.parts.processes import Process, free_port
from tests.parts.server_options import ServerOptions


def _binary(package: str, command: str) -> Path:
    machine = {"x86_64": "x64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    scope = npm_directory() / "node_modules" / "@restatedev"
    binary = scope / f"{package}-{sys.platform}-{machine}" / "bin" / command
    if not binary.exists():
        raise PartUnavailable(f"no {command} for {sys.platform} on {platform.machine()}")
    binary.chmod(0o755)
    return binary


def restate_server_binary() -> Path:
    return _binary("restate-server", "restate-server")


def restate_cli_binary() -> Path:
    return _binary("restate", "restate")


class RestateServer(ServerPart):
    """One Restate node in `directory`; the same ports and data after a restart."""

    name = "restate"

    def __init__(self, directory: Path, options: ServerOptions | None = None) -> None:
        self.options = options or ServerOptions()
        self.port, self.admin_port = free_port(), free_port()
        self.ingress = f"http://127.0.0.1:{self.port}"
        self.admin = f"http://127.0.0.1:{self.admin_port}"
        command = [str(restate_server_binary()), "--base-dir", str(directory / "data")]
        command += ["--bind-ip", "127.0.0.1", "--bind-port", str(free_port())]
        command += ["--listen-mode", "tcp", "--no-logo", "--node-name", "n1"]
        self.process = Process("restate-server", command, self._env(), log_dir=directory)

    def _env(self) -> dict[str, str]:
        asked = self.options
        # Every name that a test may set; None is left out.
        settings: dict[str, object] = {
            "RESTATE_ADMIN__BIND_PORT": self.admin_port,
            "RESTATE_INGRESS__BIND_PORT": self.port,
            "RESTATE_DISABLE_TELEMETRY": "true",
            "RESTATE_DEFAULT_NUM_PARTITIONS": asked.partitions,
            "RESTATE_WORKER__INVOKER__INACTIVITY_TIMEOUT": asked.inactivity_timeout,
            "RESTATE_WORKER__INVOKER__ABORT_TIMEOUT": asked.abort_timeout,
            "RESTATE_WORKER__INVOKER__DISABLE_EAGER_STATE": asked.disable_eager_state or None,
            "RESTATE_WORKER__CLEANUP_INTERVAL": asked.cleanup_interval,
            "RESTATE_REQUEST_IDENTITY_PRIVATE_KEY_PEM_FILE": asked.identity_key_file,
            "RESTATE_DEFAULT_RETRY_POLICY__INITIAL_INTERVAL": asked.retry_initial_interval,
            "RESTATE_DEFAULT_RETRY_POLICY__MAX_INTERVAL": asked.retry_max_interval,
            "RESTATE_DEFAULT_RETRY_POLICY__MAX_ATTEMPTS": asked.retry_max_attempts,
            "RESTATE_DEFAULT_RETRY_POLICY__ON_MAX_ATTEMPTS": asked.retry_on_max_attempts,
            # This server speaks 6, or 7 on request; it cannot be held at 5.
            "RESTATE_EXPERIMENTAL_ENABLE_PROTOCOL_V7": asked.protocol_max == 7 or None,
        }
        texts = {
            key: str(value).lower() if isinstance(value, bool) else str(value)
            for key, value in settings.items()
            if value is not None
        }
        return {**texts, **asked.env}
