"""Routes: what a function takes is read from the request, refused if it is not that, documented."""

import asyncio
from typing import Annotated, Any, Literal

import msgspec
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message

from orchestrator.admin.document import api_document
from orchestrator.admin.errors import HANDLERS
from orchestrator.admin.routing import AdminRoutes, StrictBody

From = Annotated[int, msgspec.Meta(description="where", extra={"name": "from"})]


class Wanted(StrictBody):
    """What is wanted."""

    name: str
    count: Annotated[int, msgspec.Meta(ge=1)] = 1


def _routes() -> AdminRoutes:
    routes = AdminRoutes("things")

    @routes.get("/things/{thing}")
    async def show(
        thing: str, upto: From, force: bool = False, mode: Literal["a", "b"] = "a"
    ) -> dict[str, Any]:
        """Show one."""
        return {"thing": thing, "upto": upto, "force": force, "mode": mode}

    @routes.post("/things", status_code=201)
    async def make(asked: Wanted, request: Request) -> dict[str, Any]:
        return {"name": asked.name, "count": asked.count, "by": request.headers["host"]}

    @routes.delete("/things/{thing}", in_document=False)
    async def drop(thing: str) -> Response:
        return Response(status_code=202)

    return routes


def _ask(method: str, path: str, query: str = "", body: bytes = b"") -> tuple[int, Any]:
    app = Starlette(
        routes=[route.mounted() for route in _routes().all], exception_handlers=HANDLERS
    )
    app.router.redirect_slashes = False
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": query.encode(),
        "headers": [(b"host", b"h")],
    }
    asyncio.run(app(scope, receive, send))
    found = sent[1]["body"]
    return sent[0]["status"], msgspec.json.decode(found) if found else None


def test_path_and_query() -> None:
    status, found = _ask("GET", "/things/x y", "from=8&force=true&other=1&other=2")
    assert (status, found) == (200, {"thing": "x y", "upto": 8, "force": True, "mode": "a"})


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("", "query.from"),
        ("from=x", "query.from"),
        ("from=1&mode=c", "query.mode"),
        ("from=1&mode=a&mode=b", "2 times"),
        ("from=1&from=1", "2 times"),
    ],
)
def test_a_bad_query_is_refused(query: str, says: str) -> None:
    status, found = _ask("GET", "/things/x", query)
    assert status == 400 and found["restate_code"] == "PD0701" and says in found["message"]


def test_a_body() -> None:
    assert _ask("POST", "/things", body=b'{"name":"n"}') == (
        201,
        {"name": "n", "count": 1, "by": "h"},
    )


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "truncated"),
        (b"[]", "Expected `object`"),
        (b"{}", "missing required field `name`"),
        (b'{"name":"n","more":1}', "unknown field `more`"),
        (b'{"name":1}', "$.name"),
        (b'{"name":"n","count":0}', "$.count"),
        (b'{"name":"\xff"}', "body"),
        (b"[" * 100_000, "body"),
    ],
)
def test_a_bad_body_is_refused(body: bytes, says: str) -> None:
    status, found = _ask("POST", "/things", body=body)
    assert status == 400 and says in found["message"], found


def test_other_methods_and_paths() -> None:
    assert _ask("DELETE", "/things/x") == (202, None)
    assert _ask("HEAD", "/things/x", "from=1")[0] == 200
    assert _ask("HEAD", "/things")[0] == _ask("PUT", "/things")[0] == 405
    assert _ask("GET", "/things/x/y")[0] == _ask("GET", "/things/x/")[0] == 404


def test_the_document() -> None:
    document = api_document("1", _routes().all)
    assert list(document["paths"]["/things/{thing}"]) == ["get"]
    shown = document["paths"]["/things/{thing}"]["get"]
    assert shown["description"] == "Show one." and shown["tags"] == ["things"]
    parameters = {one["name"]: one for one in shown["parameters"]}
    assert parameters["from"]["required"] and parameters["from"]["description"] == "where"
    assert not parameters["force"]["required"] and parameters["thing"]["in"] == "path"
    assert parameters["mode"]["schema"]["enum"] == ["a", "b"]
    made = document["paths"]["/things"]["post"]
    reference = made["requestBody"]["content"]["application/json"]["schema"]["$ref"]
    wanted = document["components"]["schemas"][reference.rpartition("/")[2]]
    assert wanted["required"] == ["name"] and wanted["description"] == "What is wanted."
