"""Speaks to the admin API over HTTP."""

import http.client
import json
import socket
import sys
from typing import Any, Final
from urllib.parse import SplitResult, quote, urlsplit

from orchestrator.cli.exits import EXIT_UNREACHABLE, EXIT_USAGE, CliError, ServerRefused
from orchestrator.config.variables import URL_VARIABLE
from orchestrator.model.api_headers import API_VERSION, MISSING_PARTITIONS

DEFAULT_ADMIN: Final = "http://127.0.0.1:9070"
_TIMEOUT_S: Final = 90  # beyond the time a query has, so that the server says it first
_PREFIX: Final = "/v4"
_ANY_HOST: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # addresses to listen on, not to call


def path(*segments: str) -> str:
    """A path of the API whose segments may hold any character."""
    return "/" + "/".join(quote(one, safe="") for one in segments)


class Admin:
    """The admin API at one address, written as a URL or as HOST:PORT."""

    def __init__(self, address: str) -> None:
        parts, self._port = check_address(address)
        self.address = address
        self.missing = ""  # partitions whose rows were not in an answer, by number
        host = parts.hostname or ""
        self._host = _ANY_HOST.get(host, host)
        self._secure = parts.scheme == "https"
        self._prefix = parts.path.rstrip("/") + _PREFIX

    def get(self, at: str) -> Any:
        return self.ask("GET", at)

    def ask(self, method: str, at: str, body: object = None) -> Any:
        """The JSON of the answer, None for an empty one; raises CliError."""
        content = None if body is None else json.dumps(body).encode()
        try:
            response, answer = self._exchange(method, at, content)
        except (OSError, http.client.HTTPException, UnicodeError) as error:
            raise CliError(self._unreachable(error), EXIT_UNREACHABLE) from None
        self._note_missing(response.headers.get(MISSING_PARTITIONS, ""))
        if response.status >= 400:
            raise ServerRefused(response.status, _message(response.status, answer))
        if API_VERSION not in response.headers:
            raise CliError(
                f"what answers at {self.address} is not the admin API of a Perdure server:"
                f" name its address with --admin or {URL_VARIABLE}",
                EXIT_UNREACHABLE,
            )
        return _decoded(answer)

    def _exchange(
        self, method: str, at: str, content: bytes | None
    ) -> tuple[http.client.HTTPResponse, bytes]:
        connection = self._connection()
        try:
            connection.request(method, self._prefix + at, content, _headers(content))
            response = connection.getresponse()
            return response, response.read()
        finally:
            connection.close()

    def query(self, sql: str) -> list[dict[str, Any]]:
        """Rows of a query; columns that are null are not there."""
        answer = self.ask("POST", "/query", {"query": sql})
        rows: list[dict[str, Any]] = answer["rows"]
        return rows

    def _note_missing(self, missing: str) -> None:
        if missing and missing != self.missing:
            self.missing = missing
            which = "partitions" if "," in missing else "partition"
            print(
                f"warning: {which} {missing} cannot be read now: what they hold is not shown",
                file=sys.stderr,
            )

    def _connection(self) -> http.client.HTTPConnection:
        if self._secure:
            return http.client.HTTPSConnection(self._host, self._port, timeout=_TIMEOUT_S)
        return http.client.HTTPConnection(self._host, self._port, timeout=_TIMEOUT_S)

    def _unreachable(self, error: Exception) -> str:
        if isinstance(error, ConnectionRefusedError | socket.gaierror):
            return (
                f"no server answers at {self.address}: start one with 'perdure serve',"
                f" or name another with --admin or {URL_VARIABLE}"
            )
        return f"the server at {self.address} did not answer: {error or type(error).__name__}"


def check_address(address: str) -> tuple[SplitResult, int | None]:
    """The parts of an address, and its port; CliError for what is none."""
    try:
        parts = urlsplit(address if "://" in address else f"http://{address}")
        if parts.scheme in ("http", "https") and parts.hostname and parts.username is None:
            http.client.HTTPConnection(parts.hostname, parts.port)  # it checks the host
            return parts, parts.port
    except (ValueError, http.client.InvalidURL):
        pass
    shown = address.rpartition("@")[2]  # what stands before it may be a password
    raise CliError(f"{shown!r} is no address of an admin API: write {DEFAULT_ADMIN}", EXIT_USAGE)


def _headers(content: bytes | None) -> dict[str, str]:
    headers = {"accept": "application/json"}
    if content is not None:
        headers["content-type"] = "application/json"
    return headers


def _decoded(answer: bytes) -> Any:
    if not answer:
        return None
    try:
        return json.loads(answer)
    except ValueError:
        raise CliError("the answer is no JSON: is this the admin port?") from None


def _message(status: int, answer: bytes) -> str:
    try:
        said = json.loads(answer)
        text, code = str(said["message"]), said.get("restate_code")
    except (ValueError, KeyError, TypeError, AttributeError):
        text, code = f"HTTP status {status}: {answer[:200].decode('utf-8', 'replace')}", None
    return f"{text} [{code}]" if code else text


def text_literal(text: str) -> str:
    """A text as SQL writes it."""
    return "'" + text.replace("'", "''") + "'"
