"""Routes about the server itself: health, version, cluster; and what is not served."""

from collections.abc import Sequence
from typing import Final

from starlette.responses import Response

from orchestrator.admin import answers
from orchestrator.admin.document import api_document
from orchestrator.admin.errors import AdminError, refusal
from orchestrator.admin.ports import Ports
from orchestrator.admin.routing import AdminRoute, AdminRoutes
from orchestrator.admin.versions import VERSION_MAX, VERSION_MIN
from orchestrator.admin.views import JsonView
from orchestrator.model.values import RESTATE_VERSION
from orchestrator.runtime.version import own_version

_OWN_NODE: Final = 1
"""Its number to clients of a cluster: one node runs everything."""


def router(ports: Ports) -> AdminRoutes:
    routes = AdminRoutes()

    @routes.get("/health", tag="health", id="health")
    async def health() -> Response:
        """200 if new work is taken."""
        why_not = ports.engine.writable()
        return refusal(503, why_not) if why_not else Response(status_code=200)

    @routes.get("/version", tag="version", id="version", answer=answers.VersionInformation)
    async def version() -> JsonView:
        """The version this API is compatible with, and that of the server."""
        return {
            "version": RESTATE_VERSION,
            "min_admin_api_version": VERSION_MIN,
            "max_admin_api_version": VERSION_MAX,
            "ingress_endpoint": ports.options.ingress_endpoint,
            "features": {},
            "perdure_version": own_version(),
        }

    @routes.get(
        "/cluster-health",
        tag="cluster_health",
        id="cluster_health",
        answer=answers.ClusterHealthResponse,
    )
    async def cluster_health() -> JsonView:
        """The name of the cluster, and the nodes that keep its metadata."""
        members = {"members": [_OWN_NODE]}
        return {"cluster_name": ports.options.cluster_name, "metadata_cluster_health": members}

    return routes


def document_router(routes: Sequence[AdminRoute]) -> AdminRoutes:
    """The document of all routes."""
    found = AdminRoutes()

    @found.get("/openapi", id="openapi", answer=answers.AnyDocument)
    async def openapi() -> JsonView:
        """This document."""
        return api_document(own_version(), [*routes, *found.all])

    return found


def absent_router() -> AdminRoutes:
    """Features of other servers: what would use one is refused."""
    routes = AdminRoutes()

    @routes.put("/limits/rules", in_document=False)
    @routes.post("/limits/rules/bulk-delete", in_document=False)
    async def rules() -> None:
        raise AdminError(
            501,
            "concurrency-limit rules and scopes are not served: a service that has enough to do"
            " answers 429 with Retry-After, and is asked again then",
        )

    return routes
