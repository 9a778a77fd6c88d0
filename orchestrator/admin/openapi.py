"""The OpenAPI document of one service: how its public handlers are called at the ingress."""

from typing import Any

from orchestrator.admin.views import json_of
from orchestrator.model.values import WORKFLOW_RUN
from orchestrator.registry.schema import Handler, Service, ServiceType

Document = dict[str, Any]

_ID = {"type": "string", "description": "Id of the invocation"}
_SEND_RESPONSE = {
    "type": "object",
    "required": ["invocationId", "status"],
    "properties": {
        "invocationId": _ID,
        "status": {"type": "string", "enum": ["Accepted", "PreviouslyAccepted"]},
        "executionTime": {"type": "string", "format": "date-time"},
    },
}
_ERROR = {
    "type": "object",
    "required": ["message"],
    "properties": {
        "code": {"type": "integer"},
        "message": {"type": "string"},
        "metadata": {"type": "object", "additionalProperties": {"type": "string"}},
        "source": {"type": "string", "enum": ["ingress", "invocation"]},
    },
}
_ERROR_ANSWER = {
    "description": "Error of the ingress or failure of the invocation",
    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/PerdureError"}}},
}
_IDEMPOTENCY_KEY = {
    "name": "idempotency-key",
    "in": "header",
    "required": False,
    "schema": {"type": "string"},
    "description": "Requests with the same key are one invocation",
}
_DELAY = {
    "name": "delay",
    "in": "query",
    "required": False,
    "schema": {"type": "string"},
    "description": "Start after this time, like 10s or PT1M",
}
_KEY = {"name": "key", "in": "path", "required": True, "schema": {"type": "string"}}
_ORIGINAL_KEY = {
    "name": "idempotencyKey",
    "in": "path",
    "required": True,
    "schema": {"type": "string"},
    "description": "The key that the invocation was sent with",
}
_NOT_FOUND = {"description": "There is no such invocation, or its result is not kept any more"}
_NOT_READY = {"description": "The invocation has not completed"}
_EXTENSIONS = "x-restate-extensions"
"""Where clients look for the metadata of a service or a handler."""


def service_openapi(service: Service, ingress_endpoint: str) -> Document:
    """An OpenAPI 3.1 document; private handlers are left out."""
    schemas: Document = {"PerdureError": _ERROR, "PerdureSendResponse": _SEND_RESPONSE}
    paths: Document = {}
    for handler in service.handlers.values():
        if handler.public:
            paths |= _handler_paths(service, handler, schemas)
    about: Document = {"title": service.name, "version": str(service.revision)}
    if service.stored.documentation:
        about["description"] = service.stored.documentation
    if service.stored.metadata:
        about[_EXTENSIONS] = dict(service.stored.metadata)
    return {
        "openapi": "3.1.0",
        "info": about,
        "servers": [{"url": ingress_endpoint.rstrip("/"), "description": "Ingress"}],
        "paths": paths,
        "components": {"schemas": schemas},
    }


def _handler_paths(service: Service, handler: Handler, schemas: Document) -> Document:
    """How it is called and sent to, and how the result of an earlier request is had."""
    keyed = service.ty != ServiceType.SERVICE
    name = handler.name
    target = f"{service.name}/{{key}}/{name}" if keyed else f"{service.name}/{name}"
    is_run = handler.kind == WORKFLOW_RUN
    key = [_KEY] if keyed else []
    parameters = key if is_run else [*key, _IDEMPOTENCY_KEY]
    stored = handler.stored
    about: Document = {_EXTENSIONS: dict(stored.metadata)} if stored.metadata else {}
    if stored.documentation:
        about["description"] = stored.documentation
    asked = dict(about)
    body = _request_body(handler, schemas)
    if body is not None:
        asked["requestBody"] = body
    result = _result(handler, schemas)
    call = asked | {
        "operationId": name,
        "summary": f"Call {name} and wait for its result",
        "tags": ["Request Response"],
        "parameters": parameters,
        "responses": {"200": result, "default": _ERROR_ANSWER},
    }
    send = asked | {
        "operationId": f"{name}Send",
        "summary": f"Start {name} without waiting",
        "tags": ["Send"],
        "parameters": [*parameters, _DELAY],
        "responses": {"202": _accepted(), "default": _ERROR_ANSWER},
    }
    if is_run:
        base, of = f"/restate/workflow/{service.name}/{{key}}", key
    else:
        base, of = f"/restate/invocation/{target}/{{idempotencyKey}}", [*key, _ORIGINAL_KEY]
    paths = {
        f"/restate/call/{target}": {"post": call},
        f"/restate/send/{target}": {"post": send},
    }
    return paths | _result_paths(base, name, of, about, result)


def _accepted() -> Document:
    schema = {"$ref": "#/components/schemas/PerdureSendResponse"}
    return {"description": "Accepted", "content": {"application/json": {"schema": schema}}}


def _result_paths(
    base: str, name: str, parameters: list[Document], about: Document, result: Document
) -> Document:
    answers: Document = {"200": result, "404": _NOT_FOUND, "default": _ERROR_ANSWER}
    attach = about | {
        "operationId": f"{name}Attach",
        "summary": f"Wait for the result of an invocation of {name}",
        "tags": ["Attach"],
        "parameters": parameters,
        "responses": answers,
    }
    output = about | {
        "operationId": f"{name}Output",
        "summary": f"The result of an invocation of {name}, if there is one",
        "tags": ["Get Output"],
        "parameters": parameters,
        "responses": answers | {"470": _NOT_READY},
    }
    return {f"{base}/attach": {"get": attach}, f"{base}/output": {"get": output}}


def _request_body(handler: Handler, schemas: Document) -> Document | None:
    rules, declared = handler.input, handler.stored.input
    if rules.anything:
        return {"required": False, "content": {"*/*": {"schema": {}}}}
    if not rules.content_type:
        return None
    text = "" if declared is None else declared.json_schema
    schema = _component(f"{handler.name}Request", text, schemas)
    return {"required": not rules.empty, "content": {rules.content_type: {"schema": schema}}}


def _result(handler: Handler, schemas: Document) -> Document:
    answer: Document = {"description": f"Result of {handler.name}"}
    declared = handler.stored.output
    if handler.output.content_type:
        text = "" if declared is None else declared.json_schema
        schema = _component(f"{handler.name}Response", text, schemas)
        answer["content"] = {handler.output.content_type: {"schema": schema}}
    return answer


def _component(name: str, text: str, schemas: Document) -> Any:
    """Put a schema among the components, its own definitions beside it; a reference to it."""
    if not text:
        return {}
    schema = json_of(text)
    if isinstance(schema, dict):
        for group in ("$defs", "definitions"):
            inner = schema.pop(group, None)
            for key, value in (inner if isinstance(inner, dict) else {}).items():
                schemas[f"{name}.{key}"] = _moved(value, name)
        schema.pop("$schema", None)
        schema.pop("$id", None)
    schemas[name] = _moved(schema, name)
    return {"$ref": f"#/components/schemas/{name}"}


def _moved(node: Any, name: str) -> Any:
    """References into the schema, rewritten to where its parts are now."""
    if isinstance(node, list):
        return [_moved(one, name) for one in node]
    if not isinstance(node, dict):
        return node
    moved = {key: _moved(value, name) for key, value in node.items()}
    reference = moved.get("$ref")
    if isinstance(reference, str):
        moved["$ref"] = _reference(reference, name)
    return moved


def _reference(reference: str, name: str) -> str:
    for group in ("#/$defs/", "#/definitions/"):
        if reference.startswith(group):
            return f"#/components/schemas/{name}.{reference[len(group) :]}"
    if reference.startswith("#"):
        return f"#/components/schemas/{name}{reference[1:]}"
    return reference
