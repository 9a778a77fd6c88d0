"""What the admin API stands on."""

from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Literal, Protocol

import msgspec

from orchestrator.admin.options import AdminOptions as AdminOptions
from orchestrator.brokers.clusters import BrokerClusters
from orchestrator.intake.views import LookAtSubscriptions
from orchestrator.processor.port import Engine
from orchestrator.registry.discovery import Converted, Discover
from orchestrator.registry.metadata import Metadata
from orchestrator.registry.schema import Deployment
from orchestrator.runtime.clock import Clock
from orchestrator.runtime.entropy import Entropy


class QueryAnswer(Protocol):
    """An answer as it comes. Whoever asked closes `parts`, which ends the query."""

    @property
    def parts(self) -> AsyncGenerator[bytes]:
        """What cannot be answered is one of the exceptions that `create_admin` is told, with the
        HTTP status in its attribute `status`; after the first part the answer is broken off."""
        ...

    @property
    def missing(self) -> Mapping[int, str]:
        """Partitions whose rows are not in it, with the reason; complete with the first part."""
        ...


class Convert(Protocol):
    """Has a deployment encode or decode a value, by the serde of that name."""

    async def __call__(
        self,
        deployment: Deployment,
        service: str,
        operation: Literal["encode", "decode"],
        name: str,
        body: bytes,
    ) -> Converted:
        """Raises RegistryError META0003 if it does not answer."""
        ...


class Query(Protocol):
    """SQL over what the engine knows."""

    def json(self, sql: str, nulls: bool = False) -> QueryAnswer:
        """A JSON document `{"rows": […]}`, without nulls unless these are asked for."""
        ...

    def arrow(self, sql: str) -> QueryAnswer:
        """An Arrow IPC stream."""
        ...


BrokerTroubles = Callable[[], Mapping[str, str]]
"""By broker cluster: why it gives no answer now, or nothing can be sent to it."""


class Ports(msgspec.Struct, frozen=True):
    """Everything a route may use."""

    engine: Engine
    metadata: Metadata
    discover: Discover
    convert: Convert | None
    query: Query | None
    query_errors: tuple[type[Exception], ...]
    options: AdminOptions
    brokers: BrokerClusters
    look_at_subscriptions: LookAtSubscriptions
    broker_troubles: BrokerTroubles
    clock: Clock
    entropy: Entropy
