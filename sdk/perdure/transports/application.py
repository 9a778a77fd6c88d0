"""`app`: what a module offers to whatever serves it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from os import PathLike
from typing import TYPE_CHECKING, Any, Final, Literal

from perdure.discovery import ProtocolMode
from perdure.endpoint import Endpoint
from perdure.in_process import InProcessApp
from perdure.misuse import misuse
from perdure.transports import asgi
from perdure.transports.aws_lambda import LambdaHandler
from perdure.transports.port import StartAttempt

if TYPE_CHECKING:
    from perdure.embedded import Embedded

_MODES: Final[dict[str, ProtocolMode]] = {
    "bidi": "BIDI_STREAM",
    "request_response": "REQUEST_RESPONSE",
}


class App:
    """Services ready to be served. As a callable it is an ASGI application."""

    def __init__(
        self,
        services: Iterable[Any],
        start: StartAttempt,
        identity_keys: Iterable[str] = (),
        protocol: Literal["bidi", "request_response"] | None = None,
    ) -> None:
        self.endpoint = Endpoint(services, identity_keys)
        self.start = start
        if protocol is not None and protocol not in _MODES:
            raise misuse(f"protocol is {' or '.join(map(repr, _MODES))}, not {protocol!r}")
        self.mode = _MODES[protocol] if protocol is not None else None

    async def __call__(self, scope: asgi.Message, receive: asgi.Receive, send: asgi.Send) -> None:
        await asgi.serve(self.endpoint, self.start, self.mode, scope, receive, send)

    def lambda_handler(self) -> LambdaHandler:
        """Return a handler for AWS Lambda: `handler = app.lambda_handler()`."""
        return LambdaHandler(self.endpoint, self.start)

    def embedded(
        self,
        data_dir: str | PathLike[str],
        *,
        ingress: bool = True,
        admin: bool = True,
        settings: Mapping[str, str] | None = None,
    ) -> Embedded:
        """Return an engine for this app, to be used by `async with`: it runs in this process, and
        keeps its data in `data_dir`. See `perdure.embedded`."""
        from perdure.embedded import Embedded

        app = InProcessApp(self.endpoint, self.start, self.mode)
        return Embedded(app, data_dir, ingress=ingress, admin=admin, settings=settings)

    def run_embedded(
        self,
        data_dir: str | PathLike[str] = ".perdure",
        *,
        settings: Mapping[str, str] | None = None,
        ready: Callable[[Embedded], Any] | None = None,
    ) -> None:
        """Run an engine and this app in this process, with ingress and admin API, until SIGINT or
        SIGTERM. `ready` is called once it serves."""
        from perdure.embedded import run_until_asked

        run_until_asked(self.embedded(data_dir, settings=settings), ready)
