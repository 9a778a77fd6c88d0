"""Routes that show values of services: a deployment decodes them to JSON, and encodes JSON."""

from typing import Annotated, Any, Final, Literal

from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response

from orchestrator.admin.errors import AdminError
from orchestrator.admin.ports import Ports
from orchestrator.admin.routing import AdminRoutes, whole_body

_SAID_BYTES: Final = 500
_ANYTHING: Final[dict[str, Any]] = {"*/*": {}}

DeploymentId = Annotated[
    str | None, Meta(description="id of the deployment to ask; the service's latest one without it")
]


def router(ports: Ports) -> AdminRoutes:
    routes = AdminRoutes("service")

    @routes.post(
        "/internal/services/{service}/serdes/decode/{name:path}",
        body_schema={"type": "string", "format": "binary"},
        id="decode_value",
        content=_ANYTHING,
    )
    async def decode(
        service: str, name: str, request: Request, deployment: DeploymentId = None
    ) -> Response:
        """Bytes of a value as JSON, by a serde of the service such as `greet/input`. The answer is
        the deployment's, 500 if it is none."""
        return await _convert(ports, service, "decode", name, request, deployment)

    @routes.post(
        "/internal/services/{service}/serdes/encode/{name:path}",
        body_schema={},
        id="encode_value",
        content=_ANYTHING,
    )
    async def encode(
        service: str, name: str, request: Request, deployment: DeploymentId = None
    ) -> Response:
        """JSON as the bytes of a value, by a serde of the service such as `greet/input`. The answer
        is the deployment's, 500 if it is none."""
        return await _convert(ports, service, "encode", name, request, deployment)

    return routes


async def _convert(
    ports: Ports,
    service: str,
    operation: Literal["encode", "decode"],
    name: str,
    request: Request,
    deployment_id: str | None,
) -> Response:
    known = ports.metadata.known()
    found = known.latest(service) if deployment_id is None else known.deployment(deployment_id)
    if found is None:
        what = f"service {service!r}" if deployment_id is None else f"deployment {deployment_id!r}"
        raise AdminError(404, f"there is no {what}")
    if ports.convert is None:
        raise AdminError(501, "this server asks no deployments")
    body = await whole_body(request)
    converted = await ports.convert(found, service, operation, name, body)
    if not 200 <= converted.status < 300:
        said = converted.body[:_SAID_BYTES].decode("utf-8", "replace").strip()
        raise AdminError(
            500,
            f"{found.id} could not {operation} a value with {name!r}: HTTP status"
            f" {converted.status:03}{': ' if said else ''}{said}",
        )
    return Response(converted.body, converted.status, media_type=converted.content_type or None)
