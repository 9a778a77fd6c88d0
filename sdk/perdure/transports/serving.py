"""`perdure.app`: services and the runtime, put together."""

from collections.abc import Iterable
from typing import Any, Literal

from perdure.errors import BadDefinition
from perdure.misuse import caller
from perdure.runtime import Attempt
from perdure.transports.application import App


def app(
    *services: Any,
    identity_keys: Iterable[str] = (),
    protocol: Literal["bidi", "request_response"] | None = None,
) -> App:
    """Make services ready to be served, by any ASGI server or by `python -m perdure`.

    With `identity_keys` only requests that are signed by one of them are answered. `protocol`
    overrides what the transport offers. Raises BadDefinition.
    """
    if not services:
        raise BadDefinition("app() serves nothing: give it services", *caller())
    return App(services, Attempt, identity_keys, protocol)
