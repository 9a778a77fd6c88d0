"""Services by the name of `restate.service`."""

from collections.abc import Callable
from typing import Unpack

from perdure.compat.defining import Definition, F, HandlerKeywords, Options


class Service(Definition):
    """Handlers without key or state."""

    _kind = "service"

    def __init__(
        self, name: str, description: str | None = None, **options: Unpack[Options]
    ) -> None:
        super().__init__(name, description, options)

    def handler(
        self, name: str | None = None, **keywords: Unpack[HandlerKeywords]
    ) -> Callable[[F], F]:
        """Make a function of a context, and at most one argument, a handler."""

        def decorate(fn: F) -> F:
            self._add(fn, name, "plain", keywords)
            return fn

        return decorate
