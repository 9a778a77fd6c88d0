"""What a test may ask of a server under test, whichever it is, and how both are driven."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class ServerOptions:
    """Durations are texts such as `10s` or `0s`; None leaves the server's own default."""

    partitions: int = 4
    log: str = "embedded"  # or "kafka", with `kafka_bootstrap`
    kafka_bootstrap: str | None = None
    cluster: str = "perdure"
    inactivity_timeout: str | None = None
    abort_timeout: str | None = None
    cleanup_interval: str | None = None
    disable_eager_state: bool = False
    identity_key_file: Path | None = None
    retry_initial_interval: str | None = None
    retry_max_interval: str | None = None
    retry_max_attempts: int | None = None
    retry_on_max_attempts: str | None = None  # "pause" or "kill"
    protocol_max: int | None = None
    env: dict[str, str] = field(default_factory=dict)


class Server(Protocol):
    """The server under test: its two addresses, its process id, its life and death."""

    name: str
    ingress: str
    admin: str

    @property
    def pid(self) -> int: ...
    def start(self) -> Server: ...
    def kill(self) -> None: ...
    def stop(self) -> int: ...
    def restart(self) -> None: ...
    def log_tail(self, size_bytes: int = 4_000) -> str: ...
