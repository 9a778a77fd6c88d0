"""Routes of services and handlers: list, describe, options, OpenAPI, state."""

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from orchestrator.admin import answers
from orchestrator.admin.errors import AdminError, said
from orchestrator.admin.openapi import service_openapi
from orchestrator.admin.operate import operate
from orchestrator.admin.ports import Ports
from orchestrator.admin.routing import AdminRoutes, Body, whole_body
from orchestrator.admin.state_changes import BadStateChange, StateTooLarge, read_state_change
from orchestrator.admin.views import JsonView, handler_view, service_view
from orchestrator.door.keys import check_key, check_state_key
from orchestrator.door.refusals import Refused
from orchestrator.model.answers import Answer
from orchestrator.model.durations import parse_duration_ms
from orchestrator.model.limits import STATE_COMPARED_BYTES_MAX, STATE_KEYS_MAX
from orchestrator.model.records import PatchState
from orchestrator.registry.apply_metadata import MetadataState
from orchestrator.registry.records import AnyMetadataRecord, ServicePatched
from orchestrator.registry.schema import Service, ServiceType
from orchestrator.registry.stored import StoredService


class PatchService(Body):
    """Options to set until the service is discovered again; durations like `1h 30m` or PT1M."""

    public: bool | None = None
    idempotency_retention: str | None = None
    workflow_completion_retention: str | None = None
    journal_retention: str | None = None
    inactivity_timeout: str | None = None
    abort_timeout: str | None = None


def router(ports: Ports) -> AdminRoutes:
    routes = AdminRoutes("service")

    @routes.get("/services", id="list_services", answer=answers.ListServicesResponse)
    async def list_all() -> JsonView:
        """The latest revision of every service."""
        return {"services": [service_view(one) for one in ports.metadata.known().services.values()]}

    @routes.get("/services/{service}", id="get_service", answer=answers.ServiceMetadata)
    async def describe(service: str) -> JsonView:
        """The latest revision of a service."""
        return service_view(_find(ports, service))

    @routes.patch("/services/{service}", id="modify_service", answer=answers.ServiceMetadata)
    async def patch(service: str, asked: PatchService) -> JsonView:
        """Set options of a service."""
        return await _patch(ports, service, asked)

    @routes.get("/services/{service}/openapi", id="get_service_openapi", answer=answers.AnyDocument)
    async def openapi(service: str) -> JsonView:
        """The OpenAPI document of a service's handlers at the ingress."""
        return service_openapi(_find(ports, service), ports.options.ingress_endpoint)

    @routes.get(
        "/services/{service}/handlers",
        id="list_service_handlers",
        answer=answers.ListServiceHandlersResponse,
    )
    async def handlers(service: str) -> JsonView:
        """The handlers of a service."""
        return {"handlers": [handler_view(one) for one in _find(ports, service).handlers.values()]}

    @routes.get(
        "/services/{service}/handlers/{handler}",
        id="get_service_handler",
        answer=answers.HandlerMetadata,
    )
    async def handler(service: str, handler: str) -> JsonView:
        """One handler."""
        found = _find(ports, service).handlers.get(handler)
        if found is None:
            raise AdminError(404, f"service {service!r} has no handler {handler!r}")
        return handler_view(found)

    @routes.post(
        "/services/{service}/state",
        status_code=202,
        body_schema=_STATE_BODY,
        id="modify_service_state",
    )
    async def modify_state(service: str, request: Request) -> Response:
        """Replace the whole state of an object or workflow key."""
        await _modify_state(ports, _find(ports, service), await whole_body(request))
        return Response(status_code=202)

    return routes


_STATE_BODY = {
    "type": "object",
    "required": ["object_key", "new_state"],
    "properties": {
        "version": {"type": ["string", "null"]},
        "object_key": {"type": "string"},
        "new_state": {
            "type": "object",
            "additionalProperties": {
                "anyOf": [
                    {"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": 255}},
                    {"type": "string", "description": "the same bytes, as UTF-8 text"},
                ]
            },
        },
    },
}


def _find(ports: Ports, name: str) -> Service:
    found = ports.metadata.known().service(name)
    if found is None:
        raise AdminError(404, f"there is no service {name!r}")
    return found


async def _patch(ports: Ports, name: str, asked: PatchService) -> JsonView:
    found = _find(ports, name)
    if asked.workflow_completion_retention is not None and found.ty != ServiceType.WORKFLOW:
        raise AdminError(400, f"{name!r} is no workflow: it has no workflow_completion_retention")
    given = _durations(asked)

    def decide(state: MetadataState) -> tuple[AnyMetadataRecord | None, None]:
        stored = _stored(state, name)
        if stored is None:
            raise AdminError(404, f"service {name!r} has just been deleted")
        settings = msgspec.structs.replace(stored.settings, **given)
        public = stored.public if asked.public is None else asked.public
        if settings == stored.settings and public == stored.public:
            return None, None
        return ServicePatched(state.version, name, public, settings), None

    await ports.metadata.change(decide)
    return service_view(_find(ports, name))


def _durations(asked: PatchService) -> dict[str, int]:
    texts = {
        "idempotency_retention_ms": asked.idempotency_retention,
        "workflow_retention_ms": asked.workflow_completion_retention,
        "journal_retention_ms": asked.journal_retention,
        "inactivity_timeout_ms": asked.inactivity_timeout,
        "abort_timeout_ms": asked.abort_timeout,
    }
    return {name: parse_duration_ms(text) for name, text in texts.items() if text is not None}


def _stored(state: MetadataState, name: str) -> StoredService | None:
    deployment = state.deployments.get(state.latest.get(name, ""))
    services = () if deployment is None else deployment.services
    return next((one for one in services if one.name == name), None)


async def _modify_state(ports: Ports, service: Service, body: bytes) -> None:
    try:
        asked = await read_state_change(body, ports.options.payload_bytes_max)
    except BadStateChange as error:
        why = said(error)
        raise AdminError(400, f"the body is not a modification of state: {why}") from None
    except StateTooLarge as error:
        raise AdminError(413, str(error)) from None
    if service.ty == ServiceType.SERVICE:
        raise AdminError(400, f"{service.name!r} is a plain service: it has no state")
    if asked.scope is not None:
        raise AdminError(400, "scopes are not served by this version: leave scope out")
    if not asked.object_key:
        raise AdminError(400, "object_key is empty")
    state = tuple(sorted((key.encode(), value) for key, value in asked.new_state.items()))
    try:
        check_key(asked.object_key)
        for key, _ in state:
            check_state_key(key)
    except Refused as error:
        raise AdminError(400, error.refusal.message) from None
    answer = await operate(
        ports,
        PatchState(
            service=service.name,
            key=asked.object_key,
            workflow=service.ty == ServiceType.WORKFLOW,
            version=asked.version,
            state=state,
            now_ms=ports.clock.now_ms(),
        ),
    )
    if answer is Answer.STATE_TOO_LARGE:
        raise AdminError(
            413,
            f"the state of this key is too large to be compared with a version: more than"
            f" {STATE_KEYS_MAX} keys or {STATE_COMPARED_BYTES_MAX} bytes; leave version out",
        )
