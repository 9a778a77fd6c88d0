"""From stored metadata and the server's defaults to a `Registry`: every option resolved.

The order is handler, service, server. What is stored keeps no default, so that a server that is
started with other ones applies them to what was registered before.
"""

from typing import TypeVar

import msgspec
from msgspec import structs

from orchestrator.model.durations import DURATION_MS_MAX
from orchestrator.model.utc import DAY_MS
from orchestrator.model.values import SERVICE
from orchestrator.registry.apply_metadata import MetadataState
from orchestrator.registry.schema import (
    Deployment,
    Handler,
    InputRules,
    OutputRules,
    Registry,
    RetryPolicy,
    Service,
    ServiceType,
)
from orchestrator.registry.stored import (
    Settings,
    StoredDeployment,
    StoredHandler,
    StoredInput,
    StoredOutput,
    StoredService,
)
from orchestrator.registry.stored_topics import StoredCluster

T = TypeVar("T")


class Defaults(msgspec.Struct, frozen=True):
    """The server's defaults for services and handlers that declare nothing.

    `lazy_state` holds for all of them, whatever they say: it turns eager state off.
    """

    inactivity_timeout_ms: int = 60_000
    abort_timeout_ms: int = 600_000
    idempotency_retention_ms: int = DAY_MS
    workflow_retention_ms: int = DAY_MS
    journal_retention_ms: int = DAY_MS
    lazy_state: bool = False
    retry: RetryPolicy = RetryPolicy()


def build_registry(
    state: MetadataState,
    defaults: Defaults,
    log_cluster: StoredCluster | None = None,
    before: Registry | None = None,
) -> Registry:
    """An immutable snapshot of `state`; `log_cluster` is that of a log on Kafka. `before`: the
    snapshot before it, with the same defaults, of which what has not changed is taken."""
    known = {} if before is None else before.deployments
    deployments: dict[str, Deployment] = {}
    for stored in state.deployments.values():
        same = known.get(stored.id)
        if same is None or same.stored is not stored:
            same = resolve_deployment(stored, defaults)
        deployments[stored.id] = same
    services = {
        name: deployments[deployment_id].services[name]
        for name, deployment_id in state.latest.items()
    }
    topics = structs.replace(
        state.topics,
        clusters=dict(state.topics.clusters),
        subscriptions=dict(state.topics.subscriptions),
        taken_over=dict(state.topics.taken_over),
    )
    if log_cluster is not None:
        topics.clusters[log_cluster.name] = log_cluster
    return Registry(state.version, deployments, services, topics)


def resolve_deployment(stored: StoredDeployment, defaults: Defaults) -> Deployment:
    """A deployment with every option resolved."""
    return Deployment(
        id=stored.id,
        uri=stored.uri,
        http1=stored.http1,
        bidi=stored.bidi,
        min_protocol=stored.min_protocol,
        max_protocol=stored.max_protocol,
        additional_headers=stored.additional_headers,
        metadata=stored.metadata,
        created_at_ms=stored.created_at_ms,
        sdk_version=stored.sdk_version,
        services={one.name: _service(one, stored.id, defaults) for one in stored.services},
        stored=stored,
    )


def _service(stored: StoredService, deployment_id: str, server: Defaults) -> Service:
    own = _over(stored.settings, server, server.lazy_state)
    return Service(
        name=stored.name,
        ty=ServiceType(stored.ty),
        handlers={
            one.name: _handler(one, stored, deployment_id, own, server.lazy_state)
            for one in stored.handlers
        },
        deployment_id=deployment_id,
        revision=stored.revision,
        public=stored.public,
        idempotency_retention_ms=own.idempotency_retention_ms,
        workflow_retention_ms=own.workflow_retention_ms,
        journal_retention_ms=own.journal_retention_ms,
        inactivity_timeout_ms=own.inactivity_timeout_ms,
        abort_timeout_ms=own.abort_timeout_ms,
        lazy_state=own.lazy_state,
        retry=own.retry,
        stored=stored,
    )


def _handler(
    stored: StoredHandler,
    service: StoredService,
    deployment_id: str,
    above: Defaults,
    forced_lazy: bool,
) -> Handler:
    settings = stored.settings
    if service.settings.workflow_retention_ms is not None:
        # Only operators set it on a service, after it was registered: their value wins.
        settings = structs.replace(settings, workflow_retention_ms=None)
    own = _over(settings, above, forced_lazy)
    return Handler(
        service=service.name,
        name=stored.name,
        kind=stored.kind,
        keyed=stored.kind != SERVICE,
        public=service.public and stored.public is not False,
        input=input_rules(stored.input),
        output=output_rules(stored.output),
        idempotency_retention_ms=own.idempotency_retention_ms,
        workflow_retention_ms=own.workflow_retention_ms,
        journal_retention_ms=own.journal_retention_ms,
        inactivity_timeout_ms=own.inactivity_timeout_ms,
        abort_timeout_ms=own.abort_timeout_ms,
        lazy_state=own.lazy_state,
        retry=own.retry,
        deployment_id=deployment_id,
        stored=stored,
    )


def _first(given: T | None, above: T) -> T:
    return above if given is None else given


def _ms(given: int | None, above: int) -> int:
    # A manifest may say 2**63 - 1 for "for ever"; beyond the limit no date can be written.
    return min(_first(given, above), DURATION_MS_MAX)


def _over(settings: Settings, above: Defaults, forced_lazy: bool) -> Defaults:
    """`settings` where they are given, else what is above."""
    return Defaults(
        inactivity_timeout_ms=_ms(settings.inactivity_timeout_ms, above.inactivity_timeout_ms),
        abort_timeout_ms=_ms(settings.abort_timeout_ms, above.abort_timeout_ms),
        idempotency_retention_ms=_ms(
            settings.idempotency_retention_ms, above.idempotency_retention_ms
        ),
        workflow_retention_ms=_ms(settings.workflow_retention_ms, above.workflow_retention_ms),
        journal_retention_ms=_ms(settings.journal_retention_ms, above.journal_retention_ms),
        lazy_state=forced_lazy or _first(settings.lazy_state, above.lazy_state),
        retry=_retry(settings, above.retry),
    )


def _retry(settings: Settings, above: RetryPolicy) -> RetryPolicy:
    attempts = settings.retry_max_attempts
    return RetryPolicy(
        initial_interval_ms=_ms(settings.retry_initial_interval_ms, above.initial_interval_ms),
        factor=_first(settings.retry_factor, above.factor),
        max_interval_ms=_ms(settings.retry_max_interval_ms, above.max_interval_ms),
        max_attempts=above.max_attempts if attempts is None else max(1, attempts),
        on_max_attempts=_first(settings.retry_on_max_attempts, above.on_max_attempts),
    )


def input_rules(stored: StoredInput | None) -> InputRules:
    """What a declared input lets through; nothing declared lets everything through."""
    if stored is None:
        return InputRules()
    content_type = stored.content_type
    if stored.json_schema:
        content_type = content_type or "application/json"
    return InputRules(
        anything=False,
        # Neither a content type nor a schema declares that there is no input.
        empty=not stored.required or not content_type,
        content_type=content_type,
        needs_body=bool(stored.json_schema),
    )


def output_rules(stored: StoredOutput | None) -> OutputRules:
    """The content type of results; a declared output without one has none."""
    if stored is None:
        return OutputRules()
    return OutputRules(
        content_type=stored.content_type,
        set_content_type_if_empty=stored.set_content_type_if_empty,
    )
