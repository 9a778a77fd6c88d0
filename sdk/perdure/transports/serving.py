"""`perdure.app`: services and the runtime, put together."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Literal, Unpack

from perdure.errors import BadDefinition
from perdure.misuse import caller
from perdure.options import DefaultFields, read_defaults, with_defaults
from perdure.runtime import Attempt
from perdure.service import definition_of
from perdure.transports.application import App


def app(
    *services: Any,
    identity_keys: Iterable[str] = (),
    protocol: Literal["bidi", "request_response"] | None = None,
    **defaults: Unpack[DefaultFields],
) -> App:
    """Make services ready to be served, by any ASGI server or by `python -m perdure`.

    With `identity_keys` only requests that are signed by one of them are answered. `protocol`
    overrides what the transport offers. `defaults` are options of all services and handlers that
    do not say otherwise. Raises BadDefinition.
    """
    if not services:
        raise BadDefinition("app() serves nothing: give it services", *caller())
    if defaults:
        given, found = read_defaults(defaults), [definition_of(one) for one in services]
        services = tuple(
            replace(one, options=with_defaults(one.options, given, one.kind)) for one in found
        )
    return App(services, Attempt, identity_keys, protocol)
