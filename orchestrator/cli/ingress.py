"""Speaks to the ingress over HTTP, as every caller of handlers does."""

from typing import Final

from orchestrator.cli.client import refusal_text
from orchestrator.cli.commands import Asked
from orchestrator.cli.exits import ServerRefused
from orchestrator.cli.web_address import HttpAnswer, WebAddress

_EXAMPLE: Final = "an ingress: write http://127.0.0.1:8080"
_SOURCE: Final = "x-restate-error-source"
_REMEDY: Final = "name the address of its ingress with --ingress-url"


def ingress_address(address: str) -> WebAddress:
    """CliError if it is no address."""
    return WebAddress(address, _EXAMPLE, _REMEDY)


class IngressClient:
    """The ingress of the server that is asked; without an address the admin API names it."""

    def __init__(self, asked: Asked) -> None:
        named = asked.server.ingress or asked.admin.get("/version")["ingress_endpoint"]
        self._at = ingress_address(named)

    def ask(
        self,
        method: str,
        at: str,
        content: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> HttpAnswer:
        """Waits as long as the server does; ServerRefused for a status from 400 on."""
        answer = self._at.exchange(method, at, content, headers or {}, None)
        if answer.status >= 400:
            is_of_handler = answer.headers.get(_SOURCE) == "invocation"
            text = refusal_text(answer.status, answer.body)
            raise ServerRefused(answer.status, text, is_of_handler)
        return answer
