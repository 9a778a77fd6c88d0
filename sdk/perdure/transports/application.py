"""`app`: what a module offers to whatever serves it."""

from collections.abc import Iterable
from typing import Any, Final, Literal

from perdure.discovery import ProtocolMode
from perdure.endpoint import Endpoint
from perdure.transports import asgi
from perdure.transports.aws_lambda import LambdaHandler
from perdure.transports.port import StartAttempt

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
        self.mode = _MODES[protocol] if protocol is not None else None

    async def __call__(self, scope: asgi.Message, receive: asgi.Receive, send: asgi.Send) -> None:
        await asgi.serve(self.endpoint, self.start, self.mode, scope, receive, send)

    def lambda_handler(self) -> LambdaHandler:
        """Return a handler for AWS Lambda: `handler = app.lambda_handler()`."""
        return LambdaHandler(self.endpoint, self.start)
