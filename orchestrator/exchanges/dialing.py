"""Opening connections: names to addresses, TCP, TLS, the version of HTTP that TLS agreed on."""

import asyncio
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

from orchestrator.exchanges.origin import Origin
from orchestrator.exchanges.resolver import HostResolver

CONNECT_S: Final = 10.0  # look-up, TCP and TLS together

P = TypeVar("P", bound=asyncio.Protocol)
_NO_TLS: Final = "WRONG_VERSION_NUMBER"  # what answered is no record of TLS
_OF_HTTP1: Final = b"HTTP/1."
_TYPE_AT: Final = 3  # of a frame: its kind
_SETTINGS_TYPE: Final = 4  # the frame that a server has to begin with

ANSWERED_HTTP1: Final = (
    "the endpoint answered in HTTP/1.1: register it with use_http_11 (--use-http1.1)"
)
NOT_HTTP2: Final = (
    "what the endpoint answered is not HTTP/2: if it speaks HTTP/1.1, register it with use_http_11"
    " (--use-http1.1)"
)


def alpn_of(transport: asyncio.BaseTransport | None) -> str | None:
    """The protocol that TLS agreed on; None without TLS."""
    tls = transport.get_extra_info("ssl_object") if transport is not None else None
    return None if tls is None else str(tls.selected_alpn_protocol())


class DialError(Exception):
    """There is no connection; the message says why."""


class Dialer:
    """Opens connections. `ca_file` holds certificates to trust beside the system's."""

    def __init__(self, ca_file: Path | None = None, resolver: HostResolver | None = None) -> None:
        self._ca_file = ca_file
        self._resolver = resolver or HostResolver()
        self._contexts: dict[bool, ssl.SSLContext] = {}

    async def dial(self, origin: Origin, http1: bool, make: Callable[[], P]) -> P:
        """A connection in at most CONNECT_S; raises DialError."""
        try:
            async with asyncio.timeout(CONNECT_S):
                addresses = await self._resolver.addresses(origin.host)
                return await self._to_one_of(addresses, origin, http1, make)
        except (OSError, TimeoutError, ValueError) as error:
            why = _said_of(error)
            raise DialError(f"cannot connect to {origin.host}:{origin.port}: {why}") from None

    async def _to_one_of(
        self, addresses: list[str], origin: Origin, http1: bool, make: Callable[[], P]
    ) -> P:
        """The first that takes a connection; each has its share of the time."""
        loop = asyncio.get_running_loop()
        context = self._context(http1) if origin.tls else None
        failed: OSError | TimeoutError | None = None
        for address in addresses:
            try:
                async with asyncio.timeout(CONNECT_S / len(addresses)):
                    _, connection = await loop.create_connection(
                        make,
                        address,
                        origin.port,
                        ssl=context,
                        server_hostname=origin.host if context else None,
                    )
                    return connection
            except (OSError, TimeoutError) as error:
                failed = error
        raise failed or OSError("it has no address")

    def _context(self, http1: bool) -> ssl.SSLContext:
        context = self._contexts.get(http1)
        if context is None:
            context = ssl.create_default_context()
            if self._ca_file is not None:
                context.load_verify_locations(self._ca_file)
            context.set_alpn_protocols(["http/1.1"] if http1 else ["h2"])
            self._contexts[http1] = context
        return context


def _said_of(error: Exception) -> str:
    """Why there is no connection, and what helps where that is known."""
    if isinstance(error, ssl.SSLCertVerificationError):
        trust = "--services-ca-file of the server names more certificates to trust"
        return f"certificate verify failed: {error.verify_message}; {trust}"
    if isinstance(error, ssl.SSLError) and error.reason == _NO_TLS:
        return "it does not speak TLS: write http:// instead of https://"
    if isinstance(error, TimeoutError) and not str(error):
        return f"no answer within {CONNECT_S:g} s"
    return str(error) or type(error).__name__


def why_not_http2(data: bytes | memoryview, is_first: bool) -> str:
    """Why this peer cannot be used over HTTP/2; "" if it can."""
    if bytes(data[: len(_OF_HTTP1)]) == _OF_HTTP1:
        return ANSWERED_HTTP1
    if is_first and len(data) > _TYPE_AT and data[_TYPE_AT] != _SETTINGS_TYPE:
        return NOT_HTTP2
    return ""
