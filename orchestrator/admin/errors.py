"""Errors of the admin API: `{"message", "restate_code"}` and a status, never a traceback."""

import logging
from collections.abc import Mapping, Sequence
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Match
from starlette.types import ExceptionHandler

from orchestrator.model.durations import DurationError
from orchestrator.registry.addresses import AddressError
from orchestrator.registry.errors import RegistryError
from orchestrator.registry.metadata import MetadataUnavailable
from perdure.wire.errors import BadId

_log = logging.getLogger("perdure.admin")

_NAMED_MAX: Final = 5
_BAD_REQUEST: Final = "PD0701"
_NOT_ALLOWED: Final = "PD0702"
_NOTHING: Final = "PD0703"
_BAD_STATE: Final = "PD0704"
_TOO_MUCH: Final = "PD0705"
_NOT_NOW: Final = "PD0706"
_CODE_OF: Final[Mapping[int, str]] = {
    400: _BAD_REQUEST,
    403: _NOT_ALLOWED,
    404: _NOTHING,
    405: _BAD_REQUEST,
    408: _TOO_MUCH,
    409: _BAD_STATE,
    413: _TOO_MUCH,
    415: _BAD_REQUEST,
    422: _BAD_REQUEST,
    425: _BAD_STATE,
    429: _NOT_NOW,
    431: _TOO_MUCH,
    501: _BAD_REQUEST,
    503: _NOT_NOW,
    504: _NOT_NOW,
}
"""What a refusal says that has no code of its own."""


_CUT_OFF: Final = "Input data was truncated"  # msgspec says that of half a surrogate pair, too


def said(error: Exception) -> str:
    """What is wrong with a body, in words."""
    text = str(error)
    return f"{text}, or half of a surrogate pair stands in a text" if text == _CUT_OFF else text


class AdminError(Exception):
    """A request that is not done, and why."""

    def __init__(self, status: int, message: str, code: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code


def refusal_body(status: int, message: str, code: str = "") -> dict[str, str]:
    """An error of the server itself (500) has no code: its log tells more."""
    code = code or _CODE_OF.get(status, "")
    return {"message": message, "restate_code": code} if code else {"message": message}


def refusal(status: int, message: str, code: str = "") -> Response:
    """The body every error has; without `code` the status says which it is."""
    body = refusal_body(status, message, code)
    headers = {"retry-after": "1"} if status in (429, 503) else {}
    if status == 408:  # others that are refused may send the rest: it is read and dropped
        headers["connection"] = "close"
    return JSONResponse(body, status, headers)


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, AdminError | RegistryError)
    return refusal(error.status, error.message, error.code)


def some_of(names: Sequence[str]) -> str:
    """The first of them, for people, and how many there are more."""
    more = f" and {len(names) - _NAMED_MAX} more" if len(names) > _NAMED_MAX else ""
    return ", ".join(names[:_NAMED_MAX]) + more


async def _no_metadata(_: Request, error: Exception) -> Response:
    if isinstance(error, MetadataUnavailable) and error.unknown:
        return refusal(500, f"{error}; it is not known whether the change was made")
    return refusal(503, str(error))


async def _bad_word(_: Request, error: Exception) -> Response:
    return refusal(400, str(error))


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 404:
        return refusal(
            404, f"there is nothing at {request.url.path}: GET /openapi names all routes"
        )
    if error.status_code == 405:
        return _not_allowed(request)
    return refusal(error.status_code, str(error.detail))


def _not_allowed(request: Request) -> Response:
    """A path may have several routes, of a method each."""
    methods: set[str] = set()
    for route in request.app.routes:
        if route.matches(request.scope)[0] is not Match.NONE:
            methods |= route.methods
    allowed = ", ".join(sorted(methods))
    answer = refusal(405, f"method {request.method} is not allowed here, use {allowed}")
    answer.headers["allow"] = allowed
    return answer


async def _bug(request: Request, error: Exception) -> Response:
    _log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return refusal(500, "an error of the server, which its log tells more about")


HANDLERS: Final[Mapping[type[Exception], ExceptionHandler]] = {
    AdminError: _refused,
    RegistryError: _refused,
    MetadataUnavailable: _no_metadata,
    BadId: _bad_word,
    AddressError: _bad_word,
    DurationError: _bad_word,
    HTTPException: _http,
    Exception: _bug,
}
"""Turns every exception of a route into a refusal."""
