"""Which names this API answers to, and which web pages may call it.

A page of any site can make a browser send requests to an address of this machine, and by a name
that it resolves itself (DNS rebinding) also read the answers. So a request must name a host that
is allowed, and one that comes from a page must come from a page of such a host.
"""

from collections.abc import Iterable
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

from orchestrator.admin.errors import refusal

LOCAL: Final = "localhost"
NAME_CHARS_SHOWN: Final = 100


class HostGuard:
    """403 for a Host or an Origin that is not allowed.

    Allowed are names of the loopback interface, the address a connection came in at, and
    `hosts`: names without a port, or "*" for all.
    """

    def __init__(self, app: ASGIApp, hosts: Iterable[str]) -> None:
        self._app = app
        self._hosts = frozenset(host.lower() for host in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and "*" not in self._hosts:
            for name, value in scope["headers"]:
                if name in _HOST_OF and not self._allows(_HOST_OF[name](value), scope):
                    shown = value.decode("latin-1")[:NAME_CHARS_SHOWN]
                    await _refused(name.decode(), shown)(scope, receive, send)
                    return
        await self._app(scope, receive, send)

    def _allows(self, host: str, scope: Scope) -> bool:
        if host in self._hosts or is_loopback(host):
            return True
        server = scope.get("server")
        # Only a name can be made to point elsewhere: an address is what the client connected to.
        return server is not None and host == server[0]


def is_loopback(host: str) -> bool:
    """`localhost`, a name below it, or an address of the loopback interface."""
    if host == LOCAL or host.endswith("." + LOCAL):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def host_of(value: bytes) -> str:
    """The host of a Host header, without its port and brackets; "" if it is none."""
    return _host_in("//" + value.decode("latin-1"))


def _origin_host(value: bytes) -> str:
    return _host_in(value.decode("latin-1"))


def _host_in(url: str) -> str:
    try:
        return (urlsplit(url).hostname or "").removesuffix(".")
    except ValueError:
        return ""


_HOST_OF: Final = {b"host": host_of, b"origin": _origin_host}


def _refused(header: str, value: str) -> ASGIApp:
    return refusal(
        403,
        f"the {header} {value!r} is not allowed: this API answers to localhost, to the address it"
        " listens on, and to the names given by --admin-hosts (PERDURE_ADMIN_HOSTS)",
    )
