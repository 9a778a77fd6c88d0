"""Our own server as its users start it: `perdure serve` in a process of its own."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from tests.parts.part import ServerPart
from tests.parts.processes import Process, free_port
from tests.parts.server_options import ServerOptions

_WRONG = re.compile(r"Traceback|never retrieved| (ERROR|CRITICAL) ")


class PerdureServer(ServerPart):
    """One node in `directory`; the same ports and data after a restart."""

    name = "perdure"

    def __init__(
        self, directory: Path, options: ServerOptions | None = None, node_name: str = "n1"
    ) -> None:
        self.options = options or ServerOptions()
        self.directory = directory
        self.data_dir = directory / "data"
        self.port, self.admin_port = free_port(), free_port()
        self.ingress = f"http://127.0.0.1:{self.port}"
        self.admin = f"http://127.0.0.1:{self.admin_port}"
        command = [sys.executable, "-m", "orchestrator.cli.main", "serve", *self._flags(node_name)]
        self.process = Process("perdure-server", command, self._env(), log_dir=directory)

    def errors(self) -> list[str]:
        """Lines of its log, from its first start on, by which something went wrong in it."""
        return [line for line in self.process.log.read_text().splitlines() if _WRONG.search(line)]

    def _flags(self, node_name: str) -> list[str]:
        asked = self.options
        flags = ["--data-dir", str(self.data_dir), "--node-name", node_name]
        flags += ["--ingress", f"127.0.0.1:{self.port}"]
        flags += ["--admin", f"127.0.0.1:{self.admin_port}"]
        flags += ["--partitions", str(asked.partitions), "--log", asked.log]
        flags += ["--cluster", asked.cluster]
        if asked.kafka_bootstrap is not None:
            flags += ["--kafka-bootstrap", asked.kafka_bootstrap]
        return flags

    def _env(self) -> dict[str, str]:
        asked = self.options
        settings: dict[str, object] = {
            "PERDURE_INACTIVITY_TIMEOUT": asked.inactivity_timeout,
            "PERDURE_ABORT_TIMEOUT": asked.abort_timeout,
            "PERDURE_CLEANUP_INTERVAL": asked.cleanup_interval,
            "PERDURE_DISABLE_EAGER_STATE": "true" if asked.disable_eager_state else None,
            "PERDURE_REQUEST_IDENTITY_KEY_FILE": asked.identity_key_file,
            "PERDURE_RETRY_INITIAL_INTERVAL": asked.retry_initial_interval,
            "PERDURE_RETRY_MAX_INTERVAL": asked.retry_max_interval,
            "PERDURE_RETRY_MAX_ATTEMPTS": asked.retry_max_attempts,
            "PERDURE_RETRY_ON_MAX_ATTEMPTS": asked.retry_on_max_attempts,
            "PERDURE_PROTOCOL_MAX": asked.protocol_max,
        }
        texts = {key: str(value) for key, value in settings.items() if value is not None}
        return {**texts, **asked.env}
