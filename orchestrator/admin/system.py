"""Routes about the server itself: health, version, cluster; and what is not served."""

from importlib.metadata import version as distribution_version

from fastapi import APIRouter
from fastapi.responses import Response

from orchestrator.admin.errors import AdminError, refusal
from orchestrator.admin.ports import Ports
from orchestrator.admin.versions import VERSION_MAX, VERSION_MIN
from orchestrator.admin.views import JsonView
from orchestrator.model.values import RESTATE_VERSION

"""What clients of this API take the server for: they choose their queries by it."""


def router(ports: Ports) -> APIRouter:
    routes = APIRouter()

    @routes.get("/health", tags=["cluster"], response_model=None)
    async def health() -> Response:
        """200 if new work is taken."""
        why_not = ports.engine.writable()
        return refusal(503, why_not) if why_not else Response(status_code=200)

    @routes.get("/version", tags=["version"])
    async def version() -> JsonView:
        """The version this API is compatible with, and that of the server."""
        return {
            "version": RESTATE_VERSION,
            "min_admin_api_version": VERSION_MIN,
            "max_admin_api_version": VERSION_MAX,
            "ingress_endpoint": ports.options.ingress_endpoint,
            "features": {},
            "perdure_version": distribution_version("perdure-server"),
        }

    @routes.get("/cluster-health", tags=["cluster"])
    async def cluster_health() -> JsonView:
        """The name of the cluster."""
        return {"cluster_name": ports.options.cluster_name, "metadata_cluster_health": None}

    return routes


def absent_router() -> APIRouter:
    """Features of other servers: what would use one is refused."""
    routes = APIRouter(include_in_schema=False)

    @routes.put("/limits/rules", response_model=None)
    @routes.post("/limits/rules/bulk-delete", response_model=None)
    async def rules() -> None:
        raise AdminError(501, "rules and scopes are not served by this version")

    return routes
