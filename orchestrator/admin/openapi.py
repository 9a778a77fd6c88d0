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


def service_openapi(service: Service, ingress_endpoint: str) -> Document:
    """An OpenAPI 3.1 document; private handlers are left out."""
    schemas: Document = {"PerdureError": _ERROR, "PerdureSendResponse": _SEND_RESPONSE}
    paths: Document = {}
    for handler in service.handlers.values():
        if handler.public:
            paths |= _handler_paths(service, handler, schemas)
    if service.ty == ServiceType.WORKFLOW:
        paths |= _workflow_paths(service, schemas)
    about: Document = {"title": service.name, "version": str(service.revision)}
    if service.stored.documentation:
        about["description"] = service.stored.documentation
    return {
        "openapi": "3.1.0",
        "info": about,
        "servers": [{"url": ingress_endpoint.rstrip("/"), "description": "Ingress"}],
        "paths": paths,
        "components": {"schemas": schemas},
    }


def _handler_paths(service: Service, handler: Handler, schemas: Document) -> Document:
    keyed = service.ty != ServiceType.SERVICE
    path = f"/{service.name}/{{key}}/{handler.name}" if keyed else f"/{service.name}/{handler.name}"
    parameters = [_KEY] if keyed else []
    if handler.kind != WORKFLOW_RUN:
        parameters = [*parameters, _IDEMPOTENCY_KEY]
    stored = handler.stored
    shared: Document = {"tags": [service.name]}
    if stored.documentation:
        shared["description"] = stored.documentation
    body = _request_body(handler, schemas)
    if body is not None:
        shared["requestBody"] = body
    call = shared | {
        "operationId": handler.name,
        "summary": f"Call {handler.name} and wait for its result",
        "parameters": parameters,
        "responses": {"200": _result(handler, schemas), "default": _ERROR_ANSWER},
    }
    send = shared | {
        "operationId": f"{handler.name}Send",
        "summary": f"Start {handler.name} without waiting",
        "parameters": [*parameters, _DELAY],
        "responses": {"202": _accepted(), "default": _ERROR_ANSWER},
    }
    return {path: {"post": call}, f"{path}/send": {"post": send}}


def _accepted() -> Document:
    schema = {"$ref": "#/components/schemas/PerdureSendResponse"}
    return {"description": "Accepted", "content": {"application/json": {"schema": schema}}}


def _workflow_paths(service: Service, schemas: Document) -> Document:
    runs = [one for one in service.handlers.values() if one.kind == WORKFLOW_RUN and one.public]
    if not runs:
        return {}
    answers: Document = {"200": _result(runs[0], schemas), "default": _ERROR_ANSWER}
    base = f"/restate/workflow/{service.name}/{{key}}"
    not_ready = {"470": {"description": "The workflow has not completed"}}
    return {
        f"{base}/attach": {
            "get": {
                "operationId": "workflowAttach",
                "summary": "Wait for the result of the workflow",
                "tags": [service.name],
                "parameters": [_KEY],
                "responses": answers,
            }
        },
        f"{base}/output": {
            "get": {
                "operationId": "workflowOutput",
                "summary": "The result of the workflow, if there is one",
                "tags": [service.name],
                "parameters": [_KEY],
                "responses": answers | not_ready,
            }
        },
    }


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
