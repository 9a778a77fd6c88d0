"""What answers of the admin API are like, for its OpenAPI document: a test reads real ones by it.

Fields that may be absent have a default; durations are texts like `1h 30m`, times RFC 3339 in UTC.
"""

from typing import Any

import msgspec

AnyDocument = dict[str, Any]
"""One that has a standard of its own, as OpenAPI."""


class AdminAnswer(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """One that has no other fields."""


class VersionInformation(AdminAnswer, kw_only=True):
    """`version`: of the API this one is compatible with; `perdure_version`: of the server."""

    version: str
    min_admin_api_version: int
    max_admin_api_version: int
    ingress_endpoint: str
    features: dict[str, bool]
    perdure_version: str


class EmbeddedMetadataHealth(AdminAnswer, kw_only=True):
    """Numbers of the nodes that keep the metadata."""

    members: list[int]


class ClusterHealthResponse(AdminAnswer, kw_only=True):
    """A cluster and its nodes."""

    cluster_name: str
    metadata_cluster_health: EmbeddedMetadataHealth


class ServiceNameRevision(AdminAnswer, kw_only=True):
    """A service and its revision on a deployment."""

    name: str
    revision: int


class HandlerRetryPolicyMetadata(AdminAnswer, kw_only=True):
    """What a handler sets of its retry policy."""

    initial_interval: str | None = None
    exponentiation_factor: float | None = None
    max_attempts: int | None = None
    max_interval: str | None = None
    on_max_attempts: str | None = None


class HandlerMetadata(AdminAnswer, kw_only=True):
    """A handler: options only where it sets them itself."""

    name: str
    ty: str | None = None
    documentation: str | None = None
    metadata: dict[str, str] | None = None
    idempotency_retention: str | None = None
    workflow_completion_retention: str | None = None
    journal_retention: str | None = None
    inactivity_timeout: str | None = None
    abort_timeout: str | None = None
    enable_lazy_state: bool | None = None
    public: bool
    input_description: str
    output_description: str
    input_json_schema: Any = None
    output_json_schema: Any = None
    retry_policy: HandlerRetryPolicyMetadata


class ListServiceHandlersResponse(AdminAnswer, kw_only=True):
    """All handlers of a service."""

    handlers: list[HandlerMetadata]


class ServiceRetryPolicyMetadata(AdminAnswer, kw_only=True):
    """What follows a failed attempt; without `max_attempts` they never end."""

    initial_interval: str
    exponentiation_factor: float
    max_attempts: int | None = None
    max_interval: str
    on_max_attempts: str


class ServiceMetadata(AdminAnswer, kw_only=True):
    """A service: options with every default resolved."""

    name: str
    ty: str
    handlers: list[HandlerMetadata]
    documentation: str | None = None
    metadata: dict[str, str] | None = None
    deployment_id: str
    revision: int
    public: bool
    idempotency_retention: str
    workflow_completion_retention: str | None = None
    journal_retention: str
    inactivity_timeout: str
    abort_timeout: str
    enable_lazy_state: bool
    retry_policy: ServiceRetryPolicyMetadata


class ListServicesResponse(AdminAnswer, kw_only=True):
    """The latest revision of every service."""

    services: list[ServiceMetadata]


class _Deployment(AdminAnswer, kw_only=True):
    id: str
    uri: str | None = None
    arn: str | None = None
    assume_role_arn: str | None = None
    compression: str | None = None
    protocol_type: str | None = None
    http_version: str | None = None
    additional_headers: dict[str, str] | None = None
    metadata: dict[str, str] | None = None
    created_at: str
    min_protocol_version: int
    max_protocol_version: int
    sdk_version: str | None = None


class DeploymentResponse(_Deployment, kw_only=True):
    """A deployment and the names of its services. Values of headers are `***`."""

    services: list[ServiceNameRevision]


class ListDeploymentsResponse(AdminAnswer, kw_only=True):
    """All deployments."""

    deployments: list[DeploymentResponse]


class DetailedDeploymentResponse(_Deployment, kw_only=True):
    """A deployment and its services. Values of headers are `***`."""

    services: list[ServiceMetadata]


class RegisterDeploymentResponse(AdminAnswer, kw_only=True):
    """A deployment that was registered, was known, or would be (`dry_run`)."""

    id: str
    services: list[ServiceMetadata]
    min_protocol_version: int
    max_protocol_version: int
    sdk_version: str | None = None


class RestartAsNewInvocationResponse(AdminAnswer, kw_only=True):
    """The invocation that was started anew."""

    new_invocation_id: str


class FailedOperation(AdminAnswer, kw_only=True):
    """Why nothing was done to an invocation."""

    invocation_id: str
    error: str


class BatchOperationResponse(AdminAnswer, kw_only=True):
    """Ids of invocations to which it was done, and the others."""

    succeeded: list[str]
    failed: list[FailedOperation]


class RestartedInvocation(AdminAnswer, kw_only=True):
    """An invocation and the one that was started in its place."""

    old_invocation_id: str
    new_invocation_id: str


class BatchRestartResponse(AdminAnswer, kw_only=True):
    """Invocations that were started anew, and the others."""

    succeeded: list[RestartedInvocation]
    failed: list[FailedOperation]


class JournalEntryDocument(AdminAnswer, kw_only=True):
    """One entry of a journal: `payload` are its bytes in base64, `shown` is what is in them."""

    index: int
    type: str
    code: int
    appended_at: str
    shown: Any
    payload: str


class InvocationDocument(AdminAnswer, kw_only=True):
    """An invocation with its journal, as `perdure replay` reads it."""

    format: str
    id: str
    target: str
    service: str
    handler: str
    key: str
    status: str
    created_at: str
    deployment_id: str | None
    protocol_version: int | None
    random_seed: str
    idempotency_key: str | None
    entries: list[JournalEntryDocument]
