"""`GET /metrics`: what Prometheus scrapes."""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from orchestrator.admin.routing import AdminRoutes
from orchestrator.runtime.exposition import OPENMETRICS, PROMETHEUS, exposition
from orchestrator.runtime.telemetry import Telemetry

TEXT: Final = {"type": "string"}


def router(telemetry: Telemetry) -> AdminRoutes:
    routes = AdminRoutes()

    @routes.get(
        "/metrics",
        tag="cluster_health",
        id="metrics",
        content={"text/plain": TEXT, "application/openmetrics-text": TEXT},
    )
    async def metrics(request: Request) -> Response:
        """All metrics as text, in the format that is accepted; docs/metrics.md explains each."""
        openmetrics = "application/openmetrics-text" in request.headers.get("accept", "")
        kind = OPENMETRICS if openmetrics else PROMETHEUS
        return Response(exposition(telemetry, openmetrics), headers={"content-type": kind})

    return routes
