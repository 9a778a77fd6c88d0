"""The route of SQL queries: an answer is passed on as it comes, and marked if it is partial."""

import asyncio
import logging
from typing import Annotated, Final

from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response

from orchestrator.admin.errors import AdminError
from orchestrator.admin.ports import Ports, QueryAnswer
from orchestrator.admin.routing import AdminRoutes, Body
from orchestrator.admin.streaming import Streamed
from orchestrator.model.api_headers import JSON_TYPE, MISSING_PARTITIONS

_log = logging.getLogger("perdure.admin")

ARROW: Final = "application/vnd.apache.arrow.stream"
ROWS: Final = {
    "type": "object",
    "required": ["rows"],
    "properties": {"rows": {"type": "array", "items": {"type": "object"}}},
    "additionalProperties": False,
}
NO_SQL: Final = "queries need the extra sql: pip install 'perdure-server[sql]', then start again"
"""A header of a partial answer: the partitions whose rows are not in it, by number."""


class QueryRequest(Body):
    """A query over the introspection tables, read only."""

    query: Annotated[str, Meta(max_length=1_000_000)]


def router(ports: Ports) -> AdminRoutes:
    routes = AdminRoutes()

    @routes.post(
        "/query",
        tag="introspection",
        id="query",
        content={JSON_TYPE: ROWS, ARROW: {"type": "string", "format": "binary"}},
    )
    async def query(request: Request, asked: QueryRequest) -> Response:
        """Run SQL; JSON if that is what is accepted, else an Arrow IPC stream.

        JSON leaves out what is null; `accept: application/json; nulls=true` asks for it too.

        The header x-perdure-missing-partitions names partitions that could not be read.
        """
        return await _query(ports, asked.query, request)

    return routes


async def _query(ports: Ports, sql: str, request: Request) -> Response:
    if ports.query is None:
        raise AdminError(501, NO_SQL)
    kind, *parameters = request.headers.get("accept", "").lower().replace(" ", "").split(";")
    as_json = kind == JSON_TYPE
    if as_json:
        answer = ports.query.json(sql, "nulls=true" in parameters)
    else:
        answer = ports.query.arrow(sql)
    try:
        first = await _first_part(answer, request)
    except ports.query_errors as error:
        raise AdminError(getattr(error, "status", 500), str(error)) from None
    headers = {"content-type": JSON_TYPE if as_json else ARROW}
    if answer.missing:
        headers[MISSING_PARTITIONS] = ",".join(map(str, sorted(answer.missing)))
        _log.warning("a query was answered without the rows of %s", answer.missing)
    return Streamed("a query", first, answer.parts, headers, ports.query_errors)


async def _first_part(answer: QueryAnswer, request: Request) -> bytes:
    """The first part, or nothing if the client goes away: then its query ends."""
    part = asyncio.ensure_future(anext(answer.parts, b""))
    gone = asyncio.ensure_future(_disconnected(request))
    try:
        await asyncio.wait((part, gone), return_when=asyncio.FIRST_COMPLETED)
        return part.result() if part.done() else b""
    finally:
        gone.cancel()
        if not part.done():
            part.cancel()
            await asyncio.wait((part,))


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
