"""What the admin API stands on."""

from collections.abc import AsyncGenerator
from typing import Protocol

import msgspec

from orchestrator.admin.options import AdminOptions as AdminOptions
from orchestrator.processor.port import Engine
from orchestrator.registry.discovery import Discover
from orchestrator.registry.metadata_log import Metadata
from orchestrator.runtime.clock import Clock
from orchestrator.runtime.entropy import Entropy


class Query(Protocol):
    """SQL over what the engine knows.

    What cannot be answered is one of the exceptions that `create_admin` is told, with the HTTP
    status in its attribute `status`; it comes before the first part. Whoever asks closes the
    generator: others wait behind it.
    """

    def json(self, sql: str) -> AsyncGenerator[bytes]:
        """Parts of a JSON document `{"rows": […]}`."""
        ...

    def arrow(self, sql: str) -> AsyncGenerator[bytes]:
        """Parts of an Arrow IPC stream."""
        ...


class Ports(msgspec.Struct, frozen=True):
    """Everything a route may use."""

    engine: Engine
    metadata: Metadata
    discover: Discover
    query: Query | None
    query_errors: tuple[type[Exception], ...]
    options: AdminOptions
    clock: Clock
    entropy: Entropy
