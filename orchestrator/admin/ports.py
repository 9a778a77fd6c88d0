"""What the admin API stands on, and its options."""

from collections.abc import AsyncGenerator
from typing import Protocol

import msgspec

from orchestrator.model.limits import PAYLOAD_BYTES_MAX
from orchestrator.processor.port import Engine
from orchestrator.registry.discovery import Discover
from orchestrator.registry.metadata_log import Metadata
from orchestrator.registry.register import PROTOCOL_MAX
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


class AdminOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator may set, and what the node says of itself."""

    ingress_endpoint: str = "http://127.0.0.1:8080/"
    cluster_name: str = "perdure"
    protocol_max: int = PROTOCOL_MAX
    routing_headers: frozenset[str] = frozenset()
    payload_bytes_max: int = PAYLOAD_BYTES_MAX
    body_bytes_max: int = 64 * 1024 * 1024  # state arrives as JSON numbers: four bytes for one
    hosts: frozenset[str] = frozenset()  # names it answers to, beside those of the loopback
    batch_count_max: int = 1000
    operate_wait_s: float = 30.0  # for the answer of a partition


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
