"""Routes of deployments: register, list, describe, move, delete."""

import logging
from typing import Annotated, Any

from msgspec import Meta
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from orchestrator.admin import answers
from orchestrator.admin.errors import AdminError
from orchestrator.admin.ports import Ports
from orchestrator.admin.routing import AdminRoutes, Body
from orchestrator.admin.versions import version_of
from orchestrator.admin.views import JsonView, deployment_view, service_views, short_services
from orchestrator.registry.addresses import (
    check_endpoint_headers,
    check_function,
    check_role,
    normalise_uri,
)
from orchestrator.registry.apply_metadata import MetadataState
from orchestrator.registry.discovery import DiscoveryTarget
from orchestrator.registry.errors import CONFLICT
from orchestrator.registry.records import AnyMetadataRecord, DeploymentDeleted
from orchestrator.registry.register import (
    Plan,
    Registration,
    RegistrationOutcome,
    existing,
    plan_move,
    plan_registration,
)
from orchestrator.registry.schema import Deployment, StoredPairs
from orchestrator.runtime.entropy import new_ulid
from orchestrator.runtime.kinds import HIDDEN
from perdure.wire.ids import deployment_id_to_str

_log = logging.getLogger("perdure.admin")

AUTH_LATER = "auth of deployments is not served by this version: use additional_headers"


class RegisterDeployment(Body):
    """An endpoint to discover and to register."""

    uri: Annotated[str | None, Meta(description="http:// or https:// address")] = None
    additional_headers: dict[str, str] | None = None
    metadata: dict[str, str] | None = None
    use_http_11: bool = False
    breaking: bool = False
    force: bool | None = None
    dry_run: bool = False
    arn: Annotated[str | None, Meta(description="a function of AWS Lambda, in place of uri")] = None
    assume_role_arn: Annotated[str | None, Meta(description="to call the function as")] = None
    auth: Any = None


class UpdateDeployment(Body):
    """What to change of a deployment's address; `overwrite` takes the services found there."""

    uri: str | None = None
    additional_headers: dict[str, str] | None = None
    use_http_11: bool | None = None
    overwrite: bool = False
    dry_run: bool = False
    arn: str | None = None
    assume_role_arn: str | None = None
    auth: Any = None


def router(ports: Ports) -> AdminRoutes:
    routes = AdminRoutes("deployment")

    @routes.post(
        "/deployments",
        status_code=201,
        also_status=200,
        id="create_deployment",
        answer=answers.RegisterDeploymentResponse,
    )
    async def register(request: Request, asked: RegisterDeployment) -> Response:
        """Discover an endpoint and register its services."""
        return await _register(ports, version_of(request.scope), asked)

    @routes.get("/deployments", id="list_deployments", answer=answers.ListDeploymentsResponse)
    async def list_all() -> JsonView:
        """All deployments."""
        found = ports.metadata.known().deployments.values()
        return {"deployments": [deployment_view(one, short_services(one)) for one in found]}

    @routes.get(
        "/deployments/{deployment_id}",
        id="get_deployment",
        answer=answers.DetailedDeploymentResponse,
    )
    async def describe(deployment_id: str) -> JsonView:
        """One deployment with its services."""
        found = _find(ports, deployment_id)
        return deployment_view(found, service_views(found))

    @routes.patch(
        "/deployments/{deployment_id}",
        id="update_deployment",
        answer=answers.DetailedDeploymentResponse,
    )
    async def update(deployment_id: str, asked: UpdateDeployment) -> JsonView:
        """Give a deployment another address."""
        return await _update(ports, deployment_id, asked)

    @routes.put("/deployments/{deployment_id}", in_document=False)
    async def replace(request: Request, deployment_id: str, asked: UpdateDeployment) -> JsonView:
        if version_of(request.scope) > 2:
            raise AdminError(405, "PUT belongs to version 2: use PATCH")
        return await _update(ports, deployment_id, asked)

    @routes.delete("/deployments/{deployment_id}", status_code=202, id="delete_deployment")
    async def delete(deployment_id: str, force: bool = False) -> Response:
        """Delete a deployment; what still runs on it will fail."""
        _find(ports, deployment_id)
        if not force:
            raise AdminError(501, "only a forced deletion is served: add ?force=true")

        def decide(state: MetadataState) -> tuple[AnyMetadataRecord | None, None]:
            if deployment_id not in state.deployments:
                return None, None
            return DeploymentDeleted(state.version, deployment_id), None

        await ports.metadata.change(decide)
        return Response(status_code=202)

    return routes


def _find(ports: Ports, deployment_id: str) -> Deployment:
    found = ports.metadata.known().deployment(deployment_id)
    if found is None:
        raise AdminError(404, f"there is no deployment {deployment_id!r}")
    return found


def _refuse_unserved(asked: RegisterDeployment | UpdateDeployment) -> None:
    if asked.auth is not None:
        raise AdminError(501, AUTH_LATER)


def _target(
    asked: RegisterDeployment | UpdateDeployment,
    uri: str,
    http1: bool,
    headers: StoredPairs,
    role: str,
) -> DiscoveryTarget:
    """What is asked for, and for the rest what holds already."""
    if asked.uri is not None and asked.arn is not None:
        raise AdminError(400, "a deployment has a uri or an arn, not both")
    if asked.arn is not None:
        uri, http1 = check_function(asked.arn), False
    elif asked.uri is not None:
        uri, role = normalise_uri(asked.uri), ""
    if asked.assume_role_arn is not None:
        role = check_role(asked.assume_role_arn)
    is_function = uri.startswith("arn:")
    if role and not is_function:
        raise AdminError(400, "assume_role_arn is for functions of AWS Lambda")
    if asked.use_http_11 is not None and not is_function:
        http1 = asked.use_http_11
    if asked.additional_headers is not None:
        headers = check_endpoint_headers(_with_known(asked.additional_headers, dict(headers)))
    return DiscoveryTarget(uri, http1, headers, role)


def _with_known(given: dict[str, str], known: dict[str, str]) -> dict[str, str]:
    """`given`, where `***` stands for the value known before, as it is shown."""
    whole = {}
    for name, value in given.items():
        if value == HIDDEN and name.lower() not in known:
            raise AdminError(
                400, f"{name}: {HIDDEN} stands for a value that is known, and there is none"
            )
        whole[name] = known[name.lower()] if value == HIDDEN else value
    return whole


async def _register(ports: Ports, version: int, asked: RegisterDeployment) -> Response:
    _refuse_unserved(asked)
    if asked.uri is None and asked.arn is None:
        raise AdminError(400, "uri is missing: the address of the endpoint to register")
    target = _target(asked, "", False, (), "")
    request = Registration(
        target=target,
        metadata=tuple((asked.metadata or {}).items()),
        force=version <= 2 if asked.force is None else asked.force,
        breaking=asked.breaking,
    )
    plan = await _registered(ports, request, asked.dry_run)
    if not asked.dry_run:
        _tell(plan)
    if plan.outcome is RegistrationOutcome.UNCHANGED and version <= 2:
        raise AdminError(
            409, f"{target.uri} is registered already: use force to overwrite it", CONFLICT
        )
    view = _registration_view(ports, plan)
    if plan.outcome is RegistrationOutcome.CREATED:
        return JSONResponse(view, 201, {"location": f"deployments/{plan.deployment.id}"})
    overwritten = plan.outcome is RegistrationOutcome.OVERWRITTEN
    return JSONResponse(view, 201 if overwritten and version <= 2 else 200)


def _tell(plan: Plan) -> None:
    one = plan.deployment
    services = ", ".join(f"{service.name} r{service.revision}" for service in one.services)
    _log.info("deployment %s %s: %s serves %s", one.id, plan.outcome.value, one.uri, services)


async def _registered(ports: Ports, request: Registration, dry_run: bool) -> Plan:
    routing = ports.options.routing_headers
    known = existing(ports.metadata.state, request.target, routing)
    if known is not None and not request.force:
        return Plan(RegistrationOutcome.UNCHANGED, known, None)
    discovered = await ports.discover(request.target)

    def decide(state: MetadataState) -> tuple[AnyMetadataRecord | None, Plan]:
        plan = plan_registration(
            state, request, discovered, routing, lambda: _new_id(ports), ports.clock.now_ms()
        )
        return None if dry_run else plan.record, plan

    return await ports.metadata.change(decide)


def _new_id(ports: Ports) -> str:
    return deployment_id_to_str(new_ulid(ports.clock.now_ms(), ports.entropy))


def _registration_view(ports: Ports, plan: Plan) -> JsonView:
    deployment = ports.metadata.resolved(plan.deployment)
    view: JsonView = {
        "id": deployment.id,
        "services": service_views(deployment),
        "min_protocol_version": deployment.min_protocol,
        "max_protocol_version": deployment.max_protocol,
    }
    if deployment.sdk_version:
        view["sdk_version"] = deployment.sdk_version
    return view


async def _update(ports: Ports, deployment_id: str, asked: UpdateDeployment) -> JsonView:
    _refuse_unserved(asked)
    known = _find(ports, deployment_id).stored
    target = _target(asked, known.uri, known.http1, known.additional_headers, known.assume_role)
    discovered = await ports.discover(target)

    def decide(state: MetadataState) -> tuple[AnyMetadataRecord | None, Plan]:
        now = state.deployments.get(deployment_id)
        if now is None:
            raise AdminError(404, f"deployment {deployment_id!r} has just been deleted")
        plan = plan_move(
            state, now, target, asked.overwrite, discovered, ports.options.routing_headers
        )
        return None if asked.dry_run else plan.record, plan

    plan = await ports.metadata.change(decide)
    deployment = ports.metadata.resolved(plan.deployment)
    return deployment_view(deployment, service_views(deployment))
