"""Speaks to the admin API over HTTP."""

import json
import sys
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from orchestrator.cli.exits import EXIT_UNREACHABLE, CliError, ServerRefused
from orchestrator.cli.web_address import HttpAnswer, WebAddress
from orchestrator.config.variables import URL_VARIABLE
from orchestrator.model.api_headers import API_VERSION, JSON_TYPE, MISSING_PARTITIONS

DEFAULT_ADMIN: Final = "http://127.0.0.1:9070"
_TIMEOUT_S: Final = 90  # beyond the time a query has, so that the server says it first
_JSON_WITH_NULLS: Final = "application/json; nulls=true"
_PREFIX: Final = "/v4"
_NAMED_BY: Final = f"--admin, --profile or {URL_VARIABLE}"


def path(*segments: str) -> str:
    """A path of the API whose segments may hold any character."""
    return "/" + "/".join(quote(one, safe="") for one in segments)


class Answered(NamedTuple):
    """An answer that is no refusal; `json` is None for an empty one."""

    status: int
    json: Any


def admin_address(address: str) -> WebAddress:
    """CliError if it is no address."""
    return WebAddress(
        address,
        f"an admin API: write {DEFAULT_ADMIN}",
        f"start one with 'perdure serve', or name another with {_NAMED_BY}",
    )


class Admin:
    """The admin API at one address."""

    def __init__(self, address: str) -> None:
        self._at = admin_address(address)
        self.address = address
        self.missing = ""  # partitions whose rows were not in an answer, by number

    def get(self, at: str) -> Any:
        return self.ask("GET", at)

    def ask(self, method: str, at: str, body: object = None) -> Any:
        """The JSON of the answer, None for an empty one; raises CliError."""
        return self.send(method, at, body).json

    def text(self, at: str) -> str:
        """An answer that is no JSON."""
        return self._answer("GET", at, None, "text/plain").body.decode()

    def send(self, method: str, at: str, body: object = None, accept: str = JSON_TYPE) -> Answered:
        """As `ask`, with the status of the answer."""
        answer = self._answer(method, at, body, accept)
        return Answered(answer.status, _decoded(answer.body))

    def _answer(self, method: str, at: str, body: object, accept: str) -> HttpAnswer:
        content = None if body is None else json.dumps(body).encode()
        headers = {"accept": accept, "user-agent": "perdure"}
        if content is not None:
            headers["content-type"] = JSON_TYPE
        answer = self._at.exchange(method, _PREFIX + at, content, headers, _TIMEOUT_S)
        self._note_missing(answer.headers.get(MISSING_PARTITIONS, ""))
        if answer.status >= 400:
            raise ServerRefused(answer.status, refusal_text(answer.status, answer.body))
        if API_VERSION not in answer.headers:
            raise CliError(
                f"what answers at {self.address} is not the admin API of a Perdure server:"
                f" name its address with {_NAMED_BY}",
                EXIT_UNREACHABLE,
            )
        return answer

    def query(self, sql: str) -> list[dict[str, Any]]:
        """Rows of a query; an older server leaves columns out that are null."""
        answer = self.send("POST", "/query", {"query": sql}, _JSON_WITH_NULLS).json
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


def _decoded(answer: bytes) -> Any:
    if not answer:
        return None
    try:
        return json.loads(answer)
    except RecursionError:
        raise CliError("the answer is nested too deeply: a value in it is") from None
    except ValueError:
        raise CliError("the answer is no JSON: is this the admin port?") from None


def refusal_text(status: int, answer: bytes) -> str:
    """What the admin API or the ingress says of a request it does not do."""
    try:
        said = json.loads(answer)
        text, code = str(said["message"]), said.get("restate_code")
    except (ValueError, KeyError, TypeError, AttributeError):
        text, code = f"HTTP status {status}: {answer[:200].decode('utf-8', 'replace')}", None
    return f"{text} [{code}]" if code else text


def split_code(said: str) -> tuple[str, str]:
    """The text of a refusal, and its code as it is written behind it, or ""."""
    text, bracket, code = said.rpartition(" [")
    return (text, bracket + code) if bracket and code.endswith("]") else (said, "")


def text_literal(text: str) -> str:
    """A text as SQL writes it."""
    return "'" + text.replace("'", "''") + "'"
