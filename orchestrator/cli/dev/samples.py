"""A command line that calls a handler: what somebody who starts an app would type first."""

import json
import shlex
from collections.abc import Mapping, Sequence
from typing import Any, Final

KEY: Final = "ann"
Services = Sequence[Mapping[str, Any]]  # as the admin API describes them
_DEPTH_MAX: Final = 6
_BY_FORMAT: Final = {
    "date-time": "2026-01-31T12:00:00Z",
    "date": "2026-01-31",
    "time": "12:00:00",
    "duration": "PT1M",
    "email": "ann@example.com",
    "uuid": "3fa85f64-5717-4562-b3fc-2c963f66afa6",
    "uri": "https://example.com",
}
_BY_TYPE: Final[dict[str, Any]] = {
    "string": "Ann",
    "integer": 1,
    "number": 1.5,
    "boolean": True,
    "null": None,
}


def sample_of(schema: Any, whole: Any = None, depth: int = 0) -> Any:
    """A small value that a JSON schema takes, as far as it is simple."""
    whole = schema if whole is None else whole
    if not isinstance(schema, Mapping) or depth > _DEPTH_MAX:
        return None
    for name in ("examples", "enum"):
        if schema.get(name):
            return schema[name][0]
    for name in ("const", "default"):
        if name in schema:
            return schema[name]
    if "$ref" in schema:
        return sample_of(_referred(str(schema["$ref"]), whole), whole, depth + 1)
    for name in ("anyOf", "oneOf", "allOf"):
        if schema.get(name):
            return sample_of(schema[name][0], whole, depth + 1)
    return _by_type(schema, whole, depth)


def _by_type(schema: Mapping[str, Any], whole: Any, depth: int) -> Any:
    kind = schema.get("type", "object" if "properties" in schema else None)
    if isinstance(kind, list):
        kind = kind[0]
    if kind == "object":
        properties = schema.get("properties", {})
        needed = schema.get("required") or list(properties)[:3]
        return {n: sample_of(properties.get(n), whole, depth + 1) for n in needed}
    if kind == "array":
        items = schema.get("prefixItems") or [schema.get("items")]
        return [sample_of(one, whole, depth + 1) for one in items if one]
    return _BY_FORMAT.get(schema.get("format", "")) or _BY_TYPE.get(str(kind))


def _referred(reference: str, whole: Any) -> Any:
    found = whole
    for part in reference.removeprefix("#/").split("/"):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def curl_of(ingress: str, service: Mapping[str, Any], handler: Mapping[str, Any]) -> str:
    """The command that calls a handler, as views of the admin API describe both."""
    keyed = service["ty"] != "Service"
    place = f"{ingress}/{service['name']}/" + (f"{KEY}/" if keyed else "") + handler["name"]
    if handler.get("ty") == "Workflow":
        place += "/send"  # it may take days
    words = ["curl", place]
    body = _body_of(handler)
    return shlex.join([*words, "--json", body] if body else words)


def _body_of(handler: Mapping[str, Any]) -> str:
    """What to send; "" for a handler that takes nothing."""
    schema = handler.get("input_json_schema")
    if schema is not None:
        return json.dumps(sample_of(schema), ensure_ascii=False)
    return "" if handler.get("input_description", "none") == "none" else "{}"


def kcat_of(
    bootstrap: str, topic: str, service: Mapping[str, Any], handler: Mapping[str, Any]
) -> str:
    """The command that calls a handler by a record of the ingress topic."""
    key = ["-k", KEY] if service["ty"] != "Service" else []
    headers = [f"perdure-service={service['name']}", f"perdure-handler={handler['name']}"]
    named = [word for header in headers for word in ("-H", header)]
    words = ["kcat", "-P", "-b", bootstrap, "-t", topic, *key, *named]
    return f"echo {shlex.quote(_body_of(handler))} | {shlex.join(words)}"


def curls_of(ingress: str, services: Services) -> list[str]:
    """One command for each service."""
    return [curl_of(ingress, service, handler) for service, handler in _first_of(services)]


def kcats_of(bootstrap: str, topic: str, services: Services) -> list[str]:
    """One command, for the first service."""
    return [kcat_of(bootstrap, topic, *pair) for pair in _first_of(services)[:1]]


def _first_of(services: Services) -> list[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """Of each service a handler: of a workflow its run, else the first one that is public."""
    found = []
    for service in services:
        public = [one for one in service["handlers"] if one.get("public", True)]
        runs = [one for one in public if one.get("ty") == "Workflow"]
        if service.get("public", True) and public:
            found.append((service, (runs or public)[0]))
    return found
