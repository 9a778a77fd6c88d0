"""An address that speaks HTTP: what people write for it, and one exchange."""

import http.client
import socket
from typing import Final, NamedTuple
from urllib.parse import SplitResult, urlsplit

from orchestrator.cli.exits import EXIT_UNREACHABLE, EXIT_USAGE, CliError

_ANY_HOST: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # addresses to listen on, not to call


class HttpAnswer(NamedTuple):
    """An answer, whatever its status."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes


class WebAddress:
    """Written as a URL or as HOST:PORT; `example` is told if it is neither, `remedy` if nobody
    answers there."""

    def __init__(self, address: str, example: str, remedy: str) -> None:
        parts, self._port = _parsed(address, example)
        self.text = address
        self._remedy = remedy
        host = parts.hostname or ""
        self._host = _ANY_HOST.get(host, host)
        self._secure = parts.scheme == "https"
        self._prefix = parts.path.rstrip("/")

    def exchange(
        self,
        method: str,
        at: str,
        content: bytes | None,
        headers: dict[str, str],
        timeout_s: float | None,
    ) -> HttpAnswer:
        """One request and its answer; CliError if nobody answers."""
        kind = http.client.HTTPSConnection if self._secure else http.client.HTTPConnection
        connection = kind(self._host, self._port, timeout=timeout_s)
        try:
            connection.request(method, self._prefix + at, content, headers)
            response = connection.getresponse()
            return HttpAnswer(response.status, response.headers, response.read())
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise CliError(self._unreachable(error), EXIT_UNREACHABLE) from None
        finally:
            connection.close()

    def _unreachable(self, error: Exception) -> str:
        if isinstance(error, ConnectionRefusedError | socket.gaierror):
            return f"no server answers at {self.text}: {self._remedy}"
        return f"the server at {self.text} did not answer: {error or type(error).__name__}"


def _parsed(address: str, example: str) -> tuple[SplitResult, int | None]:
    """The parts of an address, and its port; CliError for what is none."""
    try:
        parts = urlsplit(address if "://" in address else f"http://{address}")
        if parts.scheme in ("http", "https") and parts.hostname and parts.username is None:
            http.client.HTTPConnection(parts.hostname, parts.port)  # it checks the host
            return parts, parts.port
    except (ValueError, http.client.InvalidURL):
        pass
    shown = address.rpartition("@")[2]  # what stands before it may be a password
    raise CliError(f"{shown!r} is no address of {example}", EXIT_USAGE)
