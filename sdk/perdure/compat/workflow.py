"""Workflows by the name of `restate.workflow`."""

from collections.abc import Callable
from typing import Unpack

from perdure.compat.defining import Definition, F, HandlerKeywords, Options


class Workflow(Definition):
    """A main handler that runs once for each key, and others beside it."""

    _kind = "workflow"

    def __init__(
        self, name: str, description: str | None = None, **options: Unpack[Options]
    ) -> None:
        super().__init__(name, description, options)

    def main(
        self, name: str | None = None, **keywords: Unpack[HandlerKeywords]
    ) -> Callable[[F], F]:
        """Make a function the main handler."""

        def decorate(fn: F) -> F:
            self._add(fn, name, "workflow", keywords)
            return fn

        return decorate

    def handler(
        self, name: str | None = None, **keywords: Unpack[HandlerKeywords]
    ) -> Callable[[F], F]:
        """Make a function a handler beside the main one."""

        def decorate(fn: F) -> F:
            self._add(fn, name, "shared", keywords)
            return fn

        return decorate
