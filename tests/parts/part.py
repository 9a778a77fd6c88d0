"""A part of a test that runs as a process, on the same ports for life."""

from __future__ import annotations

from typing import Self

from tests.parts.processes import Process, http_status, port_open


class Part:
    """Started, killed and started again; ready once its `port` is open."""

    port: int
    process: Process
    stop_timeout_s = 3.0

    @property
    def pid(self) -> int:
        return self.process.pid

    def start(self, timeout_s: float = 60.0) -> Self:
        self.process.start()
        self.process.wait_ready(self._ready, timeout_s)
        return self

    def kill(self) -> None:
        self.process.kill()

    def stop(self) -> int:
        return self.process.stop(self.stop_timeout_s)

    def restart(self) -> None:
        """Start again on the same ports and data, after `kill` or `stop`."""
        self.start()

    def log_tail(self, size_bytes: int = 4_000) -> str:
        return self.process.log_tail(size_bytes)

    def _ready(self) -> bool:
        return port_open(self.port)


class ServerPart(Part):
    """A server: ready once both of its ports say that they are."""

    admin_port: int
    stop_timeout_s = 15.0

    def _ready(self) -> bool:
        return (
            http_status(self.port, "/restate/health") == 200
            and http_status(self.admin_port, "/health") == 200
        )
