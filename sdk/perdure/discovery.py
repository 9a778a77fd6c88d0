"""The endpoint manifest, versions 1 to 5: what is told to a server that registers a deployment."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any, Final, Literal, TypeAlias

import msgspec

from perdure.definitions import HandlerDefinition, ServiceDefinition
from perdure.options import HandlerOptions
from perdure.wire.versions import VERSION_MAX, VERSION_MIN

ProtocolMode: TypeAlias = Literal["BIDI_STREAM", "REQUEST_RESPONSE"]

VERSIONS: Final = (4, 3, 2, 1)  # the best first; 5 adds nothing that is used here
_PREFIX: Final = "application/vnd.restate.endpointmanifest.v"
_SUFFIX: Final = "+json"
_SERVICE_TYPES: Final = {
    "service": "SERVICE",
    "object": "VIRTUAL_OBJECT",
    "workflow": "WORKFLOW",
}
_HANDLER_TYPES: Final = {
    "plain": None,
    "exclusive": "EXCLUSIVE",
    "shared": "SHARED",
    "workflow": "WORKFLOW",
}
_RETENTIONS: Final = ("journal_retention", "idempotency_retention")


def manifest_type(version: int) -> str:
    """Return the media type of a version of the manifest."""
    return f"{_PREFIX}{version}{_SUFFIX}"


def pick_manifest_version(accept: str) -> int | None:
    """Return the best version that an Accept header takes; None if there is none.

    Without the header it is 2, which every server reads.
    """
    offered = {one.partition(";")[0].strip() for one in accept.split(",")} - {""}
    if not offered or "*/*" in offered:
        return 2
    if manifest_type(5) in offered:
        return 5
    return next((one for one in VERSIONS if manifest_type(one) in offered), None)


def manifest(
    services: Iterable[ServiceDefinition],
    mode: ProtocolMode,
    version: int,
    compression: str | None = None,
) -> bytes:
    """Return the JSON of a manifest; what its version cannot say is left out."""
    root: dict[str, Any] = {
        "protocolMode": mode,
        "minProtocolVersion": VERSION_MIN,
        "maxProtocolVersion": VERSION_MAX,
        "services": [_service(one, version) for one in services],
    }
    if compression is not None and version >= 4:
        root["lambdaCompression"] = compression
    return msgspec.json.encode(root)


def _service(one: ServiceDefinition, version: int) -> dict[str, Any]:
    return {
        "name": one.name,
        "ty": _SERVICE_TYPES[one.kind],
        "handlers": [_handler(handler, one, version) for handler in one.handlers.values()],
        **_options(one.options, version),
    }


def _handler(one: HandlerDefinition, service: ServiceDefinition, version: int) -> dict[str, Any]:
    made: dict[str, Any] = {"name": one.name}
    if (ty := _HANDLER_TYPES[one.kind]) is not None:
        made["ty"] = ty
    made["input"] = _input(one)
    made["output"] = _output(one)
    made |= _options(one.options, version)
    if one.kind == "workflow" and version >= 3:
        own, of_service = one.options.workflow_retention, service.options.workflow_retention
        retention = of_service if own is None else own
        if retention is not None:
            made["workflowCompletionRetention"] = _ms(retention)
    return made


def _input(one: HandlerDefinition) -> dict[str, Any]:
    if not one.takes_input or one.input.content_type is None:
        return {}  # no body
    found: dict[str, Any] = {"required": one.required, "contentType": one.input.content_type}
    if (schema := one.input.schema()) is not None:
        found["jsonSchema"] = schema
    return found


def _output(one: HandlerDefinition) -> dict[str, Any]:
    found: dict[str, Any] = {"setContentTypeIfEmpty": False}
    if one.output.content_type is not None:
        found["contentType"] = one.output.content_type
        if (schema := one.output.schema()) is not None:
            found["jsonSchema"] = schema
    return found


def _options(options: HandlerOptions, version: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if version >= 2:
        found["documentation"] = options.description
        found["metadata"] = dict(options.metadata) if options.metadata else None
    if version >= 3:
        for name in ("inactivity_timeout", "abort_timeout", *_RETENTIONS):
            delta = getattr(options, name)
            found[_camel(name)] = None if delta is None else _ms(delta)
        found["enableLazyState"] = options.lazy_state
        found["ingressPrivate"] = options.private
    if version >= 4 and (retry := options.retry) is not None:
        found["retryPolicyInitialInterval"] = None if retry.initial is None else _ms(retry.initial)
        found["retryPolicyMaxInterval"] = (
            None if retry.max_interval is None else _ms(retry.max_interval)
        )
        found["retryPolicyMaxAttempts"] = retry.max_attempts
        found["retryPolicyExponentiationFactor"] = retry.factor
        found["retryPolicyOnMaxAttempts"] = retry.on_exhausted and retry.on_exhausted.upper()
    return {name: value for name, value in found.items() if value is not None}


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(one.title() for one in rest)


def _ms(delta: timedelta) -> int:
    return round(delta / timedelta(milliseconds=1))
