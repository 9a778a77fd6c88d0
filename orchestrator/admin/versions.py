"""The versions of the admin API: the same routes at the root and under /v2, /v3 and /v4.

Every answer names the version of the server, which tells clients that it is a Perdure server.
"""

import re
from typing import Final
from urllib.parse import quote

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from orchestrator.admin.errors import refusal
from orchestrator.model.api_headers import API_VERSION
from orchestrator.runtime.version import own_version

VERSION_MIN: Final = 2
VERSION_MAX: Final = 4
UNVERSIONED: Final = VERSION_MAX
_KEY: Final = "perdure.admin_version"
_ESCAPED: Final = re.compile(rb"/*(?:v\d/+)?%2f", re.IGNORECASE).match  # a slash that is none
_PREFIXES: Final = {f"v{n}": n for n in range(VERSION_MIN, VERSION_MAX + 1)}


def version_of(scope: Scope) -> int:
    """The version a request speaks; without a prefix, the newest."""
    version: int = scope.get(_KEY, UNVERSIONED)
    return version


class Versions:
    """Takes the version off the path before the routes see it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._header = (API_VERSION.encode(), own_version().encode())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def named(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), self._header]
            await send(message)

        await self._route(scope, receive, named)

    async def _route(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not _ESCAPED(scope["raw_path"]):
            path: str = scope["path"]
            first, _, rest = path.lstrip("/").partition("/")
            if first == "v1":
                answer = refusal(400, "version 1 of this API is no longer served: use /v4")
                await answer(scope, receive, send)
                return
            if first in _PREFIXES:
                scope = {**scope, _KEY: _PREFIXES[first]}
                path = "/" + rest
            if path.startswith("//"):  # of a base URL that ends in a slash
                path = "/" + path.lstrip("/")
            if path != scope["path"]:
                scope = {**scope, "path": path, "raw_path": quote(path).encode()}
        await self._app(scope, receive, send)
