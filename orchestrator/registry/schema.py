"""Deployments, services and handlers with every default resolved, and their lookup tables.

A `Registry` is an immutable snapshot of one version of the metadata.
"""

import msgspec

from orchestrator.model.values import THEN_PAUSE, OutputRules
from orchestrator.registry.stored import (
    ServiceType,
    StoredDeployment,
    StoredHandler,
    StoredPairs,
    StoredService,
)
from orchestrator.registry.stored_topics import TopicsState

__all__ = [
    "Deployment",
    "Handler",
    "InputRules",
    "OutputRules",
    "Registry",
    "RetryPolicy",
    "Service",
    "ServiceType",
    "StoredPairs",
]


class RetryPolicy(msgspec.Struct, frozen=True, gc=False):
    """How failed attempts are tried again; `max_attempts` counts the first, None is for ever."""

    initial_interval_ms: int = 500
    factor: float = 2.0
    max_interval_ms: int = 60_000
    max_attempts: int | None = 70
    on_max_attempts: int = THEN_PAUSE  # or THEN_KILL


class InputRules(msgspec.Struct, frozen=True, gc=False):
    """What a request may carry: it is taken if any of the rules lets it through.

    `empty`: no body and no content type. `content_type`: a header that matches ("" matches
    none, "*/*" all); with `needs_body` the body must not be empty either. `anything`: no rule.
    """

    anything: bool = True
    empty: bool = True
    content_type: str = ""
    needs_body: bool = False


class Handler(msgspec.Struct, frozen=True, gc=False):
    """A handler of one revision of a service. `kind` is one of model.values."""

    service: str
    name: str
    kind: int
    keyed: bool
    public: bool
    input: InputRules
    output: OutputRules
    idempotency_retention_ms: int
    workflow_retention_ms: int
    journal_retention_ms: int
    inactivity_timeout_ms: int
    abort_timeout_ms: int
    lazy_state: bool
    retry: RetryPolicy
    deployment_id: str
    stored: StoredHandler


class Service(msgspec.Struct, frozen=True, gc=False):
    """One revision of a service; `handlers` by name, in the order of the manifest."""

    name: str
    ty: ServiceType
    handlers: dict[str, Handler]
    deployment_id: str
    revision: int
    public: bool
    idempotency_retention_ms: int
    workflow_retention_ms: int
    journal_retention_ms: int
    inactivity_timeout_ms: int
    abort_timeout_ms: int
    lazy_state: bool
    retry: RetryPolicy
    stored: StoredService


class Deployment(msgspec.Struct, frozen=True, gc=False):
    """A registered endpoint; `services` by name, as this deployment serves them."""

    id: str
    uri: str
    http1: bool
    bidi: bool
    min_protocol: int
    max_protocol: int
    additional_headers: StoredPairs
    metadata: StoredPairs
    created_at_ms: int
    sdk_version: str
    services: dict[str, Service]
    stored: StoredDeployment


class Registry:
    """One version of the metadata: deployments by id, and the latest revision of each service.

    `topics` holds broker clusters, that of the log included, subscriptions and feeds.
    """

    __slots__ = ("_handlers", "deployments", "services", "topics", "version")

    def __init__(
        self,
        version: int,
        deployments: dict[str, Deployment],
        services: dict[str, Service],
        topics: TopicsState | None = None,
    ) -> None:
        self.version = version
        self.deployments = deployments
        self.services = services
        self.topics = TopicsState() if topics is None else topics
        self._handlers = {
            (service.name, name): handler
            for service in services.values()
            for name, handler in service.handlers.items()
        }

    def handler(self, service: str, handler: str) -> Handler | None:
        """The handler of the latest revision."""
        return self._handlers.get((service, handler))

    def service(self, name: str) -> Service | None:
        """The latest revision."""
        return self.services.get(name)

    def deployment(self, deployment_id: str) -> Deployment | None:
        return self.deployments.get(deployment_id)

    def latest(self, service: str) -> Deployment | None:
        """The deployment of the latest revision: where new invocations go."""
        found = self.services.get(service)
        return None if found is None else self.deployments.get(found.deployment_id)

    def handler_on(self, deployment_id: str, service: str, handler: str) -> Handler | None:
        """The handler as a given deployment serves it."""
        deployment = self.deployments.get(deployment_id)
        on = None if deployment is None else deployment.services.get(service)
        return None if on is None else on.handlers.get(handler)


EMPTY = Registry(0, {}, {})
