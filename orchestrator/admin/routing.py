"""Routes of the admin API: what one takes is read off its function, checked, and documented.

A route is an `async def`. Parameters that its path names are text, a `Body` is the JSON of the
request, `Request` is the request itself, all others are of its query. It returns a `Response`, or
what becomes the JSON of one.
"""

import inspect
from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any, Final, NotRequired, TypedDict, Unpack, get_args, get_type_hints
from typing import get_origin as origin_of

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, compile_path

from orchestrator.admin.errors import AdminError, said
from orchestrator.model.json_names import name_given_twice

Endpoint = Callable[..., Awaitable[Any]]
REQUIRED: Final = inspect.Parameter.empty


class Body(msgspec.Struct, kw_only=True):
    """The JSON of a request; a field that is not known means nothing."""


class StrictBody(Body, forbid_unknown_fields=True):
    """One whose unknown fields are refused: they are of no other server's clients."""


class Options(TypedDict):
    """How a route answers and how it is documented; `about` is its docstring if it is not given."""

    id: NotRequired[str]
    """Of the operation, for generated clients: it never changes."""
    answer: NotRequired[Any]  # what its JSON is like, for the document
    content: NotRequired[Mapping[str, Any]]  # JSON schemas by media type, where it is not JSON only
    status_code: NotRequired[int]
    also_status: NotRequired[int]  # another one of an answer that is no refusal
    tag: NotRequired[str]
    in_document: NotRequired[bool]
    deprecated: NotRequired[bool]
    about: NotRequired[str]
    body_schema: NotRequired[dict[str, Any]]  # of a body that the route reads by itself


class Parameter(msgspec.Struct, frozen=True):
    """A parameter of the path or the query: `name` in Python, `wire_name` in the request."""

    name: str
    wire_name: str
    kind: Any
    default: Any
    about: str
    in_path: bool


class AdminRoute(msgspec.Struct, frozen=True):
    """One method of one path."""

    method: str
    path: str
    endpoint: Endpoint
    parameters: tuple[Parameter, ...]
    body_name: str
    body: type[Body] | None
    request_name: str
    status: int
    tag: str
    about: str
    in_document: bool
    deprecated: bool
    body_schema: dict[str, Any] | None
    id: str = ""
    answer: Any = None
    content: Mapping[str, Any] | None = None
    also_status: int = 0

    def mounted(self) -> Route:
        """As the application takes it."""
        return Route(self.path, self._answer, methods=[self.method])  # and HEAD where it is GET

    async def _answer(self, request: Request) -> Response:
        given = {one.name: _read(one, request) for one in self.parameters}
        if self.body is not None:
            given[self.body_name] = await _read_body(self.body, request)
        if self.request_name:
            given[self.request_name] = request
        found = await self.endpoint(**given)
        return found if isinstance(found, Response) else JSONResponse(found, self.status)


class AdminRoutes:
    """The routes of one part of the API, `all` in order."""

    def __init__(self, tag: str = "") -> None:
        self.all: list[AdminRoute] = []
        self._tag = tag

    def add(self, method: str, path: str, endpoint: Endpoint, **options: Unpack[Options]) -> None:
        self.all.append(_route(method, path, endpoint, self._tag, options))

    def _adds(self, method: str, path: str, options: Options) -> Callable[[Endpoint], Endpoint]:
        def add(endpoint: Endpoint) -> Endpoint:
            self.add(method, path, endpoint, **options)
            return endpoint

        return add

    def get(self, path: str, **options: Unpack[Options]) -> Callable[[Endpoint], Endpoint]:
        return self._adds("GET", path, options)

    def post(self, path: str, **options: Unpack[Options]) -> Callable[[Endpoint], Endpoint]:
        return self._adds("POST", path, options)

    def put(self, path: str, **options: Unpack[Options]) -> Callable[[Endpoint], Endpoint]:
        return self._adds("PUT", path, options)

    def patch(self, path: str, **options: Unpack[Options]) -> Callable[[Endpoint], Endpoint]:
        return self._adds("PATCH", path, options)

    def delete(self, path: str, **options: Unpack[Options]) -> Callable[[Endpoint], Endpoint]:
        return self._adds("DELETE", path, options)


def _route(method: str, path: str, endpoint: Endpoint, tag: str, options: Options) -> AdminRoute:
    in_path = compile_path(path)[2]
    hints = get_type_hints(endpoint, include_extras=True)
    parameters: list[Parameter] = []
    body_name = request_name = ""
    body: type[Body] | None = None
    for name, parameter in inspect.signature(endpoint).parameters.items():
        kind = hints[name]
        if kind is Request:
            request_name = name
        elif isinstance(kind, type) and issubclass(kind, Body):
            body_name, body = name, kind
        else:
            parameters.append(_parameter(name, kind, parameter.default, name in in_path))
    return AdminRoute(
        method,
        path,
        endpoint,
        tuple(parameters),
        body_name,
        body,
        request_name,
        options.get("status_code", 200),
        options.get("tag", tag),
        options.get("about") or inspect.getdoc(endpoint) or "",
        options.get("in_document", True),
        options.get("deprecated", False),
        options.get("body_schema"),
        options.get("id", ""),
        options.get("answer"),
        options.get("content"),
        options.get("also_status", 0),
    )


def _parameter(name: str, kind: Any, default: Any, in_path: bool) -> Parameter:
    """`Meta` of a parameter says what it is about, and its name if that is no word of Python's."""
    about, wire_name = "", name
    if origin_of(kind) is Annotated:
        for meta in get_args(kind)[1:]:
            assert isinstance(meta, msgspec.Meta)
            about = meta.description or ""
            wire_name = (meta.extra or {}).get("name", name)
    return Parameter(name, wire_name, kind, default, about, in_path)


def _read(parameter: Parameter, request: Request) -> Any:
    if parameter.in_path:
        return request.path_params[parameter.name]
    given = request.query_params.getlist(parameter.wire_name)
    if len(given) > 1:
        raise AdminError(400, f"query.{parameter.wire_name}: it is given {len(given)} times")
    text = given[0] if given else None
    if text is None:
        if parameter.default is REQUIRED:
            raise AdminError(400, f"query.{parameter.wire_name}: it is missing")
        return parameter.default
    try:
        return msgspec.convert(text, parameter.kind, strict=False)
    except msgspec.ValidationError as error:
        raise AdminError(400, f"query.{parameter.wire_name}: {error}") from None


async def whole_body(request: Request) -> bytes:
    """AdminError if its client goes away before the end."""
    try:
        return await request.body()
    except ClientDisconnect:
        raise AdminError(400, "the request did not come to its end") from None


async def _read_body(kind: type[Body], request: Request) -> Body:
    data = await whole_body(request)
    try:
        body = msgspec.json.decode(data, type=kind, strict=False)
    except msgspec.ValidationError as error:
        raise AdminError(400, f"body: {error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise AdminError(400, f"the body is not JSON: {said(error)}") from None
    if (name := name_given_twice(data)) is not None:
        raise AdminError(400, f"body: the name {name!r} is given twice")
    return body
