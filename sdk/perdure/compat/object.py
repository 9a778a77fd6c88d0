"""Virtual objects by the name of `restate.object`."""

from collections.abc import Callable
from typing import Literal, Unpack

from perdure.compat.defining import Definition, F, HandlerKeywords, Options


class VirtualObject(Definition):
    """Handlers of a key with state."""

    _kind = "object"

    def __init__(
        self, name: str, description: str | None = None, **options: Unpack[Options]
    ) -> None:
        super().__init__(name, description, options)

    def handler(
        self,
        name: str | None = None,
        kind: Literal["exclusive", "shared"] | None = "exclusive",
        **keywords: Unpack[HandlerKeywords],
    ) -> Callable[[F], F]:
        """Make a function of a context, and at most one argument, a handler."""

        def decorate(fn: F) -> F:
            self._add(fn, name, kind or "exclusive", keywords)
            return fn

        return decorate
