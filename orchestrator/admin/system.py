"""Routes about the server itself: health, version, cluster, queries; and what is not served."""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from importlib.metadata import version as distribution_version
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import Response, StreamingResponse
from pydantic import BaseModel, Field
from starlette.types import Message, Receive, Scope, Send

from orchestrator.admin.errors import AdminError, refusal
from orchestrator.admin.ports import Ports
from orchestrator.admin.versions import VERSION_MAX, VERSION_MIN
from orchestrator.admin.views import View

_log = logging.getLogger("perdure.admin")

COMPATIBLE_VERSION: Final = "1.7.12"
"""What clients of this API take the server for: they choose their queries by it."""

ARROW: Final = "application/vnd.apache.arrow.stream"
JSON: Final = "application/json"
TAKE_S_MAX: Final = 30.0  # for a client to take a part of an answer
NO_SQL: Final = "queries need the extra sql: pip install 'perdure-server[sql]', then start again"


class QueryRequest(BaseModel):
    """A query over the introspection tables, read only."""

    query: str = Field(max_length=1_000_000)


def router(ports: Ports) -> APIRouter:
    routes = APIRouter()

    @routes.get("/health", tags=["cluster"], response_model=None)
    async def health() -> Response:
        """200 if new work is taken."""
        why_not = ports.engine.writable()
        return refusal(503, why_not) if why_not else Response(status_code=200)

    @routes.get("/version", tags=["version"])
    async def version() -> View:
        """The version this API is compatible with, and that of the server."""
        return {
            "version": COMPATIBLE_VERSION,
            "min_admin_api_version": VERSION_MIN,
            "max_admin_api_version": VERSION_MAX,
            "ingress_endpoint": ports.options.ingress_endpoint,
            "features": {},
            "perdure_version": distribution_version("perdure-server"),
        }

    @routes.get("/cluster-health", tags=["cluster"])
    async def cluster_health() -> View:
        """The name of the cluster."""
        return {"cluster_name": ports.options.cluster_name, "metadata_cluster_health": None}

    @routes.post("/query", tags=["introspection"], response_model=None)
    async def query(request: Request, asked: QueryRequest) -> Response:
        """Run SQL; JSON if that is what is accepted, else an Arrow IPC stream."""
        return await _query(ports, asked.query, request)

    return routes


async def _query(ports: Ports, sql: str, request: Request) -> Response:
    if ports.query is None:
        raise AdminError(501, NO_SQL)
    accept = request.headers.get("accept", "")
    as_json = accept.partition(";")[0].strip().lower() == JSON
    parts = ports.query.json(sql) if as_json else ports.query.arrow(sql)
    try:
        first = await anext(parts, b"")
    except ports.query_errors as error:
        raise AdminError(getattr(error, "status", 500), str(error)) from None
    return _Rows(first, parts, JSON if as_json else ARROW)


class _Rows(StreamingResponse):
    """Rows for a client that takes them: others wait behind it.

    One that stops is cut off; whatever ends the answer, the query ends with it.
    """

    def __init__(self, first: bytes, rest: AsyncGenerator[bytes], content_type: str) -> None:
        super().__init__(_joined(first, rest), headers={"content-type": content_type})
        self._rest = rest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def hurried(message: Message) -> None:
            async with asyncio.timeout(TAKE_S_MAX):
                await send(message)

        try:
            await super().__call__(scope, receive, hurried)
        except TimeoutError:
            _log.warning("the client of a query took nothing for %g s: cut off", TAKE_S_MAX)
        finally:
            await self._rest.aclose()


async def _joined(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for part in rest:
        yield part


def absent_router() -> APIRouter:
    """Features of other servers: their lists are empty, what would make one is refused."""
    routes = APIRouter(include_in_schema=False)
    for path, name, what in (
        ("/subscriptions", "subscriptions", "subscriptions"),
        ("/kafka-clusters", "clusters", "Kafka clusters"),
    ):
        _absent(routes, path, name, what)

    @routes.put("/limits/rules", response_model=None)
    @routes.post("/limits/rules/bulk-delete", response_model=None)
    async def rules() -> None:
        raise AdminError(501, "rules and scopes are not served by this version")

    return routes


def _absent(routes: APIRouter, path: str, name: str, what: str) -> None:
    async def empty() -> View:
        return {name: []}

    async def refused() -> None:
        raise AdminError(501, f"{what} are not served by this version")

    async def unknown(identity: str) -> None:
        raise AdminError(404, f"there are no {what}, so none is called {identity!r}")

    routes.add_api_route(path, empty, methods=["GET"])
    routes.add_api_route(path, refused, methods=["POST"], response_model=None)
    routes.add_api_route(
        path + "/{identity}", unknown, methods=["GET", "PATCH", "DELETE"], response_model=None
    )
