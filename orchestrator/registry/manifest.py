"""The endpoint manifest, versions 1 to 4: what a service endpoint declares.

Strict: a surplus field, a wrong type or a name that is none is an error with its place.
"""

from typing import Annotated, Any, Literal

import msgspec

from orchestrator.registry.errors import BAD_MANIFEST, RegistryError

VERSIONS = (4, 3, 2, 1)
MEDIA_TYPES = {f"application/vnd.restate.endpointmanifest.v{v}+json": v for v in VERSIONS}
ACCEPT = ", ".join(MEDIA_TYPES)

Ms = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
Version = Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)]
ServiceName = Annotated[str, msgspec.Meta(pattern=r"^([a-zA-Z]|_[a-zA-Z0-9])[a-zA-Z0-9._-]*\Z")]
HandlerName = Annotated[str, msgspec.Meta(pattern=r"^([a-zA-Z]|_[a-zA-Z0-9])[a-zA-Z0-9_]*\Z")]
Protocol = Literal["BIDI_STREAM", "REQUEST_RESPONSE"]


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """A part of a manifest."""


class _Options(_Part, frozen=True):
    """Options that services and handlers share (version 3, retry policies version 4)."""

    documentation: str | None = None
    metadata: dict[str, str] | None = None
    inactivity_timeout: Ms | None = None
    abort_timeout: Ms | None = None
    journal_retention: Ms | None = None
    idempotency_retention: Ms | None = None
    enable_lazy_state: bool | None = None
    ingress_private: bool | None = None
    retry_policy_initial_interval: Ms | None = None
    retry_policy_max_interval: Ms | None = None
    retry_policy_max_attempts: Ms | None = None
    retry_policy_exponentiation_factor: float | None = None
    retry_policy_on_max_attempts: Literal["PAUSE", "KILL"] | None = None


class ManifestInput(_Part, frozen=True):
    required: bool | None = None
    content_type: str | None = None
    json_schema: Any = msgspec.UNSET


class ManifestOutput(_Part, frozen=True):
    content_type: str | None = None
    set_content_type_if_empty: bool | None = None
    json_schema: Any = msgspec.UNSET


class ManifestHandler(_Options, frozen=True, kw_only=True):
    name: HandlerName
    ty: Literal["WORKFLOW", "EXCLUSIVE", "SHARED"] | None = None
    input: ManifestInput | None = None
    output: ManifestOutput | None = None
    workflow_completion_retention: Ms | None = None


class ManifestService(_Options, frozen=True, kw_only=True):
    name: ServiceName
    ty: Literal["SERVICE", "VIRTUAL_OBJECT", "WORKFLOW"]
    handlers: tuple[ManifestHandler, ...]


class Manifest(_Part, frozen=True, kw_only=True):
    protocol_mode: Protocol | None = None
    min_protocol_version: Version
    max_protocol_version: Version
    services: tuple[ManifestService, ...]
    lambda_compression: Literal["zstd"] | None = None


_DECODER = msgspec.json.Decoder(Manifest)


def decode_manifest(body: bytes) -> Manifest:
    """Read a manifest; RegistryError META0013 says what is wrong and where."""
    try:
        manifest = _DECODER.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RegistryError(BAD_MANIFEST, f"the endpoint manifest is not valid: {error}") from None
    if manifest.protocol_mode is None:
        raise RegistryError(BAD_MANIFEST, "the endpoint manifest has no protocolMode")
    return manifest
