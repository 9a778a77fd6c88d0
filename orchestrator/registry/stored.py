"""What the metadata log keeps of deployments: as registered, without the server's defaults.

Kept on disk: never reorder a field; new fields go last with a default.
"""

import enum

import msgspec

StoredPairs = tuple[tuple[str, str], ...]


class ServiceType(enum.IntEnum):
    """Kinds of service. Kept in the log: never reuse a number."""

    SERVICE = 0
    OBJECT = 1
    WORKFLOW = 2


SERVICE_TYPES = {
    ServiceType.SERVICE: "Service",
    ServiceType.OBJECT: "VirtualObject",
    ServiceType.WORKFLOW: "Workflow",
}
"""As the admin API names them."""


class Stored(msgspec.Struct, array_like=True, frozen=True, gc=False, forbid_unknown_fields=True):
    """Part of a record of the metadata log."""


class Settings(Stored, frozen=True):
    """Options of a service or handler; None leaves it to the service or to the server."""

    inactivity_timeout_ms: int | None = None
    abort_timeout_ms: int | None = None
    journal_retention_ms: int | None = None
    idempotency_retention_ms: int | None = None
    workflow_retention_ms: int | None = None
    lazy_state: bool | None = None
    retry_initial_interval_ms: int | None = None
    retry_max_interval_ms: int | None = None
    retry_max_attempts: int | None = None
    retry_factor: float | None = None
    retry_on_max_attempts: int | None = None  # THEN_PAUSE | THEN_KILL


class StoredInput(Stored, frozen=True):
    """The input a handler declared; `json_schema` is JSON text, "" without one."""

    required: bool = False
    content_type: str = ""
    json_schema: str = ""


class StoredOutput(Stored, frozen=True):
    """The output a handler declared; `json_schema` is JSON text, "" without one."""

    content_type: str = ""
    set_content_type_if_empty: bool = False
    json_schema: str = ""


class StoredHandler(Stored, frozen=True):
    """A handler as declared; `kind` is one of model.values, `public` None follows the service."""

    name: str
    kind: int
    public: bool | None = None
    settings: Settings = Settings()
    input: StoredInput | None = None
    output: StoredOutput | None = None
    documentation: str = ""
    metadata: StoredPairs = ()


class StoredService(Stored, frozen=True):
    """One revision of a service, on one deployment."""

    name: str
    ty: int
    revision: int
    handlers: tuple[StoredHandler, ...]
    public: bool = True
    settings: Settings = Settings()
    documentation: str = ""
    metadata: StoredPairs = ()


class StoredDeployment(Stored, frozen=True):
    """A registered endpoint: its address, what it speaks and the services it serves."""

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
    services: tuple[StoredService, ...]
    assume_role: str = ""  # to call a function of AWS Lambda as; `uri` is its ARN
    compression: str = ""  # of bodies, that such a function takes
