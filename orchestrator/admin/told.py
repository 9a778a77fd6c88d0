"""Log lines about the admin API: every change that a person or a program asks for, once it is
answered; at debug every other request too.
"""

import logging
import time
from typing import Final
from urllib.parse import quote

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_log = logging.getLogger("perdure.admin")
_READS: Final = ("GET", "HEAD", "OPTIONS")
_ASKS: Final = ("/query",)  # a POST that changes nothing
_LINE: Final = "%s %s: %d, asked by %s (%s), took_ms=%d"
_AGENT_CHARS: Final = 100


class RequestLog:
    """A line for each request."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        level = _level(scope["method"], scope["path"])
        if not _log.isEnabledFor(level):
            await self._app(scope, receive, send)
            return
        began_s = time.monotonic()

        async def noted(message: Message) -> None:
            if message["type"] == "http.response.start":
                took_ms = (time.monotonic() - began_s) * 1000
                status = message["status"]
                _log.log(level, _LINE, scope["method"], _path(scope), status, *_who(scope), took_ms)
            await send(message)

        await self._app(scope, receive, noted)


def _level(method: str, path: str) -> int:
    is_change = method not in _READS and not path.endswith(_ASKS)
    return logging.INFO if is_change else logging.DEBUG


def _path(scope: Scope) -> str:
    """Escaped: it stays in one line."""
    query = scope.get("query_string", b"").decode("latin-1")
    return quote(scope["path"], safe="/:%") + (f"?{quote(query, safe='=&%')}" if query else "")


def _who(scope: Scope) -> tuple[str, str]:
    client = scope.get("client")
    agents = [value for name, value in scope["headers"] if name == b"user-agent"]
    agent = agents[0].decode("latin-1")[:_AGENT_CHARS] if agents else "no user agent"
    shown = "".join(one if one.isprintable() else "?" for one in agent)
    return (str(client[0]) if client else "nobody known", shown)
