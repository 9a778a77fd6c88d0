"""`GET /metrics`: what Prometheus scrapes."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from orchestrator.runtime.exposition import OPENMETRICS, PROMETHEUS, exposition
from orchestrator.runtime.telemetry import Telemetry


def router(telemetry: Telemetry) -> APIRouter:
    routes = APIRouter()

    @routes.get("/metrics", tags=["cluster"], response_model=None)
    async def metrics(request: Request) -> Response:
        """All metrics as text, in the format that is accepted; docs/metrics.md explains each."""
        openmetrics = "application/openmetrics-text" in request.headers.get("accept", "")
        kind = OPENMETRICS if openmetrics else PROMETHEUS
        return Response(exposition(telemetry, openmetrics), headers={"content-type": kind})

    return routes
