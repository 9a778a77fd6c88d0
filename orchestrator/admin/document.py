"""The OpenAPI document of the admin API, made of its routes when somebody asks for it."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from orchestrator.admin.routing import REQUIRED, AdminRoute, Parameter

ApiDocument = dict[str, Any]

_REF: Final = "#/components/schemas/{name}"
_ERROR: Final[ApiDocument] = {
    "type": "object",
    "required": ["message"],
    "properties": {"message": {"type": "string"}, "restate_code": {"type": "string"}},
}
_REFUSED: Final[ApiDocument] = {
    "description": "The request is refused, or failed",
    "content": {"application/json": {"schema": {"$ref": _REF.format(name="AdminError")}}},
}


def api_document(version: str, routes: Sequence[AdminRoute]) -> ApiDocument:
    """OpenAPI 3.1, without routes that are kept out of it."""
    shown = [route for route in routes if route.in_document]
    kinds = [kind for route in shown for kind in (route.body, route.answer) if kind is not None]
    kinds = list(dict.fromkeys(kinds))
    found, schemas = msgspec.json.schema_components(kinds, ref_template=_REF)
    schema_of = dict(zip(kinds, found, strict=True))
    paths: ApiDocument = {}
    for route in shown:
        body = route.body_schema if route.body is None else schema_of[route.body]
        path = route.path.replace(":path}", "}")
        answer = schema_of.get(route.answer)
        paths.setdefault(path, {})[route.method.lower()] = _operation(route, body, answer)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Perdure admin API", "version": version},
        "paths": paths,
        "components": {"schemas": {**schemas, "AdminError": _ERROR}},
    }


def _operation(
    route: AdminRoute, body: ApiDocument | None, answer: ApiDocument | None
) -> ApiDocument:
    done: ApiDocument = {"description": "Done"}
    shapes = {"application/json": answer} if route.content is None else route.content
    if answer is not None or route.content is not None:
        done["content"] = {kind: {"schema": schema} for kind, schema in shapes.items()}
    statuses = [str(status) for status in (route.status, route.also_status) if status]
    operation: ApiDocument = {
        "operationId": route.id,
        "description": route.about,
        "responses": {**dict.fromkeys(statuses, done), "default": _REFUSED},
    }
    if route.tag:
        operation["tags"] = [route.tag]
    if route.deprecated:
        operation["deprecated"] = True
    if route.parameters:
        operation["parameters"] = [_parameter(one) for one in route.parameters]
    if body is not None:
        content = {"application/json": {"schema": body}}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _parameter(one: Parameter) -> ApiDocument:
    shown: ApiDocument = {
        "name": one.wire_name,
        "in": "path" if one.in_path else "query",
        "required": one.in_path or one.default is REQUIRED,
        "schema": msgspec.json.schema(one.kind),
    }
    if one.about:
        shown["description"] = one.about
    return shown
